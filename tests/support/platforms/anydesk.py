"""A platform that no adapter was written for: threads, comments, and an owner; signed with HMAC over `time.body`."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.support import signers
from tests.support.platforms.standin import Asked, Conversation, Said, StandIn, Told, Webhook

SECRET = "anydesk-signing-secret"
NOT_FOUND = Told(404, {"error": "no_such_thread"})


class AnyDesk(StandIn):
    """Reached by a generic hook: what it is told is the whole of what the service knows of it."""

    name = "generic"
    forbidden = Told(403, {"error": "bad_key"})

    def settings(self) -> dict[str, Any]:
        auth = {"x-api-key": "{token}"}
        thread = f"{self.url}/threads/{{conversation}}"
        return {
            "name": "anydesk",
            "proof": {
                "kind": "hmac",
                "header": "x-any-signature",
                "base": "{timestamp}.{body}",
                "timestampHeader": "x-any-time",
            },
            "customer": {
                "when": "kind == 'comment' && by == 'customer'",
                "id": "comment.id",
                "conversation": "thread",
                "text": "comment.text",
                "customer": "person.id",
            },
            "reply": {
                "url": f"{thread}/comments",
                "headers": auth,
                "body": {"text": "{text}", "internal": False, "ref": "{mark}"},
            },
            "note": {
                "url": f"{thread}/comments",
                "headers": auth,
                "body": {"text": "{text}", "internal": True, "ref": "{mark}"},
            },
            "handOff": {"method": "PATCH", "url": thread, "headers": auth, "body": {"owner": "people"}},
            "look": {
                "url": f"{thread}/comments",
                "headers": auth,
                "said": "comments[?internal == `false`].ref",
                "notes": "comments[?internal == `true`].ref",
            },
            "handler": {"url": thread, "headers": auth, "agent": "owner == 'bot'"},
        }

    def secrets(self) -> dict[str, str]:
        return {"signing": SECRET, "token": self.token}

    def lets_in(self, asked: Asked) -> bool:
        return asked.headers.get("x-api-key") == self.token

    def answer(self, asked: Asked) -> Told:
        match (asked.method, *asked.path):
            case (method, "threads", number, *rest) if number in self.conversations:
                return self._of(method, self.conversations[number], rest, asked.body)
        return NOT_FOUND

    def _of(self, method: str, thread: Conversation, rest: list[str], body: Any) -> Told:
        match (method, *rest):
            case ("GET",):
                return Told(200, {"id": thread.id, "owner": "bot" if thread.handler == "bot" else "jo"})
            case ("PATCH",):
                thread.handler = "person"
                return Told(200, {"id": thread.id, "owner": body["owner"]})
            case ("GET", "comments"):
                comments = [{"ref": said.more.get("ref"), "internal": said.private} for said in thread.said]
                return Told(200, {"comments": comments})
            case ("POST", "comments"):
                self.says(thread, body["text"], "bot", private=body["internal"], ref=body["ref"])
                return Told(201, {})
        return NOT_FOUND

    def webhook(self, conversation: Conversation, said: Said) -> Webhook:
        payload = {
            "kind": "comment",
            "by": "customer",
            "thread": conversation.id,
            "comment": {"id": said.id, "text": said.text},
            "person": {"id": f"p-{conversation.id}"},
        }
        body, stamp = json.dumps(payload).encode(), str(int(time.time()))
        signature = signers.mac(SECRET, f"{stamp}.".encode() + body).hex()
        headers = {"content-type": "application/json", "x-any-time": stamp, "x-any-signature": signature}
        return Webhook(body, headers)
