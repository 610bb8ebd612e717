"""The store on Redis or Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Self, cast

import structlog
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from shared.clock import Clock, from_ms, system_clock
from shared.errors import CustomerErasing
from shared.ids import SessionRef, all_buckets
from shared.storage import records
from shared.storage.access import AccessKeys
from shared.storage.jobs import RunningPart
from shared.storage.keys import (
    BUCKETS,
    CALIBRATION,
    FINISHED_CHANNEL,
    LISTEN_CHANNEL,
    erasing_key,
    merging_key,
    wake_key,
)
from shared.storage.limits import Limits
from shared.storage.redis.access import RedisVault
from shared.storage.redis.batches import RedisBatches, running
from shared.storage.redis.client import Client, connect
from shared.storage.redis.counters import RedisCounters
from shared.storage.redis.customers import RedisAsCalled
from shared.storage.redis.deliveries import DueCallbacks, RedisDeliveries
from shared.storage.redis.hooks import EveryHook, RedisHooks
from shared.storage.redis.marks import BucketMarks
from shared.storage.redis.merging import merge_in
from shared.storage.redis.summaries import SummaryWork
from shared.storage.redis.tenant_index import RedisTenantIndex
from shared.storage.redis.turns import RedisTurns
from shared.storage.redis.workers import RedisDeployment
from shared.storage.types import Calibrated, OutboxRow

LONGEST_BACKOFF_MS = 300_000
RESUBSCRIBE_SECONDS = 0.5
QUIET_SECONDS = 15.0
ANSWER_SECONDS = 5.0
UNBEGUN_MS = 3_600_000  # a merge that was announced so long ago has begun, or its caller has died

log = structlog.get_logger()


class RedisTenantStore(
    RedisAsCalled,
    RedisTurns,
    RedisBatches,
    RedisDeliveries,
    RedisHooks,
    RedisCounters,
    RedisTenantIndex,
):
    """All records of one tenant. Implements `shared.storage.contract.TenantStore`."""


class RedisStore(SummaryWork, RedisDeployment, DueCallbacks, EveryHook):
    """Implements `shared.storage.contract.Store`."""

    def __init__(self, client: Client, limits: Limits, clock: Clock = system_clock) -> None:
        self.access = AccessKeys(RedisVault(client), clock)
        self.limits = limits
        self._client = client
        self._marks = BucketMarks(client)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def tenant(self, tenant: str) -> RedisTenantStore:
        """See `Store.tenant`."""
        return RedisTenantStore(self._client, self._marks, tenant, self.limits)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._client.close()

    async def ping(self) -> None:
        """See `Store.ping`."""
        await self._client.call(self._client.redis.ping)

    async def active_buckets(self, *, every: bool = False) -> list[str]:
        """See `Store.active_buckets`."""
        if every:
            return list(all_buckets())
        return await self._client.call(lambda: cast("Awaitable[list[str]]", self._client.redis.zrange(BUCKETS, 0, -1)))

    async def overdue(self, bucket: str, limit: int) -> list[tuple[SessionRef, bool]]:
        """See `Store.overdue`."""
        backoff = 2 * self.limits.grace_ms
        answer = await self._client.run(
            "overdue",
            wake_key(bucket),
            tenant="-",
            limit=limit,
            backoff=backoff,
            longest=max(LONGEST_BACKOFF_MS, backoff),
        )
        if int(answer[2]) == 0:
            await self._marks.forget(bucket)
        return [(replace(SessionRef.parse(member), at=bucket), bool(int(alone))) for member, alone in answer[1]]

    async def take_rows(self, bucket: str, limit: int) -> list[OutboxRow]:
        """See `Store.take_rows`."""
        answer = await self._client.run(
            "take_rows", wake_key(bucket), tenant="-", limit=limit, lease=self.limits.announce_grace_ms
        )
        return [records.row(raw, bucket) for raw in answer[1]]

    async def strike(self, bucket: str, row_ids: Sequence[str]) -> None:
        """See `Store.strike`."""
        if row_ids:
            await self._client.run("strike", wake_key(bucket), tenant="-", rows=list(row_ids))

    async def running_parts(self) -> list[RunningPart]:
        """See `Store.running_parts`."""
        return await running(self._client)

    async def now(self) -> datetime:
        """See `Store.now`."""
        return from_ms(await self._client.now())

    async def calibration(self) -> dict[str, Calibrated]:
        """See `Store.calibration`."""
        kept = await self._client.call(
            lambda: cast("Awaitable[dict[str, str]]", self._client.redis.hgetall(CALIBRATION))
        )
        split = {model: text.split(" ", 1) for model, text in kept.items()}
        return {model: Calibrated(value, int(version)) for model, (version, value) in split.items()}

    async def calibrate(self, model: str, value: str, version: int) -> bool:
        """See `Store.calibrate`."""
        answer = await self._client.run("calibrate", CALIBRATION, model=model, value=value, version=version)
        return bool(answer[0])

    async def sweep(self, bucket: str, limit: int) -> int:
        """See `Store.sweep`. Keys end by their TTL, a deletion is one script; erasing and merging may be cut off."""
        marked = await self._client.call(
            lambda: cast("Awaitable[list[str]]", self._client.redis.zrange(erasing_key(bucket), 0, limit - 1))
        )
        for member in marked:
            tenant, _, customer_key = member.partition("/")
            while await self.tenant(tenant).go_on_erasing(customer_key):
                pass
        return len(marked) + await self._go_on_merging(bucket, limit)

    async def _go_on_merging(self, bucket: str, limit: int) -> int:
        expected: Any = await self._client.call(
            lambda: self._client.redis.zrange(merging_key(bucket), 0, limit - 1, withscores=True)
        )
        long_ago, swept = await self._client.now() - UNBEGUN_MS if expected else 0, 0
        for member, at in expected:
            tenant, source, into = merge_in(member)
            with suppress(CustomerErasing):
                swept += bool(await self.tenant(tenant).go_on_merging(source, into))
            if int(at) < long_ago:
                await self.tenant(tenant).forget_unbegun(source, into)
        return swept

    def finished(self) -> AsyncIterator[str]:
        """See `Store.finished`."""
        return self._subscribe(FINISHED_CHANNEL)

    def listeners(self) -> AsyncIterator[str]:
        """See `Store.listeners`."""
        return self._subscribe(LISTEN_CHANNEL)

    async def _subscribe(self, channel: str) -> AsyncIterator[str]:
        while True:
            pubsub = self._client.redis.pubsub()
            try:
                await pubsub.subscribe(channel)
                yield ""
                async for message in _heard(pubsub):
                    yield message
            except Exception as error:  # noqa: BLE001 - whatever it was, a deaf process must listen again
                log.warning("subscription.lost", channel=channel, error=type(error).__name__)
                await asyncio.sleep(RESUBSCRIBE_SECONDS)
            finally:
                await _quietly(pubsub.aclose)


async def _heard(pubsub: PubSub) -> AsyncIterator[str]:
    """Yield messages for as long as the server answers: a connection that died in silence is never told otherwise."""
    loop = asyncio.get_running_loop()
    heard, asked = loop.time(), False
    while True:
        message = await pubsub.get_message(timeout=RESUBSCRIBE_SECONDS)
        if message is not None:
            heard, asked = loop.time(), False
            if message["type"] == "message":
                yield str(message["data"])
        elif loop.time() - heard > QUIET_SECONDS + ANSWER_SECONDS:
            raise RedisConnectionError("the subscription is silent")
        elif loop.time() - heard > QUIET_SECONDS and not asked:
            await pubsub.ping()
            asked = True


async def _quietly(close: Callable[[], Awaitable[None]]) -> None:
    try:
        await close()
    except (RedisError, OSError):
        return


def open_redis(url: str, limits: Limits, patience: float, connections: int, rest: float = 0.0) -> RedisStore:
    """Return the store at `url`; nothing is sent yet. `patience`, `rest`: see `Client`."""
    return RedisStore(connect(url, patience, connections, rest), limits)
