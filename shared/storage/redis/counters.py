"""Counts on Redis: one hash a tenant."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import cast

from shared.storage.keys import counts_key
from shared.storage.redis.turns import RedisScripts


class RedisCounters(RedisScripts):
    """Implements `shared.storage.contract.Counters`."""

    async def count(self, name: str, number: int = 1) -> None:
        """See `Counters.count`."""
        key = counts_key(self.tenant)
        await self._client.call(lambda: self._client.redis.hincrby(key, name, number))

    async def counts(self) -> dict[str, int]:
        """See `Counters.counts`."""
        key = counts_key(self.tenant)
        found = await self._client.call(lambda: cast("Awaitable[dict[str, str]]", self._client.redis.hgetall(key)))
        return {name: int(value) for name, value in found.items()}
