"""Merging a customer into another on DynamoDB, in steps that can be taken again.

What a session holds lies under the session's own id. So it stays where it is, and one transaction changes whose it is,
with its digest and its conversation; pieces of the recall index follow. Entries follow one by one, each in one
transaction.

    ~erasing         of who is merged: `into` whom; in the due index while it goes on. The id takes nothing new.
    ~from/<hash>     beside the other: who was merged into them, and whether that has ended
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from shared.errors import (
    CustomerErasing,
    CustomerMerged,
    MergeBusy,
    MergeRefused,
    StoreUnavailable,
    UnknownCustomer,
)
from shared.ids import bucket_of
from shared.storage.dynamodb.actions import ABSENT, Item, delete, put, query, update
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.merging_entries import DynamoMovingEntries
from shared.storage.dynamodb.merging_sessions import DONE, MOVING
from shared.storage.dynamodb.schema import (
    ERASING,
    FROM,
    SESSIONS,
    customer_key,
    shard_of,
)
from shared.storage.merging import merge_event

AT_ONCE: Final = 10  # sessions that one step moves
COUNTED: Final = 1_000  # sessions that are left, at most
MOST_CHAIN: Final = 64
LOOKED_AT: Final = 100  # items beside a customer, to see whether anything is kept of them
_OWN: Final = ("conv/", "d/", "e/", SESSIONS, FROM)


class DynamoMerging(DynamoMovingEntries):
    """Implements `shared.storage.contract.Customers.merge_customer`."""

    async def merge_customer(self, source: str, into: str) -> int:
        """See `Customers.merge_customer`."""
        target = await self._now_called(into)
        if source in {into, target}:
            raise MergeRefused
        already = await self._now_called(source)
        if already not in {source, target}:
            raise CustomerMerged(already)
        if already == source:
            await self._begin_merge(source, target)
        return await self.go_on_merging(source)

    async def go_on_merging(self, source: str) -> int:
        """Go on with a merge that has begun, as far as one step goes; return how many sessions are left, at least."""
        mark = await self._client.get(self._mark_key(source))
        if mark is None or "into" not in mark or mark["state"] == DONE:
            return 0
        into = await self._now_called(source)
        listed = await self._client.first(self._listed_of(source), COUNTED)
        for item in listed[:AT_ONCE]:
            await self._move(item["sk"].removeprefix(SESSIONS), source, into)
        if len(listed) > AT_ONCE:
            return len(listed) - AT_ONCE
        await self._move_pieces(source, into)
        for _, entry in await self._all_entries(source):
            await self._move_entry(entry["key"], source, into)
        await self._make_room(into)
        await self._move_deleted(source, into)
        await self._repoint(source, into)
        if await self._client.first(self._listed_of(source), 1):
            return 1
        await self._ended_merge(source, into)
        return 0

    async def _now_called(self, customer_id: str) -> str:
        """Return the customer that one was merged into, or the same."""
        for _ in range(MOST_CHAIN):
            mark = await self._client.get(self._mark_key(customer_id))
            if mark is None or "into" not in mark:
                return customer_id
            customer_id = str(mark["into"])
        raise StoreUnavailable("the customer was merged too often")

    async def _begin_merge(self, source: str, into: str) -> None:
        pk = customer_key(self.tenant, source, "")["pk"]
        beside = await self._client.first(query(None, "#pk = :pk", pk=pk), LOOKED_AT)
        if not any(item["sk"].startswith(_OWN) for item in beside):
            erasing = any(item["sk"] == ERASING for item in beside)
            raise CustomerErasing if erasing else UnknownCustomer
        mark = {
            **self._mark_key(source),
            "into": into,
            "state": MOVING,
            "due_pk": f"retain/{shard_of(bucket_of(self.tenant, source))}",
            "due_at": await self._client.now() + self._limits.grace_ms,
        }
        came = put({**self._came_key(into, source), "customer": source, "state": MOVING})
        try:
            await self._client.transact([put(mark, ABSENT), came, self._not_erasing(into)])
        except ConditionFailed as failed:
            if failed.items[0] and failed.items[0].get("into") == into:  # an answer was lost, or another began it
                return
            if failed.items[0] is not None and "into" not in failed.items[0]:
                raise CustomerErasing from None
            refuse = failed.items[2]
            if refuse is not None and "into" not in refuse:
                raise CustomerErasing from None
            raise MergeBusy from None

    async def _repoint(self, source: str, into: str) -> None:
        """Let those who were merged into `source` lead to where that goes."""
        pk = customer_key(self.tenant, source, "")["pk"]
        asked = query(None, "#pk = :pk AND begins_with(#sk, :came)", pk=pk, came=FROM)
        for item in await self._client.all(asked):
            came = put({**self._came_key(into, item["customer"]), "customer": item["customer"], "state": item["state"]})
            leads = update(
                self._mark_key(item["customer"]), "SET #into = :into", "#into = :seen", into=into, seen=source
            )
            with suppress(ConditionFailed):
                await self._client.transact([came, leads, self._not_erasing(into)])
            await self._client.write(delete({"pk": item["pk"], "sk": item["sk"]}))

    async def _ended_merge(self, source: str, into: str) -> None:
        now = await self._client.now()
        row = self._event("customer.merged", "", into, merge_event(), now) | {"merged": source}
        ended = update(
            self._mark_key(source),
            "SET #state = :done REMOVE #due_pk, #due_at",
            "#into = :into AND #state = :moving",
            into=into,
            moving=MOVING,
            done=DONE,
        )
        came = put({**self._came_key(into, source), "customer": source, "state": DONE})
        with suppress(ConditionFailed):  # somebody else has come to the end
            await self._client.transact(
                [ended, came, self._not_erasing(into), self._announced(bucket_of(self.tenant, into), row, now)]
            )
        pk = customer_key(self.tenant, source, "")["pk"]
        async for page in self._client.pages(query(None, "#pk = :pk", pk=pk)):
            await self._client.delete_many(item for item in page if item["sk"] != ERASING)

    async def go_on_erasing(self, customer_id: str) -> bool:
        """Go on with what the mark says: an erasure, with all who were merged into them; or a merge."""
        mark = await self._client.get(self._mark_key(customer_id))
        if mark is None:
            return False
        if "into" in mark:
            with suppress(CustomerErasing):
                return await self.go_on_merging(customer_id) > 0
            return False
        pk = customer_key(self.tenant, customer_id, "")["pk"]
        asked = query(None, "#pk = :pk AND begins_with(#sk, :came)", pk=pk, came=FROM)
        came = await self._client.first(asked, AT_ONCE)
        for item in came:
            await self._erase_alias(item["customer"], customer_id, mark)
            await self._unannounce(customer_id, item["customer"])
            await self._client.write(delete({"pk": item["pk"], "sk": item["sk"]}))
        return len(came) == AT_ONCE or await super().go_on_erasing(customer_id)

    async def _erase_alias(self, alias: str, customer_id: str, mark: Item) -> None:
        """Erase one who was merged into a customer, or was about to be."""
        due = {name: mark[name] for name in ("due_pk", "due_at")}
        with suppress(ConditionFailed):  # it leads elsewhere, or is being erased already
            await self._client.write(put({**self._mark_key(alias), **due}, "#into = :into", into=customer_id))
        kept = await self._client.get(self._mark_key(alias))
        if kept is not None and "into" not in kept:
            while await self.go_on_erasing(alias):
                pass
