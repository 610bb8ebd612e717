"""Taking notes of what happened in a tenant, on DynamoDB. Each write is safe to do again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from shared.clock import to_ms
from shared.storage.dynamodb.actions import ABSENT, Action, delete, put, query, update
from shared.storage.dynamodb.base import DynamoParts
from shared.storage.dynamodb.changes import changed
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.schema import (
    ERASING,
    LISTED,
    SEEN,
    SESSIONS,
    TENANTS,
    Key,
    customer_key,
    digest,
    request_key,
    tenant_key,
)
from shared.storage.tenant_index import (
    COUNTED_KEPT_MS,
    FAULT_HOURS,
    HOUR_MS,
    MOST_COUNTED,
    NUMBERS,
    USAGE_KEPT_DAYS,
    Notes,
    Shelf,
    Spent,
    UsageKind,
    UsageRow,
    row_of,
)

AT_ONCE: Final = 16
COUNTED_TOGETHER: Final = 80  # in one transaction; usage of as many kinds may come with them
KINDS_TOGETHER: Final = 15
DAY_MS: Final = 86_400_000
HOUR_SK: Final = "{:08d}"


class Notebook(DynamoParts):
    """One tenant's notes."""

    async def note(self, notes: Notes) -> None:
        """See `TenantIndex.note`."""
        now, gate = await self._client.now(), asyncio.Semaphore(AT_ONCE)

        async def one(write: Any) -> None:
            async with gate:
                await write

        writes = [self._count(part, now) for part in _together(list(notes.spent.values()))]
        writes += [self._end(request, at, shelf, now) for request, (at, shelf) in notes.ended.items()]
        writes += [self._open(request, at, now) for request, at in notes.opened.items()]
        writes += [self._hear(customer, at) for customer, at in notes.active.items()]
        writes += [self._fault(cause, times, now) for cause, times in notes.faults.items()]
        writes.append(self._note_tenant())
        await asyncio.gather(*map(one, writes))
        await changed(self._client, self.tenant, notes.topics)

    async def _count(self, part: Sequence[Spent], now: int) -> None:
        """Count what was not counted before, in one transaction: a mark for each, and the sums."""
        left = list(part)
        while left:
            actions = [self._mark(spent, now) for spent in left]
            sums: dict[UsageKind, UsageRow] = {}
            for spent in left:
                row = row_of(spent)
                sums[spent.kind] = _sum(sums[spent.kind], row) if spent.kind in sums else row
            actions += [self._add(row) for row in sums.values()]
            try:
                await self._client.transact(actions)
            except ConditionFailed as failed:
                # Counted before, by a try whose answer was lost or by somebody else.
                known = {spent.id for spent, item in zip(left, failed.items, strict=False) if item is not None}
                if not known:
                    raise
                left = [spent for spent in left if spent.id not in known]
                continue
            return

    def _mark(self, spent: Spent, now: int) -> Action:
        key = {"pk": f"t/{self.tenant}/counted/{spent.id}", "sk": "counted"}
        ends = now + COUNTED_KEPT_MS
        return put({**key, "ends": ends, "ttl": ends // 1000}, f"{ABSENT} OR #ends < :now", now=now)

    def _add(self, row: UsageRow) -> Action:
        change = ", ".join(f"#{name} :{name}" for name in NUMBERS)
        numbers = dict(zip(NUMBERS, row.numbers, strict=True))
        return update(usage_key(self.tenant, row.kind), f"SET #ttl = :ttl ADD {change}", ttl=usage_ttl(row), **numbers)

    async def _end(self, request: str, at: int, shelf: Shelf, now: int) -> None:
        await self._client.write(put(self._placed(request, at, shelf, now)))

    async def _open(self, request: str, at: int, now: int) -> None:
        with suppress(ConditionFailed):  # noted before, or its end was
            await self._client.write(put(self._placed(request, at, "open", now), ABSENT))

    def _placed(self, request: str, at: int, shelf: Shelf, now: int) -> dict[str, Any]:
        ends = now + self._limits.request_deadline_ms + self._limits.request_retention_ms
        place = {"tenant_pk": list_of(self.tenant, shelf), "tenant_sk": f"{at:013d}/{request}"}
        return {**request_key(self.tenant, request, LISTED), **place, "ttl": ends // 1000}

    async def _hear(self, customer: str, at: int) -> None:
        key, retention = customer_key(self.tenant, customer, SEEN), self._limits.memory_retention_ms
        told: dict[str, Any] = {
            "seen": at,
            "tenant_pk": f"{self.tenant}/customers",
            "tenant_sk": f"{at:013d}/{digest(customer)[:16]}",
        }
        if retention:
            told["ttl"] = (at + retention) // 1000
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in told)
        try:
            await self._client.write(update(key, change, "#seen < :seen", **told))
        except ConditionFailed as failed:
            if failed.items[0] is None:
                await self._meet(customer, {**key, **told})

    async def _meet(self, customer: str, item: dict[str, Any]) -> None:
        """Enter a customer. A note may come late, of one who was erased meanwhile: then nothing may stay here."""
        with suppress(ConditionFailed):
            await self._client.write(put(item, ABSENT))
        if await self.known(customer) is None:
            await self.forget(customer)

    async def known(self, customer: str) -> tuple[int, int] | None:
        """Return how many sessions and entries are kept of a customer; None where nothing is, or is being erased."""
        names = (ERASING, "memory")
        erasing, memory = await self._client.get_many([customer_key(self.tenant, customer, name) for name in names])
        if erasing is not None:
            return None
        pk = customer_key(self.tenant, customer, "")["pk"]
        asked = query(None, "#pk = :pk AND begins_with(#sk, :sessions)", pk=pk, sessions=SESSIONS)
        sessions = len(await self._client.first(asked, MOST_COUNTED))
        entries = (memory or {}).get("count", 0)
        return (sessions, entries) if sessions + entries else None

    async def forget(self, customer: str) -> None:
        """Take a customer out of the list."""
        await self._client.write(delete(customer_key(self.tenant, customer, SEEN)))

    async def _fault(self, cause: str, times: int, now: int) -> None:
        hour = now // HOUR_MS
        key = tenant_key(self.tenant, "faults", f"{HOUR_SK.format(hour)}/{cause}")
        ttl = (hour + FAULT_HOURS + 1) * HOUR_MS // 1000
        await self._client.write(update(key, "SET #ttl = :ttl ADD #count :times", ttl=ttl, times=times))

    async def _note_tenant(self) -> None:
        await self._client.write(put({"pk": TENANTS, "sk": self.tenant}))


def list_of(tenant: str, shelf: Shelf) -> str:
    """Return a list of requests in the index of tenants."""
    return f"{tenant}/requests/{shelf}"


def usage_key(tenant: str, kind: UsageKind) -> Key:
    """Return the key of what was used of a kind."""
    return tenant_key(tenant, "usage", f"{kind.day}/{kind.model}/{kind.purpose}/{int(kind.simulated)}")


def usage_ttl(row: UsageRow) -> int:
    """Return when usage of a day is kept no more, in seconds."""
    midnight = datetime.fromisoformat(f"{row.kind.day}T00:00:00+00:00")
    return (to_ms(midnight) + USAGE_KEPT_DAYS * DAY_MS) // 1000


def _together(spent: Sequence[Spent]) -> list[list[Spent]]:
    """Return what is counted in one transaction each."""
    parts: list[list[Spent]] = []
    kinds: set[UsageKind] = set()
    for each in spent:
        if not parts or len(parts[-1]) >= COUNTED_TOGETHER or len(kinds | {each.kind}) > KINDS_TOGETHER:
            parts.append([])
            kinds = set()
        parts[-1].append(each)
        kinds.add(each.kind)
    return parts


def _sum(one: UsageRow, other: UsageRow) -> UsageRow:
    numbers = (first + second for first, second in zip(one.numbers, other.numbers, strict=True))
    return UsageRow(one.kind, *numbers)
