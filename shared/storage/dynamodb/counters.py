"""Counts on DynamoDB: an item each."""

from __future__ import annotations

from shared.storage.dynamodb.actions import query, update
from shared.storage.dynamodb.base import DynamoParts
from shared.storage.dynamodb.schema import tenant_key


class DynamoCounters(DynamoParts):
    """Implements `shared.storage.contract.Counters`."""

    async def count(self, name: str, number: int = 1) -> None:
        """See `Counters.count`."""
        await self._client.write(update(tenant_key(self.tenant, "counts", name), "ADD #count :more", more=number))

    async def counts(self) -> dict[str, int]:
        """See `Counters.counts`."""
        items = await self._client.all(query(None, "#pk = :pk", pk=tenant_key(self.tenant, "counts", "")["pk"]))
        return {item["sk"]: int(item["count"]) for item in items}
