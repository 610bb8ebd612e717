"""Chunks: what the index holds of some consecutive turns of a session, and how turns are laid out in them.

A chunk is immutable. A session's chunks are made by filling one after the other from its first turn, each until the
next turn would go beyond TURNS or BYTES; so the same turns give the same chunks, whether they came at once or one
by one (`extend`). All are sealed but the last, which grows.

Bounds, and what gives way: a turn holds at most TERMS different terms and about TURN_BYTES of them, identifiers
first, then those that stand there most often; its metadata always stays. A chunk, packed, is below BYTES + TURN_BYTES.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from sys import intern
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.models import Message, Role
from shared.recall.words import is_identifier, terms

TURNS: Final = 128  # most turns of a chunk
TERMS: Final = 400  # most different terms of a turn
TURN_BYTES: Final = 8_192  # most bytes of a turn's terms, before compression
BYTES: Final = 49_152  # of a chunk's turns, before compression
LONGEST_ID: Final = 512  # characters of a session's id

_FIXED: Final = 48  # bytes that a turn's metadata takes at most
_POSTING: Final = 16  # bytes that a posting takes at most, besides the term
_QUESTIONS: Final = ("?", "？", "؟", "\u037e")  # noqa: RUF001 - question marks of several scripts


@dataclass(frozen=True, slots=True)
class IndexedTurn:
    """What the index knows of one message. `at`: seconds since 1970. `length`: its terms, cut ones included."""

    seq: int
    at: int
    role: Role
    asks: bool
    length: int
    terms: Mapping[str, int]

    @property
    def cost(self) -> int:
        """Most bytes it takes in a chunk before compression."""
        return _FIXED + sum(_cost(term) for term in self.terms)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What a chunk holds of its turns, as arrays; `asks` is 0 or 1."""

    seqs: NDArray[np.int64]
    times: NDArray[np.int64]
    asks: NDArray[np.int64]
    lengths: NDArray[np.int64]


@dataclass(frozen=True)
class Chunk:
    """Consecutive turns of one session by column, oldest first, and for each term where it stands.

    `postings`: term → (position, count, position, count, …); positions count from 0 within the chunk and ascend.
    """

    session_id: str
    seqs: tuple[int, ...]
    times: tuple[int, ...]
    roles: tuple[Role, ...]
    asks: tuple[bool, ...]
    lengths: tuple[int, ...]
    postings: Mapping[str, tuple[int, ...]]

    @property
    def first(self) -> int:
        """The seq of its oldest message."""
        return self.seqs[0]

    @property
    def last(self) -> int:
        """The seq of its newest message."""
        return self.seqs[-1]

    @cached_property
    def columns(self) -> Columns:
        """Its turns by column, to be laid beside those of other chunks."""
        columns = (self.seqs, self.times, self.asks, self.lengths)
        return Columns(*(np.array(column, dtype=np.int64) for column in columns))

    @cached_property
    def turns(self) -> tuple[IndexedTurn, ...]:
        """Its turns by row."""
        rows: list[dict[str, int]] = [{} for _ in self.seqs]
        for term, places in self.postings.items():
            for position, count in zip(places[::2], places[1::2], strict=True):
                rows[position][term] = count
        columns = zip(self.seqs, self.times, self.roles, self.asks, self.lengths, rows, strict=True)
        return tuple(IndexedTurn(*column) for column in columns)


def turn_of(message: Message) -> IndexedTurn:
    """Return what the index keeps of a message."""
    found = terms(message.content)
    asks = message.content.rstrip().endswith(_QUESTIONS)
    at = int(_utc(message.at).timestamp())
    return IndexedTurn(message.seq, at, message.role, asks, len(found), _kept(Counter(found)))


def index(session_id: str, messages: Iterable[Message]) -> tuple[Chunk, ...]:
    """Return the chunks of a session's messages, whatever order they come in."""
    return _filled(session_id, (turn_of(message) for message in messages))


def extend(last: Chunk, messages: Iterable[Message]) -> tuple[Chunk, ...]:
    """Return what takes the place of a session's last chunk when messages come behind it: itself, filled, and more."""
    return _filled(last.session_id, [*last.turns, *(turn_of(message) for message in messages)])


def merge(chunks: Iterable[Chunk]) -> tuple[Chunk, ...]:
    """Return the chunks of one session filled anew: what `index` would make of all their messages at once.

    A message that stands in several is taken as the chunk has it that reaches furthest. No chunks give none.

    Raises:
        ValueError: they are of several sessions.

    """
    given = list(chunks)
    sessions = {chunk.session_id for chunk in given}
    if len(sessions) > 1:
        raise ValueError("chunks of several sessions cannot be merged")
    # By all they hold, so that the order they are given in does not matter.
    given.sort(key=lambda chunk: (chunk.last, chunk.seqs, chunk.times, chunk.lengths, sorted(chunk.postings.items())))
    return _filled(sessions.pop(), (turn for chunk in given for turn in chunk.turns)) if given else ()


def without(chunk: Chunk, seqs: Iterable[int]) -> Chunk | None:
    """Return the chunk without these messages, which were deleted; None where nothing is left."""
    gone = frozenset(seqs)
    if gone.isdisjoint(chunk.seqs):
        return chunk
    return _chunk(chunk.session_id, [turn for turn in chunk.turns if turn.seq not in gone])


def _filled(session_id: str, turns: Iterable[IndexedTurn]) -> tuple[Chunk, ...]:
    if not 0 < len(session_id) <= LONGEST_ID:
        raise ValueError(f"a session's id has 1 to {LONGEST_ID} characters")
    by_seq = {turn.seq: turn for turn in turns}
    return tuple(
        chunk
        for group in _groups(by_seq[seq] for seq in sorted(by_seq))
        if (chunk := _chunk(session_id, group)) is not None
    )


def _groups(turns: Iterable[IndexedTurn]) -> Iterator[list[IndexedTurn]]:
    group: list[IndexedTurn] = []
    room = BYTES
    for turn in turns:
        if group and (len(group) == TURNS or turn.cost > room):
            yield group
            group, room = [], BYTES
        group.append(turn)
        room -= turn.cost
    yield group


def _chunk(session_id: str, turns: Sequence[IndexedTurn]) -> Chunk | None:
    if not turns:
        return None
    places: dict[str, list[int]] = {}
    for position, turn in enumerate(turns):
        for term, count in turn.terms.items():
            places.setdefault(intern(term), []).extend((position, count))
    return Chunk(
        session_id,
        tuple(turn.seq for turn in turns),
        tuple(turn.at for turn in turns),
        tuple(turn.role for turn in turns),
        tuple(turn.asks for turn in turns),
        tuple(turn.length for turn in turns),
        {term: tuple(places[term]) for term in sorted(places)},
    )


def _kept(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the terms that a turn keeps, by term."""
    ranked = sorted(counts, key=lambda term: (not is_identifier(term), -counts[term]))
    kept: dict[str, int] = {}
    room = TURN_BYTES
    for term in ranked[:TERMS]:
        room -= _cost(term)
        if room < 0:
            break
        kept[term] = counts[term]
    return dict(sorted(kept.items()))


def _cost(term: str) -> int:
    return _POSTING + len(term.encode("utf-8", "surrogatepass"))


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
