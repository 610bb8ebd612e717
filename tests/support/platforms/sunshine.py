"""Sunshine Conversations: an app, its conversations, and a switchboard.

Source: https://github.com/zendesk/sunshine-conversations-api-spec
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from tests.support.platforms.standin import Asked, Conversation, Said, StandIn, Told, Webhook

APP = "5698edbf2a43bd081be982f1"
SECRET = "sunshine-webhook-secret"
OURS = {"id": "62261ff6aa72f900ef123e1d", "name": "our-bot"}
PEOPLE = {"id": "72261ff6aa72f900ef123e1e", "name": "zd-agentWorkspace", "integrationType": "zd:agentWorkspace"}
LONGEST = 100_000
NOT_FOUND = Told(404, {"errors": [{"code": "not_found", "title": "Conversation not found"}]})


class Sunshine(StandIn):
    """One app. Whoever has a conversation is the active integration of its switchboard."""

    name = "sunshine"
    forbidden = Told(401, {"errors": [{"code": "unauthorized", "title": "Authorization is required"}]})

    def __init__(self) -> None:
        super().__init__()
        self.token = "key-1:secret-1"

    def settings(self) -> dict[str, Any]:
        return {"baseUrl": f"{self.url}/sc", "appId": APP, "integration": "our-bot"}

    def secrets(self) -> dict[str, str]:
        return {"signing": SECRET, "token": self.token}

    def place(self, conversation: Conversation) -> str:
        return f"{APP}/{conversation.id}"

    def lets_in(self, asked: Asked) -> bool:
        return asked.headers.get("authorization") == "Basic " + base64.b64encode(self.token.encode()).decode()

    def answer(self, asked: Asked) -> Told:
        match (asked.method, *asked.path):
            case (method, "sc", "v2", "apps", app, "conversations", number, *rest) if app == APP:
                conversation = self.conversations.get(number)
                return NOT_FOUND if conversation is None else self._of(method, conversation, rest, asked.body)
        return NOT_FOUND

    def _of(self, method: str, conversation: Conversation, rest: list[str], body: Any) -> Told:
        match (method, *rest):
            case ("GET",):
                active = OURS if conversation.handler == "bot" else PEOPLE
                return Told(200, {"conversation": {"id": conversation.id, "activeSwitchboardIntegration": active}})
            case ("GET", "messages"):
                return Told(200, {"messages": [self._message(said) for said in conversation.said], "meta": {}})
            case ("POST", "messages"):
                return self._post(conversation, body)
            case ("POST", "passControl"):
                conversation.handler = "person"
                conversation.more["passed"] = body
                return Told(200, {})
        return NOT_FOUND

    def _post(self, conversation: Conversation, body: Any) -> Told:
        if body["author"]["type"] != "business" or body["content"]["type"] != "text":
            return Told(400, {"errors": [{"code": "bad_request", "title": "Bad request"}]})
        if len(json.dumps(body)) > LONGEST:
            return Told(413, {"errors": [{"code": "payload_too_large"}]})
        said = self.says(conversation, body["content"]["text"], "bot", metadata=body.get("metadata", {}))
        return Told(201, {"messages": [self._message(said)]})

    def _message(self, said: Said) -> dict[str, Any]:
        return {
            "id": said.id,
            "received": datetime.fromtimestamp(said.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "author": {"type": "user" if said.by == "customer" else "business"},
            "content": {"type": "text", "text": said.text},
            **({"metadata": said.more["metadata"]} if said.more.get("metadata") else {}),
        }

    def webhook(self, conversation: Conversation, said: Said) -> Webhook:
        user = {"id": f"user-{conversation.id}", "externalId": f"cust-{conversation.id}"}
        message = {
            **self._message(said),
            "author": {"type": "user", "userId": user["id"], "displayName": "Jane", "user": user},
            "source": {"type": "web", "integrationId": "5d83a25d9916b64a83ed25e8"},
        }
        payload = {"conversation": {"id": conversation.id, "type": "personal", "activeSwitchboardIntegration": OURS}}
        event = {
            "id": f"event-{said.id}",
            "type": "conversation:message",
            "createdAt": message["received"],
            "payload": {**payload, "message": message},
        }
        body = {"app": {"id": APP}, "webhook": {"id": "5e554d2cac66fb73a3c01869", "version": "v2"}, "events": [event]}
        return Webhook(json.dumps(body).encode(), {"content-type": "application/json", "x-api-key": SECRET})
