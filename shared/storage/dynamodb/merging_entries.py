"""Letting memory entries be another customer's: each in one transaction."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Final

from shared.errors import (
    StoreUnavailable,
)
from shared.ids import bucket_of
from shared.storage import records
from shared.storage.dynamodb.actions import ABSENT, Action, check, delete, put, query, update
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.entries import STANDS, entry_sk, history_sk
from shared.storage.dynamodb.memories import DynamoMemories
from shared.storage.dynamodb.merging_sessions import MOVING, DynamoMovingSessions
from shared.storage.dynamodb.schema import (
    customer_key,
    digest,
    shard_of,
)
from shared.storage.merging import KeptEntry, merged

TRIES: Final = 20


class DynamoMovingEntries(DynamoMovingSessions, DynamoMemories):
    """What merging does with memory entries."""

    async def _move_entry(self, key: str, source: str, into: str) -> None:
        for _ in range(TRIES):
            came, there = await self._kept(source, key), await self._kept(into, key)
            if came is None:
                return
            now = await self._client.now()
            gone = await self._client.get(customer_key(self.tenant, into, f"gone/{digest(key)}"))
            after = merged(there, came, gone["at"] if gone else None, now)
            actions = [
                check(self._mark_key(source), "#into = :into AND #state = :moving", into=into, moving=MOVING),
                self._not_erasing(into),
                *self._taken_out(source, came),
                *(self._put_in(into, after, there, now) if after is not None else ()),
            ]
            try:
                await self._client.transact(actions)
            except ConditionFailed as failed:
                self._refuse_ended(failed)
                continue
            return
        raise StoreUnavailable("the entry changed each time it was looked at")

    async def _kept(self, customer_id: str, key: str) -> KeptEntry | None:
        _, entry = await self._entry(customer_id, key)
        if entry is None:
            return None
        keys = self._versions(customer_id, key, entry["version"])
        found = await self._client.get_many(keys) if keys else []
        return KeptEntry(entry, tuple(json.loads(item["text"]) for item in found if item is not None))

    def _taken_out(self, customer_id: str, kept: KeptEntry) -> list[Action]:
        entry, name = kept.entry, digest(kept.entry["key"])
        places = [history_sk(name, each["version"]) for each in kept.history]
        return [
            delete(self._pointer(customer_id, entry["key"]), STANDS, entry=entry_sk(entry), version=entry["version"]),
            *(delete(customer_key(self.tenant, customer_id, place)) for place in (entry_sk(entry), *places)),
        ]

    def _put_in(self, customer_id: str, after: KeptEntry, there: KeptEntry | None, now: int) -> list[Action]:
        """Return the actions that write an entry with its earlier values in place of the one that was there."""
        name = digest(after.entry["key"])
        old = there.entry if there is not None else None
        kept = {history_sk(name, each["version"]): each for each in after.history}
        stale = [history_sk(name, each["version"]) for each in (there.history if there is not None else ())]
        return [
            self._roomless(customer_id, 0 if there is not None else 1, now),
            *self._placed(customer_id, after.entry, entry_sk(old) if old else None, old),
            *(put({**customer_key(self.tenant, customer_id, at), "text": records.dump(v)}) for at, v in kept.items()),
            *(delete(customer_key(self.tenant, customer_id, at)) for at in stale if at not in kept),
        ]

    def _roomless(self, customer_id: str, more: int, now: int) -> Action:
        """Return the change of how many entries there are, be there room or not."""
        counter = customer_key(self.tenant, customer_id, "memory")
        retention = self._limits.memory_retention_ms
        if retention == 0:
            return update(counter, "ADD #count :more", more=more)
        return update(
            counter,
            "SET #due_pk = :due_pk, #due_at = if_not_exists(#due_at, :due_at) ADD #count :more",
            more=more,
            due_pk=f"retain/{shard_of(bucket_of(self.tenant, customer_id))}",
            due_at=now + retention,
        )

    async def _make_room(self, customer_id: str) -> None:
        """Let entries give way while there are more than are kept, and some that do."""
        counter = customer_key(self.tenant, customer_id, "memory")
        while ((await self._client.get(counter)) or {}).get("count", 0) > self._limits.memory_max_entries:
            giving = await self._giving_way(customer_id, await self._client.now())
            if not giving:
                return
            with suppress(ConditionFailed):
                await self._client.transact([self._counter(customer_id, -1), *giving])

    async def _move_deleted(self, source: str, into: str) -> None:
        """Take over what is remembered of deleted entries: the later time holds."""
        pk = customer_key(self.tenant, source, "")["pk"]
        for item in await self._client.all(query(None, "#pk = :pk AND begins_with(#sk, :gone)", pk=pk, gone="gone/")):
            moved = {**item, **customer_key(self.tenant, into, item["sk"])}
            try:
                await self._client.transact(
                    [
                        put(moved, f"{ABSENT} OR #at < :at", at=item["at"]),
                        check(self._mark_key(source), "#into = :into AND #state = :moving", into=into, moving=MOVING),
                        self._not_erasing(into),
                    ]
                )
            except ConditionFailed as failed:
                self._refuse_ended(failed)
