"""Batches of summaries on DynamoDB: one partition a batch, its parts by number."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final

from shared.clock import to_ms
from shared.errors import StoreUnavailable
from shared.storage.dynamodb import bodies
from shared.storage.dynamodb.actions import ABSENT, Item, delete, put, query
from shared.storage.dynamodb.base import HEAD, INBOX, SUMMARY, DynamoParts, is_gone
from shared.storage.dynamodb.changes import changed
from shared.storage.dynamodb.client import Client, ConditionFailed
from shared.storage.dynamodb.schema import RUNNING, session_in, tenant_key
from shared.storage.jobs import KeptPart, RunningPart

KEEP_MS: Final = 30 * 86_400_000
PAGE: Final = 33  # sessions; each is read by three items, of 100 at once
TRIES: Final = 8


class DynamoBatches(DynamoParts):
    """Implements `shared.storage.contract.Batches`."""

    async def put_part(self, batch_id: str, number: int, value: str, version: int, *, running: bool) -> bool:
        """See `Batches.put_part`."""
        ends = await self._client.now() + KEEP_MS
        until: Item = {"ends": ends, "ttl": ends // 1000}
        key = tenant_key(self.tenant, f"batch/{batch_id}", f"{number:06d}")
        first, rest = bodies.split(value, bodies.MOST)
        described = {"version": version + 1, "pieces": len(rest) or None, **until}
        condition = "#version = :seen AND #ends >= :now" if version else f"{ABSENT} OR #ends < :now"
        actions = [put({**key, "text": first, **described}, condition, seen=version, now=ends - KEEP_MS)]
        actions += [put({**piece, **described}) for piece in bodies.pieces(key["pk"], key["sk"], rest)]
        name = {"pk": RUNNING, "sk": f"{self.tenant}/{batch_id}/{number}"}
        actions.append(put({**name, **until}) if running else delete(name))
        if number == 0 and version == 0:
            actions.append(put({**tenant_key(self.tenant, "batches", batch_id), **until}))
        try:
            await self._client.transact(actions)
        except ConditionFailed:  # another was quicker, or an answer was lost
            return KeptPart(number, value, version + 1) in await self.batch(batch_id)
        await changed(self._client, self.tenant, ["batches"])
        return True

    async def batch(self, batch_id: str) -> tuple[KeptPart, ...]:
        """See `Batches.batch`."""
        asked = query(None, "#pk = :pk", pk=tenant_key(self.tenant, f"batch/{batch_id}", "")["pk"])
        for _ in range(TRIES):
            now = await self._client.now()
            items = [item for item in await self._client.all(asked) if item["ends"] >= now]
            parts = [_part(item, items) for item in items if "/" not in item["sk"]]
            whole = tuple(part for part in parts if part is not None)
            if len(whole) == len(parts):
                return whole
        raise StoreUnavailable("the batch changed each time it was looked at")

    async def batches(self, limit: int) -> list[str]:
        """See `Batches.batches`. Ids grow with time, so that their order is that of their making."""
        asked = query(None, "#pk = :pk", pk=tenant_key(self.tenant, "batches", "")["pk"])
        now = await self._client.now()
        return [item["sk"] for item in await self._client.first(asked, limit, forward=False) if item["ends"] >= now]

    async def unsummarised(self, idle_since: datetime) -> AsyncIterator[str]:
        """See `Batches.unsummarised`. It reads three items of each session: for nightly jobs, not for turns."""
        async for head, summary in self._idle(idle_since):
            if head.get("tokens", 0) > summary.get("covered", 0):
                yield session_in(head["pk"])[1]

    async def unread(self, idle_since: datetime) -> AsyncIterator[str]:
        """See `Batches.unread`. As above."""
        async for head, summary in self._idle(idle_since):
            if summary.get("cold") or head["messages"] > summary.get("read", 0):
                yield session_in(head["pk"])[1]

    async def _idle(self, idle_since: datetime) -> AsyncIterator[tuple[Item, Item]]:
        """Yield the heads of sessions whose last message is no newer, with what is kept of their summaries."""
        until = to_ms(idle_since)
        asked = query("tenant", "#tenant_pk = :tenant", tenant=self.tenant)
        async for page in self._client.pages(asked, PAGE):
            now = await self._client.now()
            keys = [{"pk": item["pk"], "sk": part} for item in page for part in (HEAD, INBOX, SUMMARY)]
            found = await self._client.get_many(keys)
            for head, inbox, summary in zip(found[::3], found[1::3], found[2::3], strict=True):
                if head is None or is_gone(inbox, now):
                    continue
                if 0 < head.get("last", 0) <= until:
                    yield head, summary or {}


async def running(client: Client) -> list[RunningPart]:
    """Return the parts of batches that have not ended."""
    now = await client.now()
    found = await client.all(query(None, "#pk = :pk", pk=RUNNING))
    split = (item["sk"].split("/") for item in found if item["ends"] >= now)
    return [RunningPart(tenant, batch_id, int(number)) for tenant, batch_id, number in split]


def _part(first: Item, items: Sequence[Item]) -> KeptPart | None:
    """Return a part; None where what was read of it is of two versions."""
    name = f"{first['sk']}/"
    rest = [item for item in items if item["sk"].startswith(name) and item["version"] == first["version"]]
    if len(rest) != first.get("pieces", 0):
        return None
    return KeptPart(int(first["sk"]), bodies.joined(first["text"], first["sk"], rest), first["version"])
