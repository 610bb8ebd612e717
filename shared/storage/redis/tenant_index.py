"""The tenant index on Redis: lists and counts outside the buckets, all of a tenant's in one slot."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final, cast

from shared.clock import from_ms, to_ms
from shared.errors import UnknownCustomer
from shared.ids import bucket_in, bucket_of
from shared.models import RequestStatus
from shared.storage import records
from shared.storage.cursors import place_cursor, read_place
from shared.storage.keys import TENANTS, index_key
from shared.storage.listed import LISTED, listed
from shared.storage.redis import codec
from shared.storage.redis.places import VERSIONS_KEPT_MS, changed, forget, places_below
from shared.storage.redis.turns import RedisScripts
from shared.storage.tenant_index import (
    ACTIONS_KEPT_MS,
    COUNTED_KEPT_MS,
    FAULT_HOURS,
    HOUR_MS,
    MOST_ACTIONS,
    MOST_COUNTED,
    MOST_LISTED,
    NUMBERS,
    SHELVES,
    USAGE_KEPT_DAYS,
    Action,
    CustomerAccount,
    KnownCustomer,
    ListedRequest,
    Notes,
    Purpose,
    Shelf,
    UsageKind,
    UsageRow,
    matches,
    pseudonym_of,
    row_of,
)
from shared.storage.types import Page

DAY_MS: Final = 86_400_000
LOOKS: Final = 5  # at a list, for one page
LOOKED_AT: Final = 500  # customers of one look, where some are looked for


class RedisTenantIndex(RedisScripts):
    """Implements `shared.storage.tenant_index.TenantIndex`."""

    async def note(self, notes: Notes) -> None:
        """See `TenantIndex.note`."""
        now = await self._client.now() if notes.faults else 0
        lasts = self._limits.request_deadline_ms + self._limits.request_retention_ms
        fresh = await self._client.run(
            "note",
            index_key(self.tenant, "versions"),
            opened=list(notes.opened.items()),
            ended=[(identifier, at, status) for identifier, (at, status) in notes.ended.items()],
            active=list(notes.active.items()),
            spent=[_spent(row_of(spent), spent.id) for spent in notes.spent.values()],
            faults=dict(notes.faults),
            numbers=NUMBERS,
            shelves=SHELVES,
            topics=notes.topics,
            hour=now // HOUR_MS,
            listed=lasts,
            most=MOST_LISTED,
            retention=self._limits.memory_retention_ms,
            usage_kept=USAGE_KEPT_DAYS * DAY_MS,
            counted_kept=COUNTED_KEPT_MS,
            faults_kept=(FAULT_HOURS + 1) * HOUR_MS,
            versions_kept=VERSIONS_KEPT_MS,
        )
        await self._client.call(lambda: self._client.redis.sadd(TENANTS, self.tenant))
        # A note may come late, of one who was erased meanwhile: then nothing of them may stay here.
        await asyncio.gather(*(self._check(str(customer)) for customer in fresh))

    async def listed_requests(
        self, status: RequestStatus | None, limit: int, cursor: str | None
    ) -> Page[ListedRequest]:
        """See `TenantIndex.listed_requests`."""
        before, found = read_place(cursor) if cursor else None, list[ListedRequest]()
        for _ in range(LOOKS):
            places = await self._places(_shelves(status), limit - len(found), before)
            if not places:
                return Page(tuple(found), None)
            read = await asyncio.gather(*(self._listed(identifier) for _, identifier in places))
            found += [each for each in read if each is not None and status in {None, each.status}]
            gone = [identifier for (_, identifier), each in zip(places, read, strict=True) if each is None]
            for shelf in SHELVES if gone else ():
                await forget(self._client, self._shelf(shelf), gone)
            before = places[-1]
            if len(found) >= limit:
                break
        return Page(tuple(found), place_cursor(*before) if before else None)

    async def open_requests(self) -> int:
        """See `TenantIndex.open_requests`."""
        count = await self._client.call(lambda: self._client.redis.zcard(self._shelf("open")))
        return min(int(count), MOST_COUNTED)

    async def customers(self, query: str, limit: int, cursor: str | None) -> Page[KnownCustomer]:
        """See `TenantIndex.customers`."""
        before, found = read_place(cursor) if cursor else None, list[KnownCustomer]()
        for _ in range(LOOKS):
            most = LOOKED_AT if query else limit - len(found)
            places = await places_below(self._client, index_key(self.tenant, "customers"), most, before)
            if not places:
                return Page(tuple(found), None)
            # More is read than fits only where some are looked for; what does not fit is read again.
            wanted = [place for place in places if matches(place[1], query)]
            taken = wanted[: limit - len(found)]
            read = await asyncio.gather(*(self._known(customer, at) for at, customer in taken))
            found += [each for each in read if each is not None]
            before = taken[-1] if len(wanted) > len(taken) else places[-1]
            if len(found) >= limit:
                break
        return Page(tuple(found), place_cursor(*before) if before else None)

    async def customer(self, customer_id: str) -> CustomerAccount:
        """See `TenantIndex.customer`."""
        customer_id = await self._led(customer_id)
        known, sessions, entries, last, quarantined = await self._look(customer_id, whole=True)
        if not known:
            raise UnknownCustomer
        name = index_key(self.tenant, "customers")
        at = await self._client.call(lambda: self._client.redis.zscore(name, customer_id)) or last
        told = KnownCustomer(customer_id, from_ms(int(at)) if at else None, min(sessions, MOST_COUNTED), entries)
        return CustomerAccount(told, quarantined)

    async def pseudonym(self, customer_id: str) -> str:
        """See `TenantIndex.pseudonym`."""
        return pseudonym_of(customer_id, await self.salt(secrets.token_hex(32)))

    async def salt(self, given: str) -> str:
        """See `TenantIndex.salt`."""
        redis, name = self._client.redis, index_key(self.tenant, "salt")

        async def ask() -> Any:
            return await redis.set(name, given, nx=True, get=True)

        return str(await self._client.call(ask) or given)

    async def usage(self, since: date) -> list[UsageRow]:
        """See `TenantIndex.usage`."""
        today = from_ms(await self._client.now()).date()
        most = min(max(0, (today - since).days) + 1, USAGE_KEPT_DAYS)
        days = [(today - timedelta(days=back)).isoformat() for back in range(most)]

        async def ask() -> list[dict[str, str]]:
            async with self._client.redis.pipeline(transaction=False) as pipe:
                for day in days:
                    pipe.hgetall(index_key(self.tenant, f"usage:{day}"))
                return cast("list[dict[str, str]]", await pipe.execute())

        kept = await self._client.call(ask)
        return [row for day, fields in zip(days, kept, strict=True) for row in _rows(day, fields)]

    async def put_usage(self, row: UsageRow) -> None:
        """See `TenantIndex.put_usage`."""
        name, kind = index_key(self.tenant, f"usage:{row.kind.day}"), _kind(row.kind)
        fields = {f"{kind} {number}": value for number, value in zip(NUMBERS, row.numbers, strict=True)}
        await self._client.call(lambda: self._client.redis.hset(name, mapping=cast("Any", fields)))
        await self._client.call(lambda: self._client.redis.pexpire(name, USAGE_KEPT_DAYS * DAY_MS))

    async def faults(self) -> dict[str, int]:
        """See `TenantIndex.faults`."""
        hour = await self._client.now() // HOUR_MS

        async def ask() -> list[dict[str, str]]:
            async with self._client.redis.pipeline(transaction=False) as pipe:
                for back in range(FAULT_HOURS):
                    pipe.hgetall(index_key(self.tenant, f"faults:{hour - back}"))
                return cast("list[dict[str, str]]", await pipe.execute())

        found: dict[str, int] = {}
        for hourly in await self._client.call(ask):
            for cause, times in hourly.items():
                found[cause] = found.get(cause, 0) + int(times)
        return found

    async def act(self, action: Action) -> None:
        """See `TenantIndex.act`."""
        name, at = index_key(self.tenant, "actions"), to_ms(action.at)
        kept = records.dump([action.id, action.action, action.by, action.subject])

        async def ask() -> None:
            async with self._client.redis.pipeline(transaction=False) as pipe:
                pipe.zadd(name, {kept: at})
                pipe.zremrangebyscore(name, "-inf", at - ACTIONS_KEPT_MS)
                pipe.zremrangebyrank(name, 0, -MOST_ACTIONS - 1)
                pipe.pexpire(name, ACTIONS_KEPT_MS)
                await pipe.execute()

        await self._client.call(ask)
        await changed(self._client, self.tenant, "actions")

    async def actions(self, limit: int, cursor: str | None) -> Page[Action]:
        """See `TenantIndex.actions`."""
        before = read_place(cursor) if cursor else None
        places = await places_below(self._client, index_key(self.tenant, "actions"), limit + 1, before)
        found = tuple(Action(fields[0], from_ms(at), *fields[1:]) for at, fields in _parsed(places[:limit]))
        return Page(found, place_cursor(*places[limit - 1]) if len(places) > limit else None)

    async def changes(self) -> dict[str, int]:
        """See `TenantIndex.changes`."""
        name = index_key(self.tenant, "versions")
        found = await self._client.call(lambda: cast("Any", self._client.redis.hgetall(name)))
        return {topic: int(version) for topic, version in found.items()}

    async def _places(
        self, shelves: Sequence[Shelf], limit: int, before: tuple[int, str] | None
    ) -> list[tuple[int, str]]:
        lists = await asyncio.gather(
            *(places_below(self._client, self._shelf(shelf), limit, before) for shelf in shelves)
        )
        return sorted({place for each in lists for place in each}, reverse=True)[:limit]

    async def _listed(self, request_id: str) -> ListedRequest | None:
        bucket = bucket_in(request_id, "req")
        if bucket is None:
            return None
        _, answer = await self._run_where("look_request", request_id, bucket, request=request_id, fields=LISTED)
        if answer[0] == "unknown":
            return None
        return listed(request_id, dict(zip(LISTED, answer[1], strict=True)))

    async def _known(self, customer_id: str, at: int) -> KnownCustomer | None:
        known, sessions, entries, _, _ = await self._look(customer_id, whole=False)
        if not known:
            await forget(self._client, index_key(self.tenant, "customers"), [customer_id])
            return None
        return KnownCustomer(customer_id, from_ms(at), min(sessions, MOST_COUNTED), entries)

    async def _check(self, customer_id: str) -> None:
        await self._known(customer_id, 0)

    async def _look(self, customer_id: str, *, whole: bool) -> tuple[int, int, int, int, int]:
        bucket = bucket_of(self.tenant, customer_id)
        found = await self._run("look_customer", bucket, **codec.customer(customer_id), whole=whole or None)
        known, sessions, entries, last, quarantined = (*map(int, found), 0, 0, 0, 0)[:5]
        return known, sessions, entries, last, quarantined

    def _shelf(self, shelf: Shelf) -> str:
        return index_key(self.tenant, f"requests:{shelf}")


def _shelves(status: RequestStatus | None) -> tuple[Shelf, ...]:
    """Return where requests of a status may be listed; what has just ended is still listed as open."""
    if status is None:
        return SHELVES
    return ("open",) if status in {"queued", "running"} else ("open", cast("Shelf", status))


def _kind(kind: UsageKind) -> str:
    return f"{kind.model} {kind.purpose} {int(kind.simulated)}"


def _spent(row: UsageRow, identifier: str) -> dict[str, Any]:
    return {"id": identifier, "day": row.kind.day, "kind": _kind(row.kind), "numbers": row.numbers}


def _rows(day: str, fields: dict[str, str]) -> list[UsageRow]:
    found: dict[str, dict[str, int]] = {}
    for name, value in fields.items():
        kind, _, number = name.rpartition(" ")
        found.setdefault(kind, {})[number] = int(value)
    rows = []
    for kind in sorted(found):
        model, purpose, simulated = kind.split(" ")
        numbers = {name: found[kind].get(name, 0) for name in NUMBERS}
        rows.append(UsageRow(UsageKind(day, model, cast("Purpose", purpose), simulated == "1"), **numbers))
    return rows


def _parsed(places: Sequence[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    return [(at, json.loads(kept)) for at, kept in places]
