"""Where API keys are kept on Redis: one hash, record by key id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from redis.asyncio import Redis

from shared.storage.keys import ACCESS_KEYS
from shared.storage.redis.client import Client

Answer = TypeVar("Answer")


class RedisVault:
    """Implements `shared.storage.access.KeyVault`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, key_id: str) -> str | None:
        """See `KeyVault.read`."""
        return await self._ask(lambda redis: cast("Awaitable[str | None]", redis.hget(ACCESS_KEYS, key_id)))

    async def write(self, key_id: str, record: str) -> None:
        """See `KeyVault.write`."""
        await self._ask(lambda redis: redis.hset(ACCESS_KEYS, key_id, record))

    async def all(self) -> list[str]:
        """See `KeyVault.all`."""
        found = await self._ask(lambda redis: cast("Awaitable[dict[str, str]]", redis.hgetall(ACCESS_KEYS)))
        return list(found.values())

    async def count(self) -> int:
        """See `KeyVault.count`."""
        return int(await self._ask(lambda redis: redis.hlen(ACCESS_KEYS)))

    async def _ask(self, ask: Callable[[Redis], Awaitable[Answer]]) -> Answer:
        return await self._client.call(lambda: ask(self._client.redis))
