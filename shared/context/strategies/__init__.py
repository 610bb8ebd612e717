"""Which part of the history goes in. A strategy never calls a model: it uses whatever summary exists.

    sliding_window   the newest turns that fit
    summarization    the summary, and the turns after what it covers; the newest turn in any case
    hybrid           the summary, and the newest turns, whether covered or not

What each says is where the window begins when it is chosen anew. Without a summary, the two others do as
`sliding_window` does, and the receipt says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from shared.context.sources import Summary
from shared.context.window import Chosen, last_turn, newest, since
from shared.models import Strategy


class Choice(Protocol):
    """How a strategy chooses."""

    @property
    def summarises(self) -> bool:
        """Whether the summary goes in."""

    def begin(self, items: Sequence[Chosen], low: int, summary: Summary | None) -> list[Chosen]:
        """Return the window at a compaction: of the items that could go in, those for `low` scaled tokens."""


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """The newest turns that fit."""

    summarises: bool = False

    def begin(self, items: Sequence[Chosen], low: int, summary: Summary | None) -> list[Chosen]:
        """See `Choice.begin`."""
        del summary
        return newest(items, low)


@dataclass(frozen=True, slots=True)
class Summarization:
    """The turns after what the summary covers; the newest of them, where they are too many, or the very last."""

    summarises: bool = True

    def begin(self, items: Sequence[Chosen], low: int, summary: Summary | None) -> list[Chosen]:
        """See `Choice.begin`."""
        return newest(since(items, summary.through + 1 if summary else 0) or last_turn(items), low)


@dataclass(frozen=True, slots=True)
class Hybrid:
    """The newest turns that fit, beside the summary."""

    summarises: bool = True

    def begin(self, items: Sequence[Chosen], low: int, summary: Summary | None) -> list[Chosen]:
        """See `Choice.begin`."""
        del summary
        return newest(items, low)


STRATEGIES: Final[dict[Strategy, Choice]] = {
    "sliding_window": SlidingWindow(),
    "summarization": Summarization(),
    "hybrid": Hybrid(),
}
