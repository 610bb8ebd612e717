"""What is known of the deployment as a whole on DynamoDB: its workers, what waits, its tenants."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from shared.clock import from_ms
from shared.storage import records
from shared.storage.dynamodb.actions import put, query
from shared.storage.dynamodb.client import Client
from shared.storage.dynamodb.schema import SHARDS, TENANTS, WORKERS
from shared.storage.tenant_index import HEARD_MS, Heartbeat, SeenWorker, Waiting

MOST_OF_SHARD: Final = 1_000


class DynamoDeployment:
    """Implements `shared.storage.tenant_index.DeploymentIndex`."""

    _client: Client

    async def beat(self, heartbeat: Heartbeat) -> None:
        """See `DeploymentIndex.beat`."""
        now = await self._client.now()
        told = {"role": heartbeat.role, "breakers": records.dump(dict(heartbeat.breakers))}
        item = {"pk": WORKERS, "sk": heartbeat.name, "at": now, "ttl": (now + HEARD_MS) // 1000, **told}
        await self._client.write(put(item))

    async def workers(self) -> list[SeenWorker]:
        """See `DeploymentIndex.workers`."""
        since = await self._client.now() - HEARD_MS
        items = await self._client.all(query(None, "#pk = :pk", pk=WORKERS))
        found = [
            SeenWorker(Heartbeat(item["sk"], item["role"], json.loads(item["breakers"])), from_ms(item["at"]))
            for item in items
            if item["at"] >= since
        ]
        return sorted(found, key=lambda seen: (seen.heartbeat.role, seen.heartbeat.name))

    async def waiting(self) -> Waiting:
        """See `DeploymentIndex.waiting`. Of each shard a thousand are counted at most."""
        now = await self._client.now()
        due = await asyncio.gather(*(self._count(shard, None) for shard in SHARDS))
        overdue = await asyncio.gather(*(self._count(shard, now) for shard in SHARDS))
        return Waiting(sum(due), sum(overdue))

    async def tenants(self) -> list[str]:
        """See `DeploymentIndex.tenants`."""
        return [item["sk"] for item in await self._client.all(query(None, "#pk = :pk", pk=TENANTS))]

    async def _count(self, shard: str, until: int | None) -> int:
        condition = "#due_pk = :partition" + (" AND #due_at <= :until" if until is not None else "")
        given = {"until": until} if until is not None else {}
        asked = query("due", condition, partition=f"wake/{shard}", **given)
        answer = await self._client.ask("query", Select="COUNT", Limit=MOST_OF_SHARD, **asked)
        return int(answer["Count"])
