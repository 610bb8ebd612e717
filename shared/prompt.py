"""Asking for a reply: what goes in, what comes out, and the seam where Claude stands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from shared.errors import ClaudeFailed, ClaudeLater
from shared.models import TokenUsage

HANDOFF: Final = "handoff"  # the name of the tool by which a conversation is handed to a person


@dataclass(frozen=True, slots=True)
class Prompt:
    """What Claude is asked: `messages` in the shape of the Messages API, `max_tokens` for the reply.

    `schema`: the JSON schema the reply keeps to, where it is to be JSON. `tools`: what it may call, in the same shape.
    """

    model: str
    system: str
    messages: tuple[dict[str, Any], ...]
    max_tokens: int
    schema: dict[str, Any] | None = None
    tools: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What Claude wrote. `cut`: it reached a limit, and is not whole.

    `handoff`: why it hands the conversation to a person, where it does; then `text` may be empty.
    """

    text: str
    usage: TokenUsage
    model: str
    stop_reason: str
    cut: bool
    handoff: str | None = None


class ClaudeClient(Protocol):
    """Whoever can be asked for a reply."""

    async def ask(self, prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        """Return the reply; tell its text to `on_text` piece by piece as it comes.

        Raises:
            ClaudeLater: worth another try; nothing of this one is kept.
            ClaudeFailed: final.

        """

    async def count(self, prompt: Prompt) -> int:
        """Return how many tokens Claude makes of the prompt. Free of charge; raises as `ask` does."""

    async def close(self) -> None:
        """Let connections go."""


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One prompt of a batch. `custom_id`: 1 to 64 letters, digits, `-` and `_`, of no other request of the batch."""

    custom_id: str
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class Batch:
    """How far a batch is. The counts but `processing` are 0 until it has ended; then all have one of the others."""

    id: str
    status: Literal["in_progress", "canceling", "ended"]
    created_at: datetime
    expires_at: datetime
    processing: int
    succeeded: int
    errored: int
    canceled: int
    expired: int

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.status == "ended"


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one request: a reply, or why there is none. Only a reply is paid for, at half price."""

    custom_id: str
    reply: Reply | None = None
    failure: ClaudeLater | ClaudeFailed | None = None


class BatchClient(Protocol):
    """Whoever takes prompts by the thousand and answers within a day. Raises as `ClaudeClient.ask` does."""

    async def create(self, requests: Sequence[BatchRequest]) -> Batch:
        """Hand in a batch; a second call hands in a second one."""

    async def retrieve(self, batch_id: str) -> Batch:
        """Return how far it is."""

    def since(self, moment: datetime) -> AsyncIterator[Batch]:
        """Yield the batches handed in since then, newest first: what a lost answer to `create` left behind."""

    def results(self, batch_id: str) -> AsyncIterator[BatchResult]:
        """Yield every request's result, in any order; only once the batch has ended."""

    async def cancel(self, batch_id: str) -> Batch:
        """Stop what has not begun; what has is finished and paid for."""

    async def close(self) -> None:
        """Let connections go."""
