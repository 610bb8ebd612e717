"""A reply that is being written, on DynamoDB: its pieces while somebody listens, and who that is."""

from __future__ import annotations

from typing import Final

from shared.errors import StoreError
from shared.ids import bucket_in
from shared.storage.dynamodb.actions import ABSENT, check, put, query
from shared.storage.dynamodb.base import CURRENT, LEASE, DynamoParts, ending
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.schema import feed_of, request_key, session_key
from shared.storage.types import Claim, Deltas

LISTEN_MS: Final = 60_000
BUFFER_MS: Final = 600_000


class DynamoDeltas(DynamoParts):
    """Implements what `shared.storage.contract.Turns` says of a reply's pieces and of listening."""

    async def append_delta(self, claim: Claim, offset: int, text: str) -> int:
        """See `Turns.append_delta`."""
        now = await self._client.now()
        length = offset + len(text.encode())
        piece = {
            **request_key(self.tenant, claim.request.id, _delta(claim.token.number, offset)),
            "text": text,
            "length": length,
            **ending(now + BUFFER_MS),
            "due_pk": feed_of(claim.request.id),
            "due_at": now,
        }
        lease = session_key(self.tenant, claim.ref.session_id, LEASE)
        current = check(lease, CURRENT, token=claim.token.number, nonce=claim.token.nonce)
        try:
            await self._client.transact([current, put(piece, ABSENT)])
        except ConditionFailed as failed:
            stale, there = failed.items
            if stale or not there:
                return 0
            heard = await self.read_deltas(claim.request.id, claim.token.number, offset)
            return heard.offset + len(heard.text.encode()) if heard.text else int(there["length"])
        return length

    async def read_deltas(self, request_id: str, token: int, offset: int) -> Deltas:
        """See `Turns.read_deltas`."""
        if bucket_in(request_id, "req") is None:
            message = f"not a request id: {request_id!r}"
            raise StoreError(message)
        now = await self._client.now()
        pk = request_key(self.tenant, request_id)["pk"]
        asked = query(
            None,
            "#pk = :pk AND #sk BETWEEN :first AND :last",
            pk=pk,
            first=_delta(token, offset),
            last="delta/~",
        )
        pieces = [item for item in await self._client.all(asked) if item["ends"] >= now]
        if not pieces:
            return Deltas(token, offset, "")
        newest = int(pieces[-1]["sk"].split("/")[1])
        begin = offset if newest == token else 0
        text, end = "", begin
        for item in pieces:
            if item["sk"] == _delta(newest, end):  # a piece that was lost ends what can be told
                text, end = text + item["text"], item["length"]
        return Deltas(newest, begin, text)

    async def listen(self, request_id: str) -> None:
        """See `Turns.listen`."""
        now = await self._client.now()
        item = {
            **request_key(self.tenant, request_id, "listen"),
            "until": now + LISTEN_MS,
            **ending(now + LISTEN_MS),
            "due_pk": "listen",
            "due_at": now,
        }
        await self._client.write(put(item))

    async def _listened(self, request_id: str) -> bool:
        item = await self._client.get(request_key(self.tenant, request_id, "listen"))
        return item is not None and item["until"] > await self._client.now()


def _delta(token: int, offset: int) -> str:
    return f"delta/{token:010d}/{offset:012d}"
