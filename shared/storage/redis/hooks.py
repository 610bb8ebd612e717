"""Hooks on Redis: one hash by id, and the ids of each tenant beside it, in the same slot."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import cast

from shared.storage.hooks import PLACE_MS, KeptHook
from shared.storage.keys import HOOKS, place_key, tenant_hooks_key
from shared.storage.redis.client import Client
from shared.storage.redis.turns import RedisScripts


class RedisHooks(RedisScripts):
    """Implements `shared.storage.hooks.HookRecords`."""

    async def put_hook(self, hook_id: str, value: str, version: int) -> bool:
        """See `HookRecords.put_hook`."""
        answer = await self._client.run(
            "put_hook", HOOKS, tenant=self.tenant, hook=hook_id, value=value, version=version
        )
        return bool(answer[0])

    async def delete_hook(self, hook_id: str) -> bool:
        """See `HookRecords.delete_hook`."""
        # Asked again after a lost answer, it says that there is none; nobody does anything else then.
        answer = await self._client.run("delete_hook", HOOKS, tenant=self.tenant, hook=hook_id)
        return bool(answer[0])

    async def hooks(self) -> list[KeptHook]:
        """See `HookRecords.hooks`."""
        name = tenant_hooks_key(self.tenant)
        ids = await self._client.call(lambda: cast("Awaitable[set[str]]", self._client.redis.smembers(name)))
        found = await _read(self._client, sorted(ids))
        return [each for each in found if each is not None and each.tenant == self.tenant]

    async def put_place(self, conversation_id: str, session_id: str) -> None:
        """See `HookRecords.put_place`."""
        name = place_key(self.tenant, conversation_id)
        await self._client.call(lambda: self._client.redis.set(name, session_id, px=PLACE_MS))

    async def place(self, conversation_id: str) -> str | None:
        """See `HookRecords.place`."""
        name = place_key(self.tenant, conversation_id)
        return await self._client.call(lambda: cast("Awaitable[str | None]", self._client.redis.get(name)))


class EveryHook:
    """Implements `shared.storage.hooks.AllHooks`."""

    _client: Client

    async def find_hook(self, hook_id: str) -> KeptHook | None:
        """See `AllHooks.find_hook`."""
        (found,) = await _read(self._client, [hook_id])
        return found

    async def all_hooks(self) -> list[KeptHook]:
        """See `AllHooks.all_hooks`."""
        found = await self._client.call(lambda: cast("Awaitable[dict[str, str]]", self._client.redis.hgetall(HOOKS)))
        return [_kept(hook_id, raw) for hook_id, raw in sorted(found.items())]


async def _read(client: Client, ids: Sequence[str]) -> list[KeptHook | None]:
    if not ids:
        return []
    raws = await client.call(lambda: cast("Awaitable[list[str | None]]", client.redis.hmget(HOOKS, list(ids))))
    return [_kept(hook_id, raw) if raw else None for hook_id, raw in zip(ids, raws, strict=True)]


def _kept(hook_id: str, raw: str) -> KeptHook:
    version, tenant, value = raw.split(" ", 2)
    return KeptHook(hook_id, tenant, value, int(version))
