"""Freshchat: conversations, messages of three kinds of actors, assignments.

Source: https://developers.freshchat.com/api
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tests.support import signers
from tests.support.platforms.standin import Asked, Conversation, Said, StandIn, Told, Webhook

BOT, PERSON, GROUP, APP = "agent-bot", "agent-person", "group-people", "55b190fa"
NOT_FOUND = Told(404, {"code": 404, "status": "CONVERSATION_NOT_FOUND", "message": "conversation not found"})


class Freshchat(StandIn):
    """One account. A conversation that a person has is assigned to them, or to their group."""

    name = "freshchat"
    forbidden = Told(401, {"code": 401, "status": "UNAUTHENTICATED", "message": "Unauthenticated"})

    def settings(self) -> dict[str, Any]:
        return {"baseUrl": self.url, "agentId": BOT, "appId": APP, "handOffTo": GROUP}

    def secrets(self) -> dict[str, str]:
        return {"signing": signers.RSA_PUBLIC, "token": self.token}

    def answer(self, asked: Asked) -> Told:
        match (asked.method, *asked.path):
            case (method, "v2", "conversations", number, *rest) if number in self.conversations:
                return self._of(method, self.conversations[number], rest, asked.body)
        return NOT_FOUND

    def _of(self, method: str, conversation: Conversation, rest: list[str], body: Any) -> Told:
        match (method, *rest):
            case ("GET",):
                return Told(200, self._shown(conversation))
            case ("PUT",):
                conversation.handler = "person"
                conversation.more |= body
                return Told(200, self._shown(conversation))
            case ("GET", "messages"):
                return Told(200, {"messages": [self._message(said) for said in reversed(conversation.said)]})
            case ("POST", "messages"):
                if body["actor_type"] != "agent" or body["actor_id"] != BOT:
                    return Told(400, {"code": 400, "status": "INVALID_VALUE", "message": "actor_id"})
                text = "".join(part["text"]["content"] for part in body["message_parts"])
                said = self.says(conversation, text, "bot", private=body["message_type"] == "private")
                return Told(202, self._message(said))
        return NOT_FOUND

    def _shown(self, conversation: Conversation) -> dict[str, Any]:
        taken = conversation.handler == "person" and not conversation.more
        return {
            "conversation_id": conversation.id,
            "status": conversation.more.get("status", "new"),
            "assigned_agent_id": PERSON if taken else None,
            "assigned_group_id": conversation.more.get("assigned_group_id"),
        }

    def _message(self, said: Said) -> dict[str, Any]:
        at = datetime.fromtimestamp(said.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "id": said.id,
            "message_parts": [{"text": {"content": said.text}}],
            "actor_type": "user" if said.by == "customer" else "agent",
            "actor_id": {"customer": "user-1", "bot": BOT, "person": PERSON}[said.by],
            "message_type": "private" if said.private else "normal",
            "created_time": at,
        }

    def webhook(self, conversation: Conversation, said: Said) -> Webhook:
        user = f"user-{conversation.id}"
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = {
            **self._message(said),
            "app_id": APP,
            "actor_id": user,
            "user_id": user,
            "channel_id": "c8fddfaf",
            "conversation_id": conversation.id,
        }
        payload = {
            "actor": {"actor_type": "user", "actor_id": user},
            "action": "message_create",
            "action_time": now,
            "data": {"message": message},
        }
        body = json.dumps(payload).encode()
        signed = signers.freshchat(signers.RSA_PUBLIC, body, datetime.now(UTC))
        return Webhook(body, {"content-type": "application/json", **signed})
