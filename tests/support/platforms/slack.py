"""Slack: a workspace with a channel for customers and one for the team, threads, and 200 for whatever happens.

Sources: https://docs.slack.dev/reference/methods/chat.postMessage, …/conversations.replies
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from tests.support import signers
from tests.support.platforms.standin import Asked, Conversation, Said, StandIn, Told, Webhook

APP, WORKSPACE, CHANNEL, TEAM = "A1", "T1", "C1", "C9"
SECRET = "slack-signing-secret"


class Slack(StandIn):
    """One workspace. A conversation is a thread; its id is the moment of its first message. Nobody "has" one."""

    name = "slack"
    forbidden = Told(200, {"ok": False, "error": "invalid_auth"})

    def __init__(self) -> None:
        super().__init__()
        self.team: list[str] = []

    def settings(self) -> dict[str, Any]:
        return {"baseUrl": self.url, "appId": APP, "teamId": WORKSPACE, "handOffChannel": TEAM}

    def secrets(self) -> dict[str, str]:
        return {"signing": SECRET, "token": self.token}

    def begin(self, text: str = "Where is my parcel?") -> Conversation:
        conversation = super().begin(text)
        del self.conversations[conversation.id]
        conversation.id = f"{int(time.time())}.{int(conversation.said[0].id):06d}"
        self.conversations[conversation.id] = conversation
        return conversation

    def place(self, conversation: Conversation) -> str:
        return f"{CHANNEL}/{conversation.id}"

    def notes(self, conversation: Conversation) -> list[str]:
        return [text for text in self.team if conversation.id.replace(".", "") in text]

    def answer(self, asked: Asked) -> Told:
        match (asked.method, *asked.path):
            case ("POST", "api", "chat.postMessage"):
                return self._post(asked.body)
            case ("GET", "api", "conversations.replies"):
                return self._replies(asked.query)
        return Told(200, {"ok": False, "error": "unknown_method"})

    def _post(self, body: dict[str, Any]) -> Told:
        text = body["text"].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        if body["channel"] == TEAM:
            self.team.append(text)
            return Told(200, {"ok": True, "channel": TEAM, "ts": f"{time.time():.6f}"})
        conversation = self.conversations.get(body.get("thread_ts", ""))
        if body["channel"] != CHANNEL or conversation is None:
            return Told(200, {"ok": False, "error": "channel_not_found"})
        said = self.says(conversation, text, "bot", metadata=body.get("metadata"), raw=body["text"])
        return Told(200, {"ok": True, "channel": CHANNEL, "ts": f"{said.at:.6f}", "message": self._message(said)})

    def _replies(self, query: Any) -> Told:
        conversation = self.conversations.get(query["ts"])
        if query["channel"] != CHANNEL or conversation is None:
            return Told(200, {"ok": False, "error": "thread_not_found"})
        return Told(200, {"ok": True, "messages": [self._message(said) for said in conversation.said]})

    def _message(self, said: Said) -> dict[str, Any]:
        shown = {"type": "message", "text": said.more.get("raw", said.text), "ts": f"{said.at:.6f}"}
        if said.by != "bot":
            return {**shown, "user": "U1"}
        return {**shown, "user": "UBOT", "bot_id": "B1", "app_id": APP, "metadata": said.more.get("metadata") or {}}

    def webhook(self, conversation: Conversation, said: Said) -> Webhook:
        first = said is conversation.said[0]
        at = conversation.id if first else f"{said.at:.6f}"
        event = {"type": "message", "channel": CHANNEL, "user": f"U{conversation.id[-3:]}", "text": said.text, "ts": at}
        if not first:
            event |= {"thread_ts": conversation.id, "parent_user_id": event["user"]}
        payload = {
            "type": "event_callback",
            "team_id": WORKSPACE,
            "api_app_id": APP,
            "event": event,
            "event_id": f"Ev{said.id}",
            "event_time": int(time.time()),
            "authorizations": [{"team_id": WORKSPACE, "user_id": "UBOT", "is_bot": True}],
        }
        body = json.dumps(payload).encode()
        return Webhook(body, {"content-type": "application/json", **signers.slack(SECRET, body, datetime.now(UTC))})
