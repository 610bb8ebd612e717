"""What there is of the budget to share, beyond the instructions."""

from __future__ import annotations

from dataclasses import dataclass

from shared.context.budget import MESSAGE_SHARE, MINIMUM_BEYOND_INSTRUCTIONS, PARTS, share_of
from shared.context.frame import Frame
from shared.context.sources import Draft


@dataclass(frozen=True, slots=True)
class Room:
    """What there is to share, in scaled tokens: `rest` beyond the instructions, `base` without the newest's floor."""

    rest: int
    base: int
    kept_free: int
    """For recalled turns, also in turns that recall nothing, so that the window does not come and go.

    Where all of the session fits, it goes in whole until something of an earlier one is recalled.
    """

    @classmethod
    def beyond(cls, system: int, draft: Draft) -> Room:
        """Return the room beyond instructions that cost `system`."""
        rest = draft.budget.available - system
        base = max(0, rest - MINIMUM_BEYOND_INSTRUCTIONS)
        return cls(rest, base, int(base * min(draft.recall_share, PARTS["recall"].most)))

    @property
    def of_one_message(self) -> int:
        """The most that one stored message may cost."""
        return share_of(self.base, MESSAGE_SHARE)

    def high(self, frame: Frame, free: int | None = None) -> int:
        """Return the most that the window may cost beside the frame; `free`: less than usual for recalled turns."""
        return max(0, self.base - frame.tokens - (self.kept_free if free is None else free))

    def free_of_whole(self, draft: Draft) -> int:
        """Return what is kept free for recalled turns while all of the session is in the window."""
        earlier = any(turn.session_id != draft.session_id for turn in draft.recalled)
        return self.kept_free if earlier else 0
