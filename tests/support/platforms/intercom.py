"""Intercom: conversations, their parts, and assignments.

Source: https://github.com/intercom/Intercom-OpenAPI
"""

from __future__ import annotations

import html
import json
import time
from datetime import UTC, datetime
from typing import Any

from tests.support import signers
from tests.support.platforms.standin import Asked, Conversation, Said, StandIn, Told, Webhook

APP, ADMIN, PERSON, TEAM = "abc123", "3156780", "3156999", "77"
SECRET = "intercom-client-secret"
NOT_FOUND = Told(404, {"type": "error.list", "errors": [{"code": "not_found", "message": "Resource Not Found"}]})
INVALID = Told(422, {"type": "error.list", "errors": [{"code": "parameter_invalid"}]})


class Intercom(StandIn):
    """One workspace. A conversation that a person has is assigned to them, or to their team."""

    name = "intercom"
    forbidden = Told(
        401, {"type": "error.list", "errors": [{"code": "unauthorized", "message": "Access Token Invalid"}]}
    )

    def settings(self) -> dict[str, Any]:
        return {"appId": APP, "adminId": ADMIN, "baseUrl": self.url, "handOffTo": TEAM}

    def secrets(self) -> dict[str, str]:
        return {"signing": SECRET, "token": self.token}

    def answer(self, asked: Asked) -> Told:
        if "intercom-version" not in asked.headers:
            return Told(400, {"errors": [{"code": "intercom_version_invalid"}]})
        match (asked.method, *asked.path):
            case ("GET", "conversations", number) if number in self.conversations:
                return Told(
                    200, self._shown(self.conversations[number], plain=asked.query.get("display_as") is not None)
                )
            case ("POST", "conversations", number, "reply") if number in self.conversations:
                return self._reply(self.conversations[number], asked.body)
            case ("POST", "conversations", number, "parts") if number in self.conversations:
                return self._assign(self.conversations[number], asked.body)
        return NOT_FOUND

    def _reply(self, conversation: Conversation, body: dict[str, Any]) -> Told:
        if body["type"] != "admin" or body["admin_id"] != ADMIN or body["message_type"] not in {"comment", "note"}:
            return INVALID
        text = html.unescape(body["body"].replace("<br>", "\n"))
        self.says(conversation, text, "bot", private=body["message_type"] == "note", body=f"<p>{body['body']}</p>")
        return Told(200, self._shown(conversation, plain=False))

    def _assign(self, conversation: Conversation, body: dict[str, Any]) -> Told:
        if body["message_type"] != "assignment" or body["admin_id"] != ADMIN:
            return INVALID
        if body["assignee_id"] not in {TEAM, PERSON, "0"}:
            return Told(404, {"errors": [{"code": "assignee_not_found"}]})
        conversation.handler = "person"
        conversation.more["team" if body["type"] == "team" else "admin"] = body["assignee_id"]
        return Told(200, self._shown(conversation, plain=False))

    def _shown(self, conversation: Conversation, *, plain: bool) -> dict[str, Any]:
        taken = conversation.handler == "person" and not conversation.more
        parts = [self._part(said, plain=plain) for said in conversation.said[1:]]
        return {
            "type": "conversation",
            "id": conversation.id,
            "state": "open",
            "admin_assignee_id": int(PERSON) if taken else 0,
            "team_assignee_id": conversation.more.get("team", "0"),
            "conversation_parts": {
                "type": "conversation_part.list",
                "conversation_parts": parts,
                "total_count": len(parts),
            },
        }

    def _part(self, said: Said, *, plain: bool) -> dict[str, Any]:
        author = {"type": "user", "id": "u1"} if said.by == "customer" else {"type": "admin", "id": ADMIN}
        if said.by == "person":
            author = {"type": "admin", "id": PERSON}
        return {
            "type": "conversation_part",
            "id": said.id,
            "part_type": "note" if said.private else "comment",
            "body": said.text if plain else said.more.get("body", f"<p>{html.escape(said.text)}</p>"),
            "created_at": int(said.at),
            "author": author,
        }

    def webhook(self, conversation: Conversation, said: Said) -> Webhook:
        user = {"type": "user", "id": f"u-{conversation.id}", "name": "Jane", "email": "jane@example.com"}
        part = {**self._part(said, plain=False), "author": user, "attachments": []}
        contact = {"type": "contact", "id": user["id"], "external_id": f"cust-{conversation.id}"}
        item = {
            **self._shown(conversation, plain=False),
            "admin_assignee_id": None,
            "team_assignee_id": None,
            "contacts": {"type": "contact.list", "contacts": [contact]},
            "conversation_parts": {"type": "conversation_part.list", "total_count": 1, "conversation_parts": [part]},
        }
        payload = {
            "type": "notification_event",
            "topic": "conversation.user.replied",
            "id": f"notif_{said.id}",
            "app_id": APP,
            "created_at": int(time.time()),
            "first_sent_at": int(time.time()),
            "delivery_attempts": 1,
            "data": {"type": "notification_event_data", "item": item},
        }
        body = json.dumps(payload).encode()
        return Webhook(body, {"content-type": "application/json", **signers.intercom(SECRET, body, datetime.now(UTC))})
