"""The newest turns that fit, verbatim."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.context.blocks import Turn, is_blank, render
from shared.context.budget import MESSAGE_SHARE, Meter, share_of
from shared.context.clip import clip
from shared.models import Message, Strategy

NAME: Final[Strategy] = "sliding_window"


@dataclass(frozen=True, slots=True)
class Chosen:
    """One stored message that goes in: its text, whole or clipped, and its cost in scaled tokens."""

    message: Message
    text: str
    cost: int
    clipped: bool


@dataclass(frozen=True, slots=True)
class Window:
    """The chosen messages, oldest first, and why others are not among them."""

    chosen: tuple[Chosen, ...]
    omitted: tuple[str, ...]
    """Ids of messages left out, newest first."""
    reasons: tuple[str, ...]

    @property
    def turns(self) -> list[Turn]:
        """The chosen messages as turns."""
        return [Turn(item.message.role, item.text) for item in self.chosen]

    @property
    def tokens(self) -> int:
        """The cost of all chosen messages, in scaled tokens."""
        return sum(item.cost for item in self.chosen)

    @property
    def included(self) -> list[str]:
        """The ids of the chosen messages, oldest first."""
        return [item.message.id for item in self.chosen]


def choose(history: Sequence[Message], room: int, meter: Meter) -> Window:
    """Return the newest messages that fit into `room` scaled tokens.

    They are the end of the history without a gap, blank messages aside, and begin with a user's message. One above
    its share of the room is clipped, so that no single message empties the window. Stored counts are believed.

    Args:
        history: stored messages, oldest first.
        room: scaled tokens the window may take.
        meter: what a text costs.

    """
    spoken = [message for message in history if not is_blank(message)]
    chosen, spent, most = deque[Chosen](), 0, share_of(room, MESSAGE_SHARE)
    for message in reversed(spoken):
        item = _fit(message, most, meter)
        if item is None or spent + item.cost > room:
            break
        chosen.appendleft(item)
        spent += item.cost
    full = len(spoken) - len(chosen)
    while chosen and chosen[0].message.role != "user":
        chosen.popleft()
    unpaired = len(spoken) - len(chosen) - full
    went_in = {item.message.id for item in chosen}
    return Window(
        chosen=tuple(chosen),
        omitted=tuple(message.id for message in reversed(history) if message.id not in went_in),
        reasons=_reasons(full, unpaired, len(history) - len(spoken), sum(item.clipped for item in chosen)),
    )


def _fit(message: Message, most: int, meter: Meter) -> Chosen | None:
    """Return the message, clipped where it costs more than `most`; None where it cannot be clipped so far."""
    text = render(message)
    cost = meter.counted(message.tokens) if message.tokens else meter.block(text)
    if cost <= most:
        return Chosen(message, text, cost, clipped=False)
    text = clip(text, most, cost, meter.block)
    return Chosen(message, text, meter.block(text), clipped=True) if text else None


def _reasons(full: int, unpaired: int, blank: int, clipped: int) -> tuple[str, ...]:
    told = (
        (full, f"left out {full} older, the window is full"),
        (unpaired, f"left out {unpaired}, the window begins with the customer's turn"),
        (blank, f"left out {blank} blank"),
        (clipped, f"clipped {clipped} above a quarter of the window"),
    )
    return tuple(words for count, words in told if count)
