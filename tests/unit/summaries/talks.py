"""Conversations to summarise, and summarisers of every temper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from shared.context.tokens import load_counter
from shared.errors import ClaudeError
from shared.models import Message, TokenUsage
from shared.prompt import Prompt, Reply
from shared.summaries.steps import Rules

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
COUNT = load_counter().count
RULES = Rules(model="claude-haiku-5-5", limit=300, chunk=4_000)

Answer = str | Reply | ClaudeError | Callable[[Prompt], "str | Reply | ClaudeError"]


def talk(*texts: str, start: int = 1) -> list[Message]:
    """Return messages, the customer's first, then one by one."""
    return [
        Message(
            id=f"msg-{seq}",
            seq=seq,
            role="user" if number % 2 == 0 else "assistant",
            content=text,
            at=NOON + timedelta(minutes=seq),
        )
        for number, (seq, text) in enumerate(enumerate(texts, start))
    ]


def text_of(prompt: Prompt) -> str:
    """Return all that the prompt's message says."""
    return "".join(block["text"] for message in prompt.messages for block in message["content"])


def block_of(prompt: Prompt, name: str) -> str:
    """Return what stands between the tags of that name."""
    found = re.search(rf"^<{name}-(\d{{8}})>\n(.*?)\n</{name}-\1>$", text_of(prompt), re.DOTALL | re.MULTILINE)
    return found[2] if found else ""


def replied(text: str, *, stop_reason: str = "end_turn", cut: bool = False) -> Reply:
    """Return a reply as the client gives it."""
    return Reply(text, TokenUsage(input=100, output=10, total=110), "claude-haiku-5-5", stop_reason, cut=cut)


class Summariser:
    """A Claude client that answers from a list, the last answer for ever; it keeps what it was asked."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = list(answers)
        self.asked: list[Prompt] = []

    async def ask(self, prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        """Answer."""
        self.asked.append(prompt)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if callable(answer):
            answer = answer(prompt)
        if isinstance(answer, ClaudeError):
            raise answer
        return replied(answer) if isinstance(answer, str) else answer

    async def count(self, prompt: Prompt) -> int:
        """Count as we do."""
        return COUNT(text_of(prompt))

    async def close(self) -> None:
        """Nothing is open."""


def everything(prompt: Prompt) -> str:
    """Summarise by copying: whatever was to be kept, is."""
    return " ".join(block_of(prompt, name) for name in ("summary", "conversation", "draft", "missing")).strip()


def texts(entries: Iterable[object]) -> list[str]:
    """Return the entries' texts."""
    return [str(getattr(entry, "text", entry)) for entry in entries]
