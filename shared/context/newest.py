"""The customer's newest message, as the model is given it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from shared.context.blocks import as_said, heading
from shared.context.budget import Meter
from shared.context.clip import clip_below
from shared.context.counted import Counted, look_at
from shared.context.sources import Draft, Part
from shared.context.tokens import TokenCounter

BLANK: Final = "[an empty message]"  # stands for a message of white space, which the Messages API refuses


@dataclass(frozen=True, slots=True)
class Newest:
    """Our own lines about it and what was said, together `whole`, and what that was found to be."""

    id: str
    above: str
    whole: str
    counted: Counted
    blank: bool

    @classmethod
    def of(cls, draft: Draft, counter: TokenCounter) -> Self:
        """Return a draft's newest message."""
        above = heading(draft.newest_attachments)
        blank = not above and not draft.newest.strip()
        whole = BLANK if blank else above + as_said(draft.newest)
        return cls(draft.newest_id, above, whole, look_at(counter, whole), blank)

    def cost(self, meter: Meter) -> int:
        """Return what it costs whole, in scaled tokens."""
        return meter.counted(*self.counted)

    def fit(self, room: int, meter: Meter) -> Part:
        """Return it within `room` scaled tokens: whole, or head and tail of what was said."""
        cost = self.cost(meter)
        if cost <= room:
            return Part(self.whole, cost, (self.id,))
        clipped = clip_below(self.above, self.whole[len(self.above) :], room, cost, meter.block)
        reason = f"clipped the message, {cost} tokens, to the {room} that are left"
        return Part(clipped, meter.block(clipped), (self.id,), reasons=(reason,))
