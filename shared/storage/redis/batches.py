"""Batches of summaries on Redis: one hash a batch, its parts by number.

A batch lies in no bucket, since its sessions lie in many. What runs is named in a set beside it, written before the
part and struck after it: a name too many costs a look.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from datetime import datetime
from typing import Any, Final, cast

from shared.clock import to_ms
from shared.storage.jobs import KeptPart, RunningPart
from shared.storage.keys import RUNNING, batch_key, batches_key
from shared.storage.redis.client import Client
from shared.storage.redis.places import changed
from shared.storage.redis.turns import RedisScripts

KEEP_MS: Final = 30 * 86_400_000
SCANNED: Final = 1_000


class RedisBatches(RedisScripts):
    """Implements `shared.storage.contract.Batches`."""

    async def put_part(self, batch_id: str, number: int, value: str, version: int, *, running: bool) -> bool:
        """See `Batches.put_part`."""
        redis, name = self._client.redis, f"{self.tenant}/{batch_id}/{number}"
        if number == 0 and version == 0:
            await self._client.call(lambda: redis.zadd(batches_key(self.tenant), {batch_id: 0}))
            await self._client.call(lambda: redis.pexpire(batches_key(self.tenant), KEEP_MS))
        if running:
            await self._client.call(lambda: redis.sadd(RUNNING, name))
        key = batch_key(self.tenant, batch_id)
        answer = await self._client.run("put_part", key, number=number, value=value, version=version, keep=KEEP_MS)
        if answer[0] and not running:
            await self._client.call(lambda: redis.srem(RUNNING, name))
        await changed(self._client, self.tenant, "batches")
        return bool(answer[0])

    async def batch(self, batch_id: str) -> tuple[KeptPart, ...]:
        """See `Batches.batch`."""
        key = batch_key(self.tenant, batch_id)
        kept = await self._client.call(lambda: cast("Awaitable[dict[str, str]]", self._client.redis.hgetall(key)))
        parts = []
        for number, text in kept.items():
            version, _, value = text.partition(" ")
            parts.append(KeptPart(int(number), value, int(version)))
        return tuple(sorted(parts, key=lambda part: part.number))

    async def batches(self, limit: int) -> list[str]:
        """See `Batches.batches`. Ids grow with time, so that their order is that of their making."""
        found = await self._client.call(
            lambda: self._client.redis.zrevrangebylex(batches_key(self.tenant), "+", "-", 0, limit)
        )
        return [str(batch_id) for batch_id in found]

    async def unsummarised(self, idle_since: datetime) -> AsyncIterator[str]:
        """See `Batches.unsummarised`. It scans the keys once: for nightly jobs, not for turns."""
        async for session_id, (tokens, covered) in self._idle(idle_since, "tokens", "sum_tokens"):
            if int(tokens or 0) > int(covered or 0):
                yield session_id

    async def unread(self, idle_since: datetime) -> AsyncIterator[str]:
        """See `Batches.unread`. As above."""
        async for session_id, (messages, read, cold) in self._idle(idle_since, "messages", "mem_read", "mem_cold"):
            if cold or int(messages or 0) > int(read or 0):
                yield session_id

    async def _idle(self, idle_since: datetime, *wanted: str) -> AsyncIterator[tuple[str, list[str | None]]]:
        """Yield sessions whose last message is no newer, with these fields of them."""
        prefix, until = f":t:{self.tenant}:ses:", to_ms(idle_since)
        cursor = 0
        while True:
            cursor, names = await self._scan(cursor, f"cm:{{*}}{prefix}*")
            heads = [name for name in names if ":" not in name.partition(prefix)[2]]
            for name, (last, *fields) in zip(heads, await self._heads(heads, wanted), strict=True):
                if 0 < int(last or 0) <= until:
                    yield name.partition(prefix)[2], fields
            if cursor == 0:
                return

    async def _scan(self, cursor: int, pattern: str) -> tuple[int, list[str]]:
        found: Any = await self._client.call(
            lambda: self._client.redis.scan(cursor, match=pattern, count=SCANNED, _type="hash")
        )
        return int(found[0]), [str(name) for name in found[1]]

    async def _heads(self, names: list[str], wanted: tuple[str, ...]) -> list[list[str | None]]:
        if not names:
            return []

        async def ask() -> list[list[str | None]]:
            async with self._client.redis.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.hmget(name, ["last", *wanted])
                return cast("list[list[str | None]]", await pipe.execute())

        return await self._client.call(ask)


async def running(client: Client) -> list[RunningPart]:
    """Return the parts of batches that have not ended."""
    found = await client.call(lambda: cast("Awaitable[set[str]]", client.redis.smembers(RUNNING)))
    split = (name.split("/") for name in sorted(found))
    return [RunningPart(tenant, batch_id, int(number)) for tenant, batch_id, number in split]
