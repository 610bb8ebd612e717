"""Callbacks on Redis: a delivery is a field of its request's record, so that it ends with it.

Lists by status lie outside the buckets, as hints: a delivery is entered before it changes, and taken out of its old
list after. Who reads them looks at the record itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, cast

from shared.clock import from_ms, to_ms
from shared.ids import bucket_in
from shared.storage.cursors import place_cursor, read_session_cursor
from shared.storage.deliveries import (
    STATUSES,
    DeliveryFacts,
    DeliveryRef,
    DeliveryStatus,
    KeptAccount,
    KeptDelivery,
)
from shared.storage.keys import CALLBACKS, deliveries_key, index_key, wake_key
from shared.storage.redis.client import Client
from shared.storage.redis.places import VERSIONS_KEPT_MS, places_below
from shared.storage.redis.turns import RedisScripts
from shared.storage.types import Page

AGAIN_MS: Final = 60_000
LOOKS: Final = 5  # at a list, for one page, while much of it is stale


class RedisDeliveries(RedisScripts):
    """Implements `shared.storage.deliveries.Deliveries`."""

    async def put_delivery(self, request_id: str, value: str, version: int, facts: DeliveryFacts) -> bool:
        """See `Deliveries.put_delivery`."""
        bucket = bucket_in(request_id, "req")
        if bucket is None:
            return False
        if facts.due_at is not None:
            await self._marks.mark(bucket)
        await self._list(request_id, facts)
        where, answer = await self._run_where(
            "put_delivery",
            request_id,
            bucket,
            request=request_id,
            value=value,
            version=version,
            status=facts.status,
            due=to_ms(facts.due_at) if facts.due_at else None,
            delivery_retention=self._limits.delivery_retention_ms,
        )
        if facts.due_at is not None and where != bucket:  # it has moved since
            await self._marks.mark(where)
        if answer[0] == "kept":
            await self._unlist(request_id, *(status for status in STATUSES if status != facts.status))
        return bool(answer[0] == "kept")

    async def delivery(self, request_id: str) -> KeptDelivery | None:
        """See `Deliveries.delivery`."""
        bucket = bucket_in(request_id, "req")
        if bucket is None:
            return None
        _, (raw, now) = await self._run_where("read_delivery", request_id, bucket, request=request_id)
        if not raw or raw == "unknown":
            return None
        version, status, value = str(raw).split(" ", 2)
        return KeptDelivery(request_id, cast("DeliveryStatus", status), value, int(version), from_ms(int(now)))

    async def deliveries(self, status: DeliveryStatus | None, limit: int, cursor: str | None) -> Page[KeptDelivery]:
        """See `Deliveries.deliveries`."""
        before = read_session_cursor(cursor) if cursor else None
        wanted, found = (status,) if status else STATUSES, list[KeptDelivery]()
        for _ in range(LOOKS):
            lists = [
                await places_below(self._client, deliveries_key(self.tenant, each), limit + 1, before)
                for each in wanted
            ]
            places = sorted({place for each in lists for place in each}, reverse=True)[: limit - len(found)]
            if not places:
                return Page(tuple(found), None)
            kept = await asyncio.gather(*(self.delivery(request_id) for _, request_id in places))
            found += [each for each in kept if each is not None and each.status in wanted]
            await self._forget([request_id for (_, request_id), each in zip(places, kept, strict=True) if each is None])
            before = places[-1]
            if len(found) >= limit:
                break
        return Page(tuple(found), place_cursor(*before) if before else None)

    async def callbacks(self) -> KeptAccount:
        """See `Deliveries.callbacks`."""
        raw = await self._client.call(
            lambda: cast("Awaitable[str | None]", self._client.redis.hget(CALLBACKS, self.tenant))
        )
        version, _, value = (raw or "0 ").partition(" ")
        return KeptAccount(value, int(version))

    async def put_callbacks(self, value: str, version: int) -> bool:
        """See `Deliveries.put_callbacks`."""
        # One script keeps whatever the deployment keeps by name and version.
        answer = await self._client.run("calibrate", CALLBACKS, model=self.tenant, value=value, version=version)
        return bool(answer[0])

    async def _list(self, request_id: str, facts: DeliveryFacts) -> None:
        name, created = deliveries_key(self.tenant, facts.status), to_ms(facts.created_at)
        keep = 2 * self._limits.delivery_retention_ms

        async def ask() -> None:
            async with self._client.redis.pipeline(transaction=False) as pipe:
                pipe.zadd(name, {request_id: created})
                pipe.zremrangebyscore(name, "-inf", created - keep)
                pipe.pexpire(name, keep)
                pipe.hincrby(index_key(self.tenant, "versions"), "deliveries", 1)
                pipe.pexpire(index_key(self.tenant, "versions"), VERSIONS_KEPT_MS)
                await pipe.execute()

        await self._client.call(ask)

    async def _unlist(self, request_id: str, *statuses: DeliveryStatus) -> None:
        async def ask() -> None:
            async with self._client.redis.pipeline(transaction=False) as pipe:
                for status in statuses:
                    pipe.zrem(deliveries_key(self.tenant, status), request_id)
                await pipe.execute()

        await self._client.call(ask)

    async def _forget(self, request_ids: list[str]) -> None:
        for request_id in request_ids:
            await self._unlist(request_id, *STATUSES)


class DueCallbacks:
    """Implements `shared.storage.deliveries.DueDeliveries`."""

    _client: Client

    async def due_deliveries(self, bucket: str, limit: int) -> list[DeliveryRef]:
        """See `DueDeliveries.due_deliveries`."""
        answer = await self._client.run("due_deliveries", wake_key(bucket), tenant="-", limit=limit, again=AGAIN_MS)
        return [DeliveryRef.parse(member) for member in answer[1]]

    async def callback_tenants(self) -> list[str]:
        """See `DueDeliveries.callback_tenants`."""
        found = await self._client.call(lambda: cast("Awaitable[list[str]]", self._client.redis.hkeys(CALLBACKS)))
        return sorted(found)
