"""How many tokens Claude makes at least of the beginning of a context: whether it is cached is judged by these."""

from __future__ import annotations

from collections.abc import Sequence

from shared.context.budget import CLAUDE_PER_RAW, FRAME, LEARNED_LESS, Meter
from shared.context.frame import Frame
from shared.context.window import Chosen


def claude_tokens_of_text(text: str, meter: Meter) -> int:
    """Return how many tokens Claude makes at least of an English text."""
    return _at_least(int(meter.raw(text) * CLAUDE_PER_RAW), meter.text(text), meter)


def claude_tokens(items: Sequence[Chosen], meter: Meter) -> int:
    """Return how many tokens Claude makes at least of English messages."""
    raw = sum((0 if item.clipped else item.message.tokens) or meter.raw(item.text) for item in items)
    return _at_least(int(raw * CLAUDE_PER_RAW) + FRAME * len(items), sum(item.cost for item in items), meter)


def claude_tokens_of_frame(frame: Frame, meter: Meter) -> int:
    """Return the same of the blocks before the window."""
    raw = sum(map(meter.raw, frame.texts))
    return _at_least(int(raw * CLAUDE_PER_RAW), frame.tokens, meter)


def _at_least(english: int, cost: int, meter: Meter) -> int:
    """Return the least of what is known of English, and of what Claude's usage taught where it is less."""
    return min(english, int(cost * LEARNED_LESS)) if meter.correction.english < 1 else english
