"""What Claude was asked: the requests the simulator recorded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from tests.support.stack import Stack

Turn = tuple[str, list[str]]


@dataclass(frozen=True)
class Asked:
    """One request to Claude, as it came: `turns` are (role, texts) pairs."""

    at: float
    model: str
    system: str
    turns: list[Turn]
    max_tokens: int
    messages: list[dict[str, Any]]

    @property
    def newest(self) -> str:
        """The customer's newest message."""
        return self.turns[-1][1][-1]

    @property
    def texts(self) -> list[str]:
        """Every text outside the system prompt, in order."""
        return [text for _, texts in self.turns for text in texts]

    @property
    def everything(self) -> str:
        """All that Claude was given to read."""
        return "\n".join([self.system, *self.texts])

    @property
    def digest(self) -> str:
        """SHA-256 of the request's canonical JSON, as a receipt tells it."""
        canonical = {
            "model": self.model,
            "system": self.system,
            "messages": self.messages,
            "max_tokens": self.max_tokens,
        }
        return hashlib.sha256(json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def asked(stack: Stack, about: str = "") -> list[Asked]:
    """Return the requests whose newest message holds `about`, oldest first."""
    found = [_read(record.at, record.body) for record in stack.simulator.requests()]
    return [request for request in found if about in request.newest]


def _read(at: float, body: Any) -> Asked:
    messages: list[dict[str, Any]] = body["messages"]
    turns = [(message["role"], [block["text"] for block in message["content"]]) for message in messages]
    return Asked(at, body["model"], body.get("system", ""), turns, body["max_tokens"], messages)
