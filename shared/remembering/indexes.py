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
from shared.storage.contract import TenantStore
from shared.storage.memory import IndexChanges, IndexPiece
from shared.storage.types import IndexMark

MUCH: Final = 20_000  # packed bytes: unpacking more takes milliseconds, in which other turns go on

log = structlog.get_logger()

Name = tuple[str, int]  # session and number


@dataclass
class Index:
    """A customer's index as it stood at a mark. It does not change; `corpus` is made with the first search."""

    mark: IndexMark
    chunks: dict[Name, Chunk] = field(default_factory=dict)
    sizes: dict[Name, int] = field(default_factory=dict)
    _corpus: Corpus | None = None

    @property
    def size(self) -> int:
        """Packed bytes of it."""
        return sum(self.sizes.values())

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
            return Corpus([*self.chunks.values(), *beside])
        if self._corpus is None:
            self._corpus = Corpus(self.chunks.values())
        return self._corpus

    def with_changes(self, mark: IndexMark, chunks: dict[Name, Chunk], sizes: dict[Name, int]) -> Index:
        """Return it with what is new."""
        return Index(mark, self.chunks | chunks, self.sizes | sizes)


class Indexes:
    """The indexes of this process; one for all tenants. `most_bytes`: packed, in all."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
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
        chunks, sizes = await self._unpacked(own, changes)
        # Others may have come in between: what is new is added to what it is newer than, and to nothing else.
        known = Index(changes.mark) if held is None or changes.anew else held
        index = known.with_changes(changes.mark, chunks, sizes)
        self._keep(key, index)
        return index

    def _keep(self, key: tuple[str, str], index: Index) -> None:
        self._held[key] = index
        self._held.move_to_end(key)
        bytes_held = sum(each.size for each in self._held.values())
        while bytes_held > self._most and len(self._held) > 1:
            _, given_up = self._held.popitem(last=False)
            bytes_held -= given_up.size

    async def _unpacked(self, own: TenantStore, changes: IndexChanges) -> tuple[dict[Name, Chunk], dict[Name, int]]:
        size = sum(len(piece.value) for piece in changes.pieces)
        if size > MUCH:
            chunks, unreadable = await asyncio.to_thread(_unpacked, changes.pieces)
        else:
            chunks, unreadable = _unpacked(changes.pieces)
        for session_id in unreadable:
            log.warning("index.unreadable", session=session_id)
            await own.reindex(session_id)
        sizes = {(piece.session_id, piece.number): len(piece.value) for piece in changes.pieces}
        return chunks, {name: sizes[name] for name in chunks}


def _unpacked(pieces: Iterable[IndexPiece]) -> tuple[dict[Name, Chunk], set[str]]:
    """Return the chunks by name, and the sessions of which one cannot be read: of another version, mostly."""
    chunks: dict[Name, Chunk] = {}
    unreadable: set[str] = set()
    for piece in pieces:
        try:
            chunks[piece.session_id, piece.number] = unpack(piece.value)
        except ChunkCorrupt:
            unreadable.add(piece.session_id)
    return chunks, unreadable
