"""Pieces of recall indexes as items: by version, so that what is new is one query; and how they go.

    d/~idx                            the index's epoch and version: it sorts after all digests, and is read with them
    i/<version>/<session>/<number>    a piece

A session's `~sum` tells in `chunks` which version each piece of it has. Pieces are removed before that list is: cut off
in between, the session is indexed anew.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from shared.storage.dynamodb.actions import EXISTS, Item, update
from shared.storage.dynamodb.base import DynamoParts
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.schema import Key, customer_key
from shared.storage.types import IndexMark

MARK: Final = "d/~idx"
PIECES: Final = "i/"


def piece_sk(version: int, session_id: str, number: int) -> str:
    """Return the sort key of a piece; they sort as they came."""
    return f"{PIECES}{version:012d}/{session_id}/{number}"


def mark_in(item: Item) -> IndexMark:
    """Return the mark from its item."""
    return IndexMark(item["epoch"], item["version"])


class IndexItems(DynamoParts):
    """What those share that write pieces or take them away."""

    def _piece_keys(self, customer: str, session_id: str, chunks: Sequence[int]) -> list[Key]:
        return [
            customer_key(self.tenant, customer, piece_sk(version, session_id, number))
            for number, version in enumerate(chunks)
        ]

    async def _unindexed(self, customer: str, session_id: str, chunks: Sequence[int]) -> None:
        """Remove a session's pieces, and let whoever has read them read all anew."""
        if not chunks:
            return
        await self._client.delete_many(self._piece_keys(customer, session_id, chunks))
        another = update(
            customer_key(self.tenant, customer, MARK), "SET #epoch = :epoch", EXISTS, epoch=secrets.randbits(48)
        )
        with suppress(ConditionFailed):  # there is none any more
            await self._client.write(another)
