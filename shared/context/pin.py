"""The pin: what a session's context begins with, kept from one compaction to the next.

While it holds, the beginning of every request is the same, byte by byte, so that Claude's prompt cache keeps hitting.
It names what was chosen, never the text: where a part was changed or deleted since, the pin is broken at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.context.calibration import Correction


class Pin(BaseModel):
    """Where the window begins (`start`, a seq), and the versions of all that stands before it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    start: int
    strategy: str
    model: str
    correction: Correction
    available: int
    instructions: int
    base: int = 0
    """Scaled tokens that shares are reckoned of; and `most`, what all blocks before the window may cost."""
    most: int = 0
    entries: tuple[tuple[str, int], ...] = ()
    digests: tuple[str, ...] = ()
    summary: int = 0
    newest_summary: int = 0
    """The version of the newest summary at the compaction, whether it went in or not."""
    whole: bool = False
    """Whether all of the session went in: it needs no recalled turns of itself, so none are kept room for."""
    seen: int = 0
    """When the newest entry or session known at the compaction was written, in milliseconds: newer ones come late."""

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Return the pin as kept; None where there is none that can be read."""
        if text is None:
            return None
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None

    def broken_by(self, now: Self, entries: Mapping[str, int], digests: frozenset[str]) -> str | None:
        """Return why the pin does not hold any more, given the pin there would be `now`; None while it does."""
        for name in ("strategy", "model", "available", "instructions"):
            if getattr(self, name) != getattr(now, name):
                return f"the {name.replace('available', 'budget')} changed"
        if any(entries.get(key) != version for key, version in self.entries):
            return "a memory entry changed"
        return None if digests.issuperset(self.digests) else "an earlier session is gone"
