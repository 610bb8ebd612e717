"""What is known of the deployment as a whole on Redis: its workers, what waits, its tenants."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from typing import Any, Final, cast

from shared.clock import from_ms
from shared.storage import records
from shared.storage.keys import BUCKETS, TENANTS, WORKERS, wake_key
from shared.storage.redis.client import Client
from shared.storage.tenant_index import HEARD_MS, Heartbeat, SeenWorker, Waiting

KEEP_MS: Final = 10 * HEARD_MS


class RedisDeployment:
    """Implements `shared.storage.tenant_index.DeploymentIndex`."""

    _client: Client

    async def beat(self, heartbeat: Heartbeat) -> None:
        """See `DeploymentIndex.beat`."""
        kept = records.dump([await self._client.now(), heartbeat.role, dict(heartbeat.breakers)])

        async def ask() -> None:
            async with self._client.redis.pipeline(transaction=False) as pipe:
                pipe.hset(WORKERS, heartbeat.name, kept)
                pipe.pexpire(WORKERS, KEEP_MS)
                await pipe.execute()

        await self._client.call(ask)

    async def workers(self) -> list[SeenWorker]:
        """See `DeploymentIndex.workers`."""
        since = await self._client.now() - HEARD_MS
        kept = await self._client.call(lambda: cast("Awaitable[dict[str, str]]", self._client.redis.hgetall(WORKERS)))
        found, gone = list[SeenWorker](), list[str]()
        for name, text in kept.items():
            at, role, breakers = json.loads(text)
            if at < since:
                gone.append(name)
            else:
                found.append(SeenWorker(Heartbeat(name, role, breakers), from_ms(at)))
        if gone:
            await self._client.call(lambda: self._client.redis.hdel(WORKERS, *gone))
        return sorted(found, key=lambda seen: (seen.heartbeat.role, seen.heartbeat.name))

    async def waiting(self) -> Waiting:
        """See `DeploymentIndex.waiting`."""
        redis, now = self._client.redis, await self._client.now()
        buckets = await self._client.call(lambda: cast("Awaitable[list[str]]", redis.zrange(BUCKETS, 0, -1)))

        async def ask() -> list[int]:
            async with redis.pipeline(transaction=False) as pipe:
                for bucket in buckets:
                    pipe.zcard(wake_key(bucket))
                    pipe.zcount(wake_key(bucket), "-inf", now)
                return cast("list[int]", await pipe.execute())

        counts = await self._client.call(ask) if buckets else []
        return Waiting(sum(counts[::2]), sum(counts[1::2]))

    async def tenants(self) -> list[str]:
        """See `DeploymentIndex.tenants`."""
        found = await self._client.call(lambda: cast("Any", self._client.redis.smembers(TENANTS)))
        return sorted(map(str, found))
