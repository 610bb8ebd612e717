"""Zendesk Support: tickets, comments, tags, and what an agent's API token may ask for.

Sources: https://developer.zendesk.com/api-reference/ticketing/tickets/tickets, …/documentation/webhooks/verifying
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from tests.support import signers
from tests.support.platforms.standin import Asked, Conversation, Said, StandIn, Told, Webhook

SECRET = "zendesk-signing-secret"
EMAIL = "bot@acme.example"
BOT, PERSON, CUSTOMER = 494820284, 494820999, 8447388
NOT_FOUND = Told(404, {"error": "RecordNotFound", "description": "Not found"})


class Zendesk(StandIn):
    """One account. A ticket that a person has is assigned to them."""

    name = "zendesk"
    forbidden = Told(401, {"error": "Couldn't authenticate you"})

    def settings(self) -> dict[str, Any]:
        return {"subdomain": "acme", "baseUrl": self.url, "email": EMAIL, "userId": str(BOT)}

    def secrets(self) -> dict[str, str]:
        return {"signing": SECRET, "token": self.token}

    def lets_in(self, asked: Asked) -> bool:
        basic = base64.b64encode(f"{EMAIL}/token:{self.token}".encode()).decode()
        return asked.headers.get("authorization") == f"Basic {basic}"

    def answer(self, asked: Asked) -> Told:
        match (asked.method, *asked.path):
            case (method, "api", "v2", "tickets", number, *rest):
                ticket = self.conversations.get(number.removesuffix(".json"))
                return NOT_FOUND if ticket is None else self._of(method, ticket, rest, asked)
        return NOT_FOUND

    def _of(self, method: str, ticket: Conversation, rest: list[str], asked: Asked) -> Told:
        match (method, *rest):
            case ("GET",):
                return Told(200, {"ticket": self._shown(ticket)})
            case ("PUT",):
                return self._update(ticket, asked.body["ticket"])
            case ("PUT", "tags.json"):
                tags = ticket.more.setdefault("tags", [])
                tags += [tag for tag in asked.body["tags"] if tag not in tags]
                ticket.handler = "person"
                return Told(200, {"tags": tags})
            case ("GET", "comments.json"):
                comments = [self._comment(said) for said in ticket.said]
                return Told(200, {"comments": comments[::-1] if asked.query.get("sort_order") == "desc" else comments})
        return NOT_FOUND

    def _update(self, ticket: Conversation, change: dict[str, Any]) -> Told:
        comment = change.get("comment")
        if comment is not None:
            if len(comment["body"]) > 65_535 or comment.get("author_id", BOT) != BOT:
                return Told(422, {"error": "RecordInvalid", "description": "Record validation errors"})
            more = {"metadata": change.get("metadata", {})}
            self.says(ticket, comment["body"], "bot", private=not comment["public"], **more)
        if "group_id" in change:
            ticket.more["group_id"], ticket.handler = change["group_id"], "person"
        return Told(200, {"ticket": self._shown(ticket), "audit": {"id": 1}})

    def _shown(self, ticket: Conversation) -> dict[str, Any]:
        taken = ticket.handler == "person" and not ticket.more
        return {
            "id": int(ticket.id),
            "status": "open",
            "assignee_id": PERSON if taken else None,
            "group_id": ticket.more.get("group_id"),
            "tags": ticket.more.get("tags", []),
        }

    def _comment(self, said: Said) -> dict[str, Any]:
        author = {"customer": CUSTOMER, "bot": BOT, "person": PERSON}[said.by]
        custom = said.more.get("metadata", {}).get("custom", {})
        at = datetime.fromtimestamp(said.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        shown = {"id": int(said.id), "type": "Comment", "author_id": author, "body": said.text, "plain_body": said.text}
        return {**shown, "public": not said.private, "created_at": at, "metadata": {"system": {}, "custom": custom}}

    def webhook(self, conversation: Conversation, said: Said) -> Webhook:
        payload = {
            "type": "zen:event-type:ticket.comment_added",
            "id": f"d4f5c389-8f4a-4c2e-a1b9-{int(said.id):012d}",
            "account_id": 22129848,
            "time": "2026-01-08T14:25:30.123456789Z",
            "zendesk_event_version": "2022-11-06",
            "subject": f"zen:ticket:{conversation.id}",
            "detail": {
                "id": conversation.id,
                "actor_id": f"{CUSTOMER}{conversation.id}",
                "assignee_id": None,
                "requester_id": f"{CUSTOMER}{conversation.id}",
                "status": "OPEN",
                "subject": "Where is it?",
                "is_public": True,
                "via": {"channel": "web_service"},
            },
            "event": {
                "comment": {
                    "id": said.id,
                    "body": said.text,
                    "is_public": True,
                    "author": {"id": f"{CUSTOMER}{conversation.id}", "is_staff": False, "name": "Jane"},
                },
                "meta": {"sequence": {"id": "1", "position": 1}},
            },
        }
        body = json.dumps(payload).encode()
        more = {"content-type": "application/json", "x-zendesk-webhook-invocation-id": f"invocation-{said.id}"}
        return Webhook(body, {**more, **signers.zendesk(SECRET, body, datetime.now(UTC))})
