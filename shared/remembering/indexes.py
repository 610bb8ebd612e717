"""The customers' indexes that a process holds: read as far as they are new, the least used given up for room."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import structlog

from shared.recall.chunk import Chunk
from shared.recall.codec import ChunkCorrupt, unpack
from shared.recall.corpus import Corpus
from shared.recall.meaning import Meaning, Vectors
from shared.storage.contract import TenantStore
from shared.storage.memory import IndexChanges, IndexPiece
from shared.storage.types import IndexMark

UNPACKED: Final = 10  # times what is packed: what an index takes in memory, by which RECALL_CACHE_MB is told
MUCH: Final = 20_000  # packed bytes: unpacking more takes milliseconds, in which other turns go on

log = structlog.get_logger()

Name = tuple[str, int]  # session and number


@dataclass
class Index:
    """A customer's index as it stood at a mark. It does not change; `corpus` is made with the first search.

    `vectors`: what the chunks' turns mean, where there is a model of meanings.
    """

    mark: IndexMark
    chunks: dict[Name, Chunk] = field(default_factory=dict)
    sizes: dict[Name, int] = field(default_factory=dict)
    meaning: Meaning | None = None
    vectors: dict[Name, Vectors] = field(default_factory=dict)
    _corpus: Corpus | None = None

    @property
    def size(self) -> int:
        """Packed bytes of it; vectors, which are never packed, for as many as take the same room."""
        return sum(self.sizes.values()) + sum(rows.nbytes for rows in self.vectors.values()) // UNPACKED

    @cached_property
    def turns(self) -> int:
        """How many turns it holds."""
        return sum(len(chunk.seqs) for chunk in self.chunks.values())

    def through(self, session_id: str) -> int:
        """Return through which seq a session is indexed; 0 where it is not."""
        return max((chunk.last for (session, _), chunk in self.chunks.items() if session == session_id), default=0)

    def corpus(self, more: Iterable[Chunk] = ()) -> Corpus:
        """Return it laid out for searching, with `more` that is not kept."""
        beside = list(more)
        if beside:
            return self._laid_out([*self.chunks.values(), *beside])
        if self._corpus is None:
            self._corpus = self._laid_out(self.chunks.values())
        return self._corpus

    def with_changes(self, mark: IndexMark, new: Unpacked) -> Index:
        """Return it with what is new."""
        chunks, sizes, vectors = self.chunks | new.chunks, self.sizes | new.sizes, self.vectors | new.vectors
        return Index(mark, chunks, sizes, self.meaning, vectors)

    def _laid_out(self, chunks: Iterable[Chunk]) -> Corpus:
        meaning = self.meaning
        if meaning is None:
            return Corpus(chunks)
        known = {id(self.chunks[name]): rows for name, rows in self.vectors.items()}

        def embed(chunk: Chunk) -> Vectors:
            rows = known.get(id(chunk))
            return meaning.of_chunk(chunk) if rows is None else rows

        return Corpus(chunks, embed)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Chunks as they were read, how long each was packed, and what their turns mean."""

    chunks: dict[Name, Chunk]
    sizes: dict[Name, int]
    vectors: dict[Name, Vectors]


class Indexes:
    """The indexes of this process; one for all tenants. `most_bytes`: packed, in all."""

    def __init__(self, most_bytes: int, meaning: Meaning | None = None) -> None:
        self._most = most_bytes
        self.meaning = meaning
        self._held: OrderedDict[tuple[str, str], Index] = OrderedDict()

    async def of(self, own: TenantStore, customer_id: str, mark: IndexMark | None = None) -> Index:
        """Return a customer's index; read what is new, unless it is known to stand at `mark`.

        Raises:
            StoreError

        """
        key = (own.tenant, customer_id)
        held = self._held.get(key)
        if held is not None and held.mark == mark:
            self._held.move_to_end(key)
            return held
        changes = await own.index_changes(customer_id, held.mark if held else None)
        new = await self._unpacked(own, changes)
        # Others may have come in between: what is new is added to what it is newer than, and to nothing else.
        known = Index(changes.mark, meaning=self.meaning) if held is None or changes.anew else held
        index = known.with_changes(changes.mark, new)
        self._keep(key, index)
        return index

    def _keep(self, key: tuple[str, str], index: Index) -> None:
        self._held[key] = index
        self._held.move_to_end(key)
        bytes_held = sum(each.size for each in self._held.values())
        while bytes_held > self._most and len(self._held) > 1:
            _, given_up = self._held.popitem(last=False)
            bytes_held -= given_up.size

    async def _unpacked(self, own: TenantStore, changes: IndexChanges) -> Unpacked:
        size = sum(len(piece.value) for piece in changes.pieces)
        if size > MUCH or (self.meaning is not None and changes.pieces):
            new, unreadable = await asyncio.to_thread(_unpacked, changes.pieces, self.meaning)
        else:
            new, unreadable = _unpacked(changes.pieces, self.meaning)
        for session_id in unreadable:
            log.warning("index.unreadable", session=session_id)
            await own.reindex(session_id)
        return new


def _unpacked(pieces: Iterable[IndexPiece], meaning: Meaning | None) -> tuple[Unpacked, set[str]]:
    """Return what could be read, and the sessions of which a chunk cannot be: of another version, mostly."""
    new = Unpacked({}, {}, {})
    unreadable: set[str] = set()
    for piece in pieces:
        name = (piece.session_id, piece.number)
        try:
            new.chunks[name] = unpack(piece.value)
        except ChunkCorrupt:
            unreadable.add(piece.session_id)
            continue
        new.sizes[name] = len(piece.value)
        if meaning is not None:
            new.vectors[name] = meaning.of_chunk(new.chunks[name])
    return new, unreadable
