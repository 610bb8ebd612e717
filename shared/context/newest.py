"""The customer's newest message, as the model is given it; of a burst, its messages, each a text block of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from shared.context.blocks import as_said, heading
from shared.context.budget import Meter
from shared.context.clip import clip_below
from shared.context.counted import Counted, look_at
from shared.context.sources import Draft, Part, Said
from shared.context.tokens import TokenCounter

BLANK: Final = "[an empty message]"  # stands for a message of white space, which the Messages API refuses


@dataclass(frozen=True, slots=True)
class Piece:
    """Our own lines about a message and what was said, together `whole`, and what that was found to be."""

    id: str
    above: str
    whole: str
    counted: Counted
    blank: bool

    @classmethod
    def of(cls, said: Said, counter: TokenCounter) -> Self:
        """Return what was said, as the next turn will have it from the store."""
        above = heading(said.attachments)
        blank = not above and not said.text.strip()
        whole = BLANK if blank else above + as_said(said.text)
        return cls(said.id, above, whole, look_at(counter, whole), blank)


@dataclass(frozen=True, slots=True)
class Newest:
    """What is to be answered, oldest first."""

    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, draft: Draft, counter: TokenCounter) -> Self:
        """Return a draft's newest message, behind what is answered with it."""
        last = Said(draft.newest_id, draft.newest, draft.newest_attachments)
        return cls(tuple(Piece.of(said, counter) for said in (*draft.earlier, last)))

    @property
    def whole(self) -> str:
        """All of it as one text."""
        return "\n\n".join(piece.whole for piece in self.pieces)

    @property
    def counted(self) -> tuple[Counted, ...]:
        """What each was found to be."""
        return tuple(piece.counted for piece in self.pieces)

    @property
    def blank(self) -> bool:
        """Whether any of it is white space only."""
        return any(piece.blank for piece in self.pieces)

    def cost(self, meter: Meter) -> int:
        """Return what it costs whole, in scaled tokens."""
        return sum(meter.counted(*counted) for counted in self.counted)

    def longest(self, meter: Meter) -> int:
        """Return what the longest of its messages costs."""
        return max(meter.counted(*counted) for counted in self.counted)

    def fit(self, room: int, meter: Meter) -> tuple[Part, list[str]]:
        """Return it within `room` scaled tokens, and its blocks: whole, or head and tail of what was said, in one."""
        cost, ids = self.cost(meter), tuple(piece.id for piece in self.pieces)
        if cost <= room:
            return Part(self.whole, cost, ids), [piece.whole for piece in self.pieces]
        above = self.pieces[0].above
        clipped = clip_below(above, self.whole[len(above) :], room, cost, meter.block)
        what = "message" if len(ids) == 1 else f"{len(ids)} messages as one"
        reason = f"clipped the {what}, {cost} tokens, to the {room} that are left"
        return Part(clipped, meter.block(clipped), ids, reasons=(reason,)), [clipped]
