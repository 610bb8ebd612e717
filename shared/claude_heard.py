"""What is put together of Claude's events while they come: the call of the hand-off tool, and the usage."""

from __future__ import annotations

import json
from typing import Any

from shared.models import TokenUsage
from shared.prompt import HANDOFF

NO_REASON = "the agent gave no reason"
LONGEST_REASON = 500  # characters


class Handoff:
    """Hears a call of the tool `handoff`, and why. A call that was cut off is one all the same."""

    def __init__(self) -> None:
        self._index: int | None = None
        self._pieces: list[str] = []

    def read(self, event: Any) -> None:
        """Take in the beginning of a block, or a piece of it."""
        if event.type == "content_block_start":
            block = event.content_block
            if self._index is None and block.type == "tool_use" and block.name == HANDOFF:
                self._index = event.index
        elif event.index == self._index and event.delta.type == "input_json_delta":
            self._pieces.append(event.delta.partial_json)

    @property
    def reason(self) -> str | None:
        """Why the conversation is handed over, in one line; None where it is not."""
        if self._index is None:
            return None
        try:
            told = json.loads("".join(self._pieces))
        except ValueError:
            told = None
        reason = told.get("reason") if isinstance(told, dict) else None
        words = " ".join(reason.split()) if isinstance(reason, str) else ""
        return words[:LONGEST_REASON] or NO_REASON


class UsageSum:
    """Adds up what the stream reports; later reports replace earlier ones."""

    def __init__(self) -> None:
        self.fresh = self.read_from_cache = self.written_to_cache = self.output = 0

    def read(self, reported: Any) -> None:
        """Take in one report."""
        self.fresh = getattr(reported, "input_tokens", None) or self.fresh
        self.read_from_cache = getattr(reported, "cache_read_input_tokens", None) or self.read_from_cache
        self.written_to_cache = getattr(reported, "cache_creation_input_tokens", None) or self.written_to_cache
        self.output = getattr(reported, "output_tokens", None) or self.output

    def total(self) -> TokenUsage:
        """Return the sum."""
        entire = self.fresh + self.read_from_cache + self.written_to_cache
        return TokenUsage(
            input=entire,
            output=self.output,
            total=entire + self.output,
            cache_read=self.read_from_cache,
            cache_write=self.written_to_cache,
        )
