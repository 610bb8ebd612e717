"""Chatwoot: an account, conversations by number, an agent bot's token, and what that may ask for.

Sources: https://github.com/chatwoot/chatwoot, swagger/paths/application/conversation, lib/webhooks/trigger.rb
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from tests.support import signers
from tests.support.platforms.standin import Asked, Conversation, Said, StandIn, Told, Webhook

ACCOUNT = "2"
SECRET = "chatwoot-signing-secret"
TYPES = {"customer": 0, "bot": 1, "person": 1}
PER_MINUTE = 200
LONGEST = 150_000


class Chatwoot(StandIn):
    """One account. A conversation that a bot has is pending."""

    name = "chatwoot"
    forbidden = Told(401, {"error": "Invalid Access Token"})

    def settings(self) -> dict[str, Any]:
        return {"baseUrl": self.url, "accountId": int(ACCOUNT)}

    def secrets(self) -> dict[str, str]:
        return {"signing": SECRET, "token": self.token}

    def place(self, conversation: Conversation) -> str:
        return f"{ACCOUNT}/{conversation.id}"

    def lets_in(self, asked: Asked) -> bool:
        return asked.headers.get("api_access_token") == self.token

    def answer(self, asked: Asked) -> Told:
        match (asked.method, *asked.path):
            case (method, "api", "v1", "accounts", account, "conversations", number, *rest) if account == ACCOUNT:
                conversation = self.conversations.get(number)
                if conversation is None:
                    return Told(404, {"error": "Resource could not be found"})
                return self._of(method, conversation, rest, asked.body)
        return Told(404, {"error": "Resource could not be found"})

    def _of(self, method: str, conversation: Conversation, rest: list[str], body: Any) -> Told:
        match (method, *rest):
            case ("GET",):
                return Told(200, self._shown(conversation))
            case ("GET", "messages"):  # not for an agent bot
                return Told(401, {"error": "You are not authorized to do this action"})
            case ("POST", "messages"):
                return self._post(conversation, body)
            case ("POST", "toggle_status"):
                conversation.handler = "bot" if body["status"] == "pending" else "person"
                payload = {"success": True, "current_status": body["status"], "conversation_id": int(conversation.id)}
                return Told(200, {"meta": {}, "payload": payload})
        return Told(404, {"error": "Resource could not be found"})

    def _post(self, conversation: Conversation, body: Any) -> Told:
        if body.get("message_type") not in {"outgoing", None} or "source_id" in body:
            return Told(422, {"error": "Incoming messages are only allowed in Api inboxes"})
        if sum(said.at > time.time() - 60 for said in conversation.said) >= PER_MINUTE:
            return Told(422, {"message": "Validation failed: Too many messages"})
        if len(body["content"]) > LONGEST:
            return Told(422, {"message": f"Content is too long (maximum is {LONGEST} characters)"})
        said = self.says(conversation, body["content"], "bot", private=body["private"])
        return Told(200, self._message(said))

    def _shown(self, conversation: Conversation) -> dict[str, Any]:
        last = self._message(conversation.said[-1]) if conversation.said else None
        return {
            "id": int(conversation.id),
            "account_id": int(ACCOUNT),
            "status": "pending" if conversation.handler == "bot" else "open",
            "meta": {"sender": {"id": 89}, "channel": "Channel::WebWidget"},
            "messages": [last] if last else [],
            "last_non_activity_message": last,
        }

    def _message(self, said: Said) -> dict[str, Any]:
        return {
            "id": int(said.id),
            "content": said.text,
            "message_type": TYPES[said.by],
            "private": said.private,
            "created_at": int(said.at),
        }

    def webhook(self, conversation: Conversation, said: Said) -> Webhook:
        sender = {"id": 89, "name": "Jane", "identifier": f"cust-{conversation.id}", "email": "jane@example.com"}
        payload = {
            "event": "message_created",
            "id": int(said.id),
            "content": said.text,
            "content_type": "text",
            "content_attributes": {},
            "message_type": "incoming",
            "private": False,
            "source_id": None,
            "created_at": "2026-07-20T11:15:29.497Z",
            "account": {"id": int(ACCOUNT), "name": "Acme"},
            "inbox": {"id": 8, "name": "Website"},
            "sender": sender,
            "conversation": {
                "id": int(conversation.id),
                "inbox_id": 8,
                "status": "pending",
                "channel": "Channel::WebWidget",
                "can_reply": True,
                "contact_inbox": {"id": 240, "contact_id": 89, "inbox_id": 8, "hmac_verified": True},
                "messages": [self._message(said)],
                "meta": {"sender": {**sender, "type": "contact"}, "assignee": None, "hmac_verified": True},
            },
        }
        return signed(payload, said.id)


def signed(payload: dict[str, Any], delivery: str) -> Webhook:
    """Return a delivery with Chatwoot's signature of now."""
    body = json.dumps(payload).encode()
    more = {"content-type": "application/json", "x-chatwoot-delivery": f"0b5c0a3e-0000-4000-8000-{int(delivery):012d}"}
    return Webhook(body, {**more, **signers.chatwoot(SECRET, body, datetime.now(UTC))})
