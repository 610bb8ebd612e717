"""A conversation as it goes on: each turn assembled with what the one before pinned, and stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.context.assembly import Context, Draft, assemble, render
from shared.context.counted import look_at
from shared.context.pin import Pin
from shared.models import Message, Role

from .drafts import CL100K, NOW, draft


@dataclass
class Talk:
    """A session's messages, its pin, and the contexts so far. `settings`: fields of every draft."""

    available: int = 3596
    read: int = 200
    settings: dict[str, Any] = field(default_factory=dict)
    stored: list[Message] = field(default_factory=list)
    contexts: list[Context] = field(default_factory=list)
    pin: Pin | None = None

    def say(self, text: str, reply: str | None = "Of course.", **now: Any) -> Context:
        """Run a turn; without a reply its message stays unanswered."""
        context = assemble(self.draft(text, **now), CL100K)
        self.pin = context.pin
        self.contexts.append(context)
        self._store("user", text, unanswered=reply is None)
        if reply is not None:
            self._store("assistant", reply)
        return context

    def draft(self, text: str, **now: Any) -> Draft:
        """Return the draft of the next turn."""
        history = self.stored[-self.read :]
        made = draft(text, history=history, available=self.available, complete=len(history) == len(self.stored))
        return replace(made, **{**self.settings, **now, "pin": self.pin})

    def _store(self, role: Role, text: str, *, unanswered: bool = False) -> None:
        number = len(self.stored)
        message = Message(id=f"msg_{number}", seq=number + 1, role=role, content=text, at=NOW, unanswered=unanswered)
        tokens, kind = look_at(CL100K, render(message))
        self.stored.append(message.model_copy(update={"tokens": tokens, "text_kind": kind}))


def beginning(context: Context, turns: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return (role, text) of every block before the last."""
    del turns
    blocks = [(message["role"], block["text"]) for message in context.messages for block in message["content"]]
    return [("system", context.system), *blocks[:-1]]
