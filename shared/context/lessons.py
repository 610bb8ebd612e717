"""What a context will teach of counting: how it is counted without any correction, and how much of it is English."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shared.context.budget import BLOCK_OVERHEAD, Meter, scaled
from shared.context.calibration import Lesson
from shared.context.counted import Counted, look_at
from shared.context.kinds import FACTORS, factor_of
from shared.context.window import Chosen


def lesson_of(system: str, texts: Iterable[str], window: Sequence[Chosen], meter: Meter) -> Lesson:
    """Return the lesson of a context of these instructions, these blocks and this window."""
    factors = {kind: factor_of(meter.model, kind) for kind in FACTORS}
    costs = dict.fromkeys(FACTORS, 0)
    first = look_at(meter.counter, system)
    costs[first.kind] += scaled(first.tokens, factors[first.kind])
    for found in [*(look_at(meter.counter, text) for text in texts), *(_looked_at(item, meter) for item in window)]:
        costs[found.kind] += scaled(found.tokens, factors[found.kind]) + BLOCK_OVERHEAD
    return Lesson.of_tokens(costs["english"], sum(costs.values()) - costs["english"])


def _looked_at(item: Chosen, meter: Meter) -> Counted:
    message = item.message
    if item.clipped or not message.tokens or not message.text_kind:
        return look_at(meter.counter, item.text)
    return Counted(message.tokens, message.text_kind)
