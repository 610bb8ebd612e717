"""Asking for a reply: what goes in, what comes out, and the seam where Claude stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from shared.models import TokenUsage


@dataclass(frozen=True, slots=True)
class Prompt:
    """What Claude is asked: `messages` in the shape of the Messages API, `max_tokens` for the reply."""

    model: str
    system: str
    messages: tuple[dict[str, Any], ...]
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What Claude wrote. `cut`: it reached a limit, and is not whole."""

    text: str
    usage: TokenUsage
    model: str
    stop_reason: str
    cut: bool


class ClaudeClient(Protocol):
    """Whoever can be asked for a reply."""

    async def ask(self, prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        """Return the reply; tell its text to `on_text` piece by piece as it comes.

        Raises:
            ClaudeLater: worth another try; nothing of this one is kept.
            ClaudeFailed: final.

        """

    async def close(self) -> None:
        """Let connections go."""
