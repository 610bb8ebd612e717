"""Finding the earlier turns of a customer that matter for a message, and reading their text.

What a turn costs: nothing where the customer's index stands at the mark the claim brought; else one read of what is
new in it. Then one read of the turns that were found. Both are bounded, whatever the history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.context.blocks import render
from shared.context.sources import Recalled
from shared.models import Message
from shared.recall.chunk import Chunk, index
from shared.recall.query import Ask
from shared.recall.search import MOST_HITS, Found, Hit, search
from shared.remembering.indexes import Index, Indexes
from shared.storage.contract import TenantStore
from shared.storage.types import IndexMark

LARGE: Final = 2_000  # turns; to lay out and search more takes milliseconds, in which other turns go on
MOST_READ: Final = 200  # turns read of the store for one message
ALL: Final = 10_000_000  # raw tokens: as many as are named
# Of what is found, as much is read as may fill the room, and some more, since some will be too long for what is left.
MORE: Final = 1.4
TOKENS_PER_TERM: Final = 2  # of a usual turn; and TOKENS_BESIDE
TOKENS_BESIDE: Final = 6
BESIDE: Final = ("beside",)  # why a turn comes along that was not found by itself


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message for which earlier turns are looked for.

    `history`: the newest messages of its session, oldest first, which need not be read again; `begins`: from which seq
    on the context is known to hold them. `tokens`: raw tokens of turns that the context may take. `mark`: how the
    customer's index stands, None where there is none; `look`: nobody has looked yet.
    """

    customer_id: str
    session_id: str
    text: str
    now: datetime
    tokens: int
    mark: IndexMark | None
    history: Sequence[Message] = ()
    begins: int = 1
    look: bool = False


@dataclass(frozen=True, slots=True)
class FoundTurn:
    """A turn that was looked for, and how it was found."""

    hit: Hit
    message: Message


class Recaller:
    """Finds turns; one of each process."""

    def __init__(self, indexes: Indexes) -> None:
        self._indexes = indexes

    async def recall(self, own: TenantStore, wanted: Wanted) -> tuple[Recalled, ...]:
        """Return the turns that matter, the one that matters most first. Raises StoreError."""
        told_before = any(message.seq < wanted.begins for message in wanted.history)
        if wanted.mark is None and not wanted.look and not told_before:
            return ()
        held = await self._index(own, wanted)
        previous = wanted.history[-1].content if wanted.history else ""
        ask = Ask(wanted.text, wanted.now, previous)
        found = await _searched(held, ask, beside=_unindexed(held, wanted))
        return await self._told(own, wanted, found)

    async def find(
        self, own: TenantStore, customer_id: str, text: str, now: datetime, most: int
    ) -> tuple[FoundTurn, ...]:
        """Return the turns that are found for a text, that which matters most first. Raises StoreError."""
        held = await self._indexes.of(own, customer_id)
        found = await _searched(held, Ask(text, now), most)
        hits = {(hit.session_id, hit.seq): hit for hit in found.hits[:most]}
        read = await own.turns(customer_id, [*hits], ALL)
        return tuple(FoundTurn(hits[session, message.seq], message) for session, message in read)

    async def _index(self, own: TenantStore, wanted: Wanted) -> Index:
        if wanted.mark is None and not wanted.look:
            return Index(IndexMark(0, 0), meaning=self._indexes.meaning)
        return await self._indexes.of(own, wanted.customer_id, wanted.mark)

    async def again(self, own: TenantStore, customer_id: str, ids: Sequence[str]) -> tuple[Recalled, ...]:
        """Return the turns that a receipt names, as far as they are still there. Raises StoreError."""
        places = [(session, int(seq)) for session, _, seq in (name.rpartition("/") for name in ids)]
        read = await own.turns(customer_id, places[:MOST_READ], ALL) if places else []
        return tuple(_recalled(session, message, ()) for session, message in read)

    async def _told(self, own: TenantStore, wanted: Wanted, found: Found) -> tuple[Recalled, ...]:
        known = {(wanted.session_id, message.seq): message for message in wanted.history}
        places = _enough(found, int(wanted.tokens * MORE))
        unread = [place for place in places if place not in known][:MOST_READ]
        read = await own.turns(wanted.customer_id, unread, int(wanted.tokens * MORE)) if unread else []
        known |= {(session_id, message.seq): message for session_id, message in read}
        whys = {(hit.session_id, hit.seq): hit.why for hit in found.hits}
        return tuple(
            _recalled(place[0], known[place], whys.get(place, BESIDE))
            for place in places
            if place in known and known[place].content.strip()
        )


def _recalled(session_id: str, message: Message, why: tuple[str, ...]) -> Recalled:
    return Recalled(session_id, message.seq, message.role, render(message), message.at, why)


def _enough(found: Found, tokens: int) -> list[tuple[str, int]]:
    """Return what may fill so many tokens, as far as the index knows."""
    places = []
    for place in found.places:
        if tokens <= 0:
            break
        tokens -= TOKENS_PER_TERM * place.length + TOKENS_BESIDE
        places.append((place.session_id, place.seq))
    return places


def _unindexed(held: Index, wanted: Wanted) -> tuple[Chunk, ...]:
    """Return chunks of what this session said before the window, and is not indexed yet: mostly nothing."""
    through = held.through(wanted.session_id)
    said = [each for each in wanted.history if through < each.seq < wanted.begins and each.content.strip()]
    return index(wanted.session_id, said) if said else ()


async def _searched(held: Index, ask: Ask, most_hits: int = MOST_HITS, beside: tuple[Chunk, ...] = ()) -> Found:
    meaning = held.meaning

    def searched() -> Found:
        direction = meaning.of_message(ask.text, ask.previous) if meaning else None
        return search(held.corpus(beside), ask, most_hits=most_hits, direction=direction)

    return await asyncio.to_thread(searched) if held.turns > LARGE or meaning else searched()
