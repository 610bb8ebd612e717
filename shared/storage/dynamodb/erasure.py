"""Erasing a customer on DynamoDB, in steps that can be taken again.

The mark comes first: from then on the id takes nothing new. Then every session is ended, so that whatever is in flight
finds nothing to commit to, and their memory and index go, which nothing can bring back any more. Contents follow
session by session; the mark goes last. It lies in the index of what is past its retention, so a sweep finds it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Final

from shared.errors import CustomerMerged, StoreUnavailable
from shared.ids import bucket_of
from shared.storage import records
from shared.storage.dynamodb.actions import ABSENT, EXISTS, Action, Item, delete, put, query, update
from shared.storage.dynamodb.base import DELETED, INBOX
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.removal import AT_ONCE, PAGE, TRIES, DynamoRemoval
from shared.storage.dynamodb.schema import (
    ERASING,
    SESSIONS,
    customer_key,
    listed_key,
    outbox_key,
    session_key,
    shard_of,
)

ERASED: Final = "erased"  # who ended a session of an erased customer
MOST: Final = 10  # sessions that one step removes


class DynamoErasure(DynamoRemoval):
    """Implements `shared.storage.contract.Customers`."""

    async def erase_customer(self, customer_id: str) -> bool:
        """See `Customers.erase_customer`."""
        mark = {
            **customer_key(self.tenant, customer_id, ERASING),
            "due_pk": f"retain/{shard_of(bucket_of(self.tenant, customer_id))}",
            "due_at": await self._client.now() + self._limits.grace_ms,
        }
        try:
            await self._client.write(put(mark, ABSENT))
        except ConditionFailed as failed:  # it was begun before
            known = failed.items[0] or {}
            if "into" in known:
                raise CustomerMerged(known["into"]) from None
        return await self.go_on_erasing(customer_id)

    async def go_on_erasing(self, customer_id: str) -> bool:
        """Go on with an erasure, as far as one step goes; return whether anything is left."""
        key = customer_key(self.tenant, customer_id, ERASING)
        mark = await self._client.get(key)
        if mark is None:
            return False
        if not mark.get("ended"):
            await self._end_all(customer_id)
            with suppress(ConditionFailed):  # somebody else has come to the end
                await self._client.write(update(key, "SET #ended = :true", EXISTS, true=True))
        sessions = _named(await self._client.first(self._listed_of(customer_id), MOST + 1))
        for session_id in sessions[:MOST]:
            if await self._removed_partly(customer_id, session_id):
                return True
        if len(sessions) > MOST:
            return True
        await self._unannounce(customer_id)
        await self._client.write(delete(key))
        return False

    def _listed_of(self, customer_id: str) -> Action:
        pk = customer_key(self.tenant, customer_id, "")["pk"]
        return query(None, "#pk = :pk AND begins_with(#sk, :listed)", pk=pk, listed=SESSIONS)

    async def _end_all(self, customer_id: str) -> None:
        """End every session, and remove the customer's memory, index and bindings."""
        async for page in self._client.pages(self._listed_of(customer_id)):
            for session_id in _named(page):
                await self._end_erased(session_id)
        beside = query(None, "#pk = :pk", pk=customer_key(self.tenant, customer_id, "")["pk"])
        async for page in self._client.pages(beside, PAGE):
            kept = (ERASING, SESSIONS)
            await self._client.delete_many(item for item in page if not item["sk"].startswith(kept))

    async def _end_erased(self, session_id: str) -> None:
        for _ in range(TRIES):
            inbox = await self._client.get(session_key(self.tenant, session_id, INBOX))
            if inbox is None or inbox["status"] == DELETED:
                return
            if await self._end(session_id, inbox, await self._client.now(), ERASED):
                return
        raise StoreUnavailable("the session changed each time it was looked at")

    async def _removed_partly(self, customer_id: str, session_id: str) -> bool:
        """Remove what an ended session held; return whether there may be more."""
        if await self.remove(session_id, AT_ONCE, nameless=True):
            return True
        await self._client.write(delete(listed_key(self.tenant, customer_id, session_id)))
        return False

    async def _unannounce(self, customer_id: str, called: str | None = None) -> None:
        """Let outcomes be announced without their customer, and all else of theirs not at all.

        `called`: another id of theirs: what was said in sessions that began under it is announced from its bucket.
        """
        bucket = bucket_of(self.tenant, called or customer_id)
        rows = query(None, "#pk = :pk", pk=outbox_key(bucket, "")["pk"])
        async for page in self._client.pages(rows):
            for item in page:
                row = json.loads(item["row"])
                if (row["tenant"], row["customer"]) == (self.tenant, customer_id):
                    await self._nameless(item, row)

    async def _nameless(self, item: Item, row: Item) -> None:
        key = {"pk": item["pk"], "sk": item["sk"]}
        if "request" not in row:
            await self._client.write(delete(key))
            return
        kept = {name: value for name, value in row.items() if name != "metadata"} | {"customer": ""}
        with suppress(ConditionFailed):  # it has been announced
            await self._client.write(update(key, "SET #row = :row", EXISTS, row=records.dump(kept)))


def _named(items: list[Item]) -> list[str]:
    return [item["sk"].removeprefix(SESSIONS) for item in items if item["sk"].startswith(SESSIONS)]
