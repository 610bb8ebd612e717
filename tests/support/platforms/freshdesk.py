"""Freshdesk: tickets, replies and notes in HTML, groups. It signs nothing: a rule posts what its admin wrote.

Source: https://developers.freshdesk.com/api
"""

from __future__ import annotations

import base64
import html
import json
from datetime import UTC, datetime
from typing import Any

from tests.support.platforms.standin import Asked, Conversation, Said, StandIn, Told, Webhook

BOT, PERSON, CUSTOMER, GROUP = 5001, 5002, 9001, 31
NOT_FOUND = Told(404)


class Freshdesk(StandIn):
    """One account. `shared`: what its rule sends along, as the hook was told to expect it."""

    name = "freshdesk"
    forbidden = Told(401, {"code": "invalid_credentials", "message": "You have to be logged in."})

    def __init__(self) -> None:
        super().__init__()
        self.shared = "shared-secret-of-the-rule-0123456789"

    def settings(self) -> dict[str, Any]:
        return {"domain": "acme", "baseUrl": self.url, "agentId": str(BOT), "handOffTo": GROUP}

    def secrets(self) -> dict[str, str]:
        return {"shared": self.shared, "token": self.token}

    def lets_in(self, asked: Asked) -> bool:
        return asked.headers.get("authorization") == "Basic " + base64.b64encode(f"{self.token}:X".encode()).decode()

    def answer(self, asked: Asked) -> Told:
        match (asked.method, *asked.path):
            case (method, "api", "v2", "tickets", number, *rest) if number in self.conversations:
                return self._of(method, self.conversations[number], rest, asked.body)
        return NOT_FOUND

    def _of(self, method: str, ticket: Conversation, rest: list[str], body: Any) -> Told:
        match (method, *rest):
            case ("GET",):
                return Told(200, self._shown(ticket))
            case ("PUT",):
                ticket.handler, ticket.more["group_id"] = "person", body["group_id"]
                return Told(200, self._shown(ticket))
            case ("GET", "conversations"):
                return Told(200, [self._entry(said) for said in ticket.said[1:]])
            case ("POST", "reply" | "notes" as kind):
                private = kind == "notes" and body.get("private", True)
                text = html.unescape(body["body"].replace("<br>", "\n"))
                return Told(201, self._entry(self.says(ticket, text, "bot", private=private, body=body["body"])))
        return NOT_FOUND

    def _shown(self, ticket: Conversation) -> dict[str, Any]:
        taken = ticket.handler == "person" and not ticket.more
        agent = PERSON if taken else None
        return {"id": int(ticket.id), "status": 2, "responder_id": agent, "group_id": ticket.more.get("group_id")}

    def _entry(self, said: Said) -> dict[str, Any]:
        return {
            "id": int(said.id),
            "body": f"<div>{said.more.get('body', html.escape(said.text))}</div>",
            "body_text": " ".join(said.text.split()),
            "incoming": said.by == "customer",
            "private": said.private,
            "user_id": {"customer": CUSTOMER, "bot": BOT, "person": PERSON}[said.by],
            "created_at": datetime.fromtimestamp(said.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def webhook(self, conversation: Conversation, said: Said) -> Webhook:
        payload = {
            "event": "customer",
            "ticket_id": conversation.id,
            "comment": f"<div>{html.escape(said.text)}</div>",
            "requester_id": f"{CUSTOMER}{conversation.id}",
            "requester_external_id": f"cust-{conversation.id}",
            "at": said.id,
        }
        return Webhook(json.dumps(payload).encode(), {"content-type": "application/json", "x-hook-token": self.shared})
