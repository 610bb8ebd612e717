"""Where API keys are kept on DynamoDB."""

from __future__ import annotations

from shared.storage.dynamodb.actions import put, query
from shared.storage.dynamodb.client import Client

PARTITION = "keys"


class DynamoVault:
    """Implements `shared.storage.access.KeyVault`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, key_id: str) -> str | None:
        """Return a key's record."""
        item = await self._client.get({"pk": PARTITION, "sk": key_id})
        return str(item["record"]) if item else None

    async def write(self, key_id: str, record: str) -> None:
        """Keep a key's record."""
        await self._client.write(put({"pk": PARTITION, "sk": key_id, "record": record}))

    async def all(self) -> list[str]:
        """Return every record."""
        return [str(item["record"]) for item in await self._client.all(query(None, "#pk = :pk", pk=PARTITION))]

    async def count(self) -> int:
        """Return how many records there are; more than one counts as two."""
        return len(await self._client.first(query(None, "#pk = :pk", pk=PARTITION), 2))
