"""The store on DynamoDB."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final, Self

from shared.clock import Clock, from_ms, system_clock
from shared.storage.access import AccessKeys
from shared.storage.dynamodb.access import DynamoVault
from shared.storage.dynamodb.actions import ABSENT, put, query
from shared.storage.dynamodb.address import Address
from shared.storage.dynamodb.as_called import DynamoAsCalled
from shared.storage.dynamodb.batches import DynamoBatches, running
from shared.storage.dynamodb.client import Client, ConditionFailed
from shared.storage.dynamodb.counters import DynamoCounters
from shared.storage.dynamodb.deliveries import DueCallbacks, DynamoDeliveries
from shared.storage.dynamodb.due import DueWork
from shared.storage.dynamodb.feeds import FINISHED, LISTEN, follow
from shared.storage.dynamodb.hooks import DynamoHooks, EveryHook
from shared.storage.dynamodb.redaction import DynamoRedaction
from shared.storage.dynamodb.removal import Sweep
from shared.storage.dynamodb.schema import ERASING, SHARDS, shard_of
from shared.storage.dynamodb.summary_work import SummaryWork
from shared.storage.dynamodb.workers import DynamoDeployment
from shared.storage.jobs import RunningPart
from shared.storage.limits import Limits
from shared.storage.types import Calibrated

CALIBRATION: Final = "calibration"
DAY_MS: Final = 86_400_000
SWEEP_SECONDS: Final = 60.0


class DynamoTenantStore(
    DynamoAsCalled,
    Sweep,
    DynamoRedaction,
    DynamoBatches,
    DynamoDeliveries,
    DynamoHooks,
    DynamoCounters,
):
    """All records of one tenant. Implements `shared.storage.contract.TenantStore`."""


class DynamoStore(DueWork, SummaryWork, DynamoDeployment, DueCallbacks, EveryHook):
    """Implements `shared.storage.contract.Store`."""

    def __init__(self, client: Client, limits: Limits, clock: Clock = system_clock) -> None:
        self.access = AccessKeys(DynamoVault(client), clock)
        self.limits = limits
        self._client = client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def tenant(self, tenant: str) -> DynamoTenantStore:
        """See `Store.tenant`."""
        return DynamoTenantStore(self._client, tenant, self.limits)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._client.close()

    async def ping(self) -> None:
        """See `Store.ping`."""
        await self._client.get({"pk": "nothing", "sk": "nothing"})

    async def active_buckets(self, *, every: bool = False) -> list[str]:
        """See `Store.active_buckets`. Due work lies in a few shards, and all are always looked at."""
        del every
        return list(SHARDS)

    async def running_parts(self) -> list[RunningPart]:
        """See `Store.running_parts`."""
        return await running(self._client)

    async def now(self) -> datetime:
        """See `Store.now`."""
        return from_ms(await self._client.now())

    async def calibration(self) -> dict[str, Calibrated]:
        """See `Store.calibration`."""
        items = await self._client.all(query(None, "#pk = :pk", pk=CALIBRATION))
        return {item["sk"]: Calibrated(item["value"], item["version"]) for item in items}

    async def calibrate(self, model: str, value: str, version: int) -> bool:
        """See `Store.calibrate`."""
        item = {"pk": CALIBRATION, "sk": model, "value": value, "version": version + 1}
        try:
            await self._client.write(put(item, "#version = :seen" if version else ABSENT, seen=version))
        except ConditionFailed as failed:
            kept = failed.items[0] or {}
            return (kept.get("value"), kept.get("version")) == (value, version + 1)
        return True

    async def sweep(self, bucket: str, limit: int) -> int:
        """See `Store.sweep`. It goes on with a long session until that is gone, or a minute is over."""
        now, until = await self._client.now(), time.monotonic() + SWEEP_SECONDS
        found = await self._find(f"retain/{shard_of(bucket)}", now, limit)
        for item in found:
            _, tenant, _, name = item["pk"].split("/", 3)
            own = self.tenant(tenant)
            if item["sk"] == "memory":
                await own.forget_customer(name, item, now + DAY_MS)
                continue
            go_on = own.go_on_erasing if item["sk"] == ERASING else own.expire
            while await go_on(name) and time.monotonic() < until:
                pass
        return len(found)

    def finished(self) -> AsyncIterator[str]:
        """See `Store.finished`."""
        return follow(self._client, FINISHED)

    def listeners(self) -> AsyncIterator[str]:
        """See `Store.listeners`."""
        return follow(self._client, LISTEN)


def open_dynamodb(
    address: Address, limits: Limits, patience: float, connections: int, rest: float = 0.0
) -> DynamoStore:
    """Return the store in a table; nothing is sent yet. `patience`, `rest`: see `Client`."""
    return DynamoStore(Client(address, patience, connections, rest), limits)
