"""Hooks on DynamoDB: one partition by id; the index of tenants lists them."""

from __future__ import annotations

from typing import Any, Final

from shared.storage.dynamodb.actions import ABSENT, delete, put, query
from shared.storage.dynamodb.base import DynamoParts
from shared.storage.dynamodb.client import Client, ConditionFailed
from shared.storage.dynamodb.schema import digest, tenant_key
from shared.storage.hooks import PLACE_MS, KeptHook

HOOKS: Final = "hooks"


class DynamoHooks(DynamoParts):
    """Implements `shared.storage.hooks.HookRecords`."""

    async def put_hook(self, hook_id: str, value: str, version: int) -> bool:
        """See `HookRecords.put_hook`."""
        item = {
            "pk": HOOKS,
            "sk": hook_id,
            "tenant": self.tenant,
            "value": value,
            "version": version + 1,
            "tenant_pk": f"{self.tenant}/hooks",
            "tenant_sk": hook_id,
        }
        condition = "#version = :seen AND #tenant = :tenant" if version else ABSENT
        try:
            await self._client.write(put(item, condition, seen=version, tenant=self.tenant))
        except ConditionFailed as failed:
            kept = failed.items[0] or {}
            mine = (self.tenant, value, version + 1)
            return (kept.get("tenant"), kept.get("value"), kept.get("version")) == mine
        return True

    async def delete_hook(self, hook_id: str) -> bool:
        """See `HookRecords.delete_hook`."""
        # Asked again after a lost answer, it says that there is none; nobody does anything else then.
        try:
            await self._client.write(delete({"pk": HOOKS, "sk": hook_id}, "#tenant = :tenant", tenant=self.tenant))
        except ConditionFailed:
            return False
        return True

    async def hooks(self) -> list[KeptHook]:
        """See `HookRecords.hooks`."""
        asked = query("tenant", "#tenant_pk = :list", list=f"{self.tenant}/hooks")
        keys = [{"pk": HOOKS, "sk": item["sk"]} for item in await self._client.all(asked)]
        found = [_kept(item) for item in (await self._client.get_many(keys) if keys else []) if item is not None]
        return [each for each in found if each.tenant == self.tenant]

    async def put_place(self, conversation_id: str, session_id: str) -> None:
        """See `HookRecords.put_place`."""
        ends = (await self._client.now() + PLACE_MS) // 1000
        key = tenant_key(self.tenant, "place", digest(conversation_id))
        await self._client.write(put({**key, "session": session_id, "ttl": ends}))

    async def place(self, conversation_id: str) -> str | None:
        """See `HookRecords.place`."""
        item = await self._client.get(tenant_key(self.tenant, "place", digest(conversation_id)))
        if item is None or item["ttl"] * 1000 < await self._client.now():
            return None
        return str(item["session"])


class EveryHook:
    """Implements `shared.storage.hooks.AllHooks`."""

    _client: Client

    async def find_hook(self, hook_id: str) -> KeptHook | None:
        """See `AllHooks.find_hook`."""
        item = await self._client.get({"pk": HOOKS, "sk": hook_id})
        return _kept(item) if item else None

    async def all_hooks(self) -> list[KeptHook]:
        """See `AllHooks.all_hooks`."""
        return [_kept(item) for item in await self._client.all(query(None, "#pk = :pk", pk=HOOKS))]


def _kept(item: dict[str, Any]) -> KeptHook:
    return KeptHook(item["sk"], item["tenant"], item["value"], item["version"])
