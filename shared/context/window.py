"""The window: the newest turns, verbatim, from where it begins to the end of what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf

from shared.context.blocks import Turn, heading, is_blank, render
from shared.context.budget import Meter
from shared.context.clip import clip_below
from shared.context.counted import LONG
from shared.models import Message


@dataclass(frozen=True, slots=True)
class Chosen:
    """One stored message that may go in: its text, whole or clipped, and its cost in scaled tokens."""

    message: Message
    text: str
    cost: int
    clipped: bool


@dataclass(frozen=True, slots=True)
class Window:
    """The chosen messages, oldest first, and why others are not among them."""

    chosen: tuple[Chosen, ...]
    tokens: int
    """The cost of all chosen messages, in scaled tokens."""
    omitted: tuple[str, ...] = ()
    """Ids of messages read and left out, newest first."""
    reasons: tuple[str, ...] = ()

    @property
    def turns(self) -> list[Turn]:
        """The chosen messages as turns."""
        return [Turn(item.message.role, item.text) for item in self.chosen]

    @property
    def start(self) -> int:
        """The seq of the first message; 0 where there is none."""
        return self.chosen[0].message.seq if self.chosen else 0


def measured(history: Sequence[Message], most: int, meter: Meter, room: float = inf) -> list[Chosen]:
    """Return what of the history could go in, oldest first: blank messages aside, one above `most` clipped.

    It ends where it exceeds `room`: what lies before that can go in by no strategy. Nor is anything reached before a
    message that cannot be clipped so far. Stored counts are believed.
    """
    found: list[Chosen] = []
    spent = 0
    for message in reversed(history):
        if spent > room:
            break
        if is_blank(message):
            continue
        item = _fit(message, most, meter)
        if item is None:
            break
        found.append(item)
        spent += item.cost
    found.reverse()
    return found


def since(items: Sequence[Chosen], start: int) -> list[Chosen]:
    """Return the items from the seq `start` on, beginning with a customer's."""
    return _from_customer([item for item in items if item.message.seq >= start])


def last_turn(items: Sequence[Chosen]) -> list[Chosen]:
    """Return the items from the last customer's message on that follows a reply, or begins the items."""
    starts = [
        at
        for at, item in enumerate(items)
        if item.message.role == "user" and (at == 0 or items[at - 1].message.role == "assistant")
    ]
    return list(items[starts[-1] :]) if starts else []


def newest(items: Sequence[Chosen], room: int) -> list[Chosen]:
    """Return the newest items that fit into `room` scaled tokens, without a gap, beginning with a customer's."""
    spent, first = 0, len(items)
    while first > 0 and spent + items[first - 1].cost <= room:
        first -= 1
        spent += items[first].cost
    return _from_customer(list(items[first:]))


def told(history: Sequence[Message], chosen: Sequence[Chosen], *, complete: bool) -> Window:
    """Return the window of the chosen items, with an account of what was left out."""
    went_in = {item.message.id for item in chosen}
    left_out = [message for message in reversed(history) if message.id not in went_in]
    blank = sum(map(is_blank, left_out))
    omitted = tuple(message.id for message in left_out)
    counts = (
        (len(omitted) - blank, "left out {} older"),
        (blank, "left out {} blank"),
        (sum(item.clipped for item in chosen), "clipped {} above a quarter of the room"),
    )
    reasons = [words.format(count) for count, words in counts if count]
    tokens = sum(item.cost for item in chosen)
    return Window(
        tuple(chosen), tokens, omitted, tuple(reasons) + (() if complete else ("older messages were not read",))
    )


def _from_customer(items: list[Chosen]) -> list[Chosen]:
    first = next((at for at, item in enumerate(items) if item.message.role == "user"), len(items))
    return items[first:]


def _fit(message: Message, most: int, meter: Meter) -> Chosen | None:
    """Return the message, clipped where it costs more than `most`; None where it cannot be clipped so far."""
    text = render(message)
    cost = meter.stored(message, text)
    if cost <= most:
        return Chosen(message, text, cost, clipped=False)
    clip_it = _clipped if len(text) <= LONG else _clip
    text = clip_it(heading(message.attachments, message.author), text, most, cost, meter)
    return Chosen(message, text, meter.block(text), clipped=True) if text else None


def _clip(above: str, text: str, most: int, cost: int, meter: Meter) -> str:
    return clip_below(above, text[len(above) :], most, cost, meter.block)


_clipped = lru_cache(maxsize=64)(_clip)  # a memo of a pure function: a long message comes again each turn
