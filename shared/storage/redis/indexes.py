"""The recall index on Redis: its pieces lie in one hash of their customer, and a log tells in which order they came."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence

from shared.ids import SessionRef, bucket_of
from shared.models import Message
from shared.storage.jobs import SummaryClaim
from shared.storage.memory import IndexChanges, IndexPiece
from shared.storage.redis import codec
from shared.storage.redis.turns import RedisScripts
from shared.storage.types import IndexMark

MOST_PLACES = 200


class RedisIndexes(RedisScripts):
    """Implements `shared.storage.contract.RecallIndex`."""

    async def put_pieces(self, claim: SummaryClaim, pieces: Sequence[IndexPiece], through: int) -> bool:
        """See `RecallIndex.put_pieces`."""
        ref: SessionRef = claim.ref
        _, answer = await self._run_where(
            "put_pieces",
            ref.session_id,
            ref.bucket,
            session=ref.session_id,
            token=claim.token.number,
            nonce=claim.token.nonce,
            pieces=[[piece.number, b64encode(piece.value).decode()] for piece in pieces],
            through=through,
        )
        return bool(answer[0] == "kept")

    async def reindex(self, session_id: str) -> None:
        """See `RecallIndex.reindex`."""
        await self._run_session("reindex", session_id)

    async def last_piece(self, session_id: str) -> IndexPiece | None:
        """See `RecallIndex.last_piece`."""
        answer = await self._run_session("last_piece", session_id)
        if answer[0] == "none" or answer[2] is None:
            return None
        return IndexPiece(session_id, int(answer[1]), b64decode(answer[2]))

    async def index_changes(self, customer_id: str, since: IndexMark | None) -> IndexChanges:
        """See `RecallIndex.index_changes`."""
        known = since or IndexMark(-1, 0)
        answer = await self._run_customer(
            "index_changes",
            bucket_of(self.tenant, customer_id),
            **codec.customer(customer_id),
            epoch=known.epoch,
            version=known.version,
            most=self._limits.index_bytes * 4 // 3,
        )
        _, epoch, version, anew, found = answer
        pieces = [_piece(name, value) for name, value in zip(found[::2], found[1::2], strict=True)]
        return IndexChanges(IndexMark(int(epoch), int(version)), tuple(pieces), bool(anew))

    async def turns(
        self, customer_id: str, places: Sequence[tuple[str, int]], most_tokens: int
    ) -> list[tuple[str, Message]]:
        """See `RecallIndex.turns`."""
        if not places:
            return []
        answer = await self._run_customer(
            "read_turns",
            bucket_of(self.tenant, customer_id),
            **codec.customer(customer_id),
            places=[list(place) for place in places[:MOST_PLACES]],
            most=most_tokens,
        )
        return [(session_id, codec.message(raw)) for session_id, raw in answer[1]]


def _piece(name: str, value: str) -> IndexPiece:
    session_id, _, number = name.rpartition("/")
    return IndexPiece(session_id, int(number), b64decode(value))
