"""Callbacks on DynamoDB: a delivery lies beside its request, and the index of tenants lists it by its status."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from shared.clock import from_ms, to_ms
from shared.ids import bucket_in
from shared.storage.cursors import place_cursor, read_session_cursor
from shared.storage.deliveries import (
    STATUSES,
    DeliveryFacts,
    DeliveryRef,
    DeliveryStatus,
    KeptAccount,
    KeptDelivery,
)
from shared.storage.dynamodb.actions import ABSENT, EXISTS, check, put, query, update
from shared.storage.dynamodb.base import DynamoParts, ending
from shared.storage.dynamodb.changes import changed
from shared.storage.dynamodb.client import Client, ConditionFailed
from shared.storage.dynamodb.schema import DELIVERY, request_key, shard_of
from shared.storage.types import Page

AGAIN_MS: Final = 60_000
ACCOUNTS: Final = "callbacks"


class DynamoDeliveries(DynamoParts):
    """Implements `shared.storage.deliveries.Deliveries`."""

    async def put_delivery(self, request_id: str, value: str, version: int, facts: DeliveryFacts) -> bool:
        """See `Deliveries.put_delivery`."""
        bucket = bucket_in(request_id, "req")
        if bucket is None:
            return False
        ends = await self._client.now() + self._limits.delivery_retention_ms
        created = to_ms(facts.created_at)
        item = {
            **request_key(self.tenant, request_id, DELIVERY),
            "value": value,
            "version": version + 1,
            "status": facts.status,
            "tenant_pk": _list_of(self.tenant, facts.status),
            "tenant_sk": f"{created:013d}/{request_id}",
            **ending(ends),
        }
        if facts.due_at is not None:
            item |= {"due_pk": f"callbacks/{shard_of(bucket)}", "due_at": to_ms(facts.due_at)}
        stands = check(request_key(self.tenant, request_id), "attribute_exists(#finished)")
        try:
            await self._client.transact([put(item, "#version = :seen" if version else ABSENT, seen=version), stands])
        except ConditionFailed as failed:
            kept = failed.items[0] or {}
            return (kept.get("value"), kept.get("version")) == (value, version + 1)
        await self._keep(request_id, ends)
        await changed(self._client, self.tenant, ["deliveries"])
        return True

    async def delivery(self, request_id: str) -> KeptDelivery | None:
        """See `Deliveries.delivery`."""
        item = await self._client.get(request_key(self.tenant, request_id, DELIVERY))
        return _kept(item, await self._client.now())

    async def deliveries(self, status: DeliveryStatus | None, limit: int, cursor: str | None) -> Page[KeptDelivery]:
        """See `Deliveries.deliveries`."""
        before = "{:013d}/{}".format(*read_session_cursor(cursor)) if cursor else "~"
        wanted = (status,) if status else STATUSES
        lists = await asyncio.gather(*(self._of_list(each, limit, before) for each in wanted))
        places = sorted({place for each in lists for place in each}, reverse=True)[:limit]
        now = await self._client.now()
        keys = [request_key(self.tenant, place.partition("/")[2], DELIVERY) for place in places]
        kept = [_kept(item, now) for item in await self._client.get_many(keys)] if keys else []
        items = tuple(each for each in kept if each is not None and each.status in wanted)
        if len(places) < limit:
            return Page(items, None)
        created, _, request_id = places[-1].partition("/")
        return Page(items, place_cursor(int(created), request_id))

    async def callbacks(self) -> KeptAccount:
        """See `Deliveries.callbacks`."""
        item = await self._client.get({"pk": ACCOUNTS, "sk": self.tenant})
        return KeptAccount(item["value"], item["version"]) if item else KeptAccount("", 0)

    async def put_callbacks(self, value: str, version: int) -> bool:
        """See `Deliveries.put_callbacks`."""
        item = {"pk": ACCOUNTS, "sk": self.tenant, "value": value, "version": version + 1}
        try:
            await self._client.write(put(item, "#version = :seen" if version else ABSENT, seen=version))
        except ConditionFailed as failed:
            kept = failed.items[0] or {}
            return (kept.get("value"), kept.get("version")) == (value, version + 1)
        return True

    async def _keep(self, request_id: str, ends: int) -> None:
        """Let a request, with the rest of its long texts, last until then."""
        parts = await self._client.all(query(None, "#pk = :pk", pk=request_key(self.tenant, request_id)["pk"]))
        for part in parts:
            if part["sk"] == DELIVERY or part.get("ttl", 0) >= ends // 1000:
                continue
            change = "SET #ttl = :ttl" + (", #ends = :ends" if "ends" in part else "")
            kept = update({"pk": part["pk"], "sk": part["sk"]}, change, EXISTS, ttl=ends // 1000, ends=ends)
            with suppress(ConditionFailed):  # deleted meanwhile
                await self._client.write(kept)

    async def _of_list(self, status: DeliveryStatus, limit: int, before: str) -> list[str]:
        asked = query(
            "tenant",
            "#tenant_pk = :list AND #tenant_sk < :before",
            list=_list_of(self.tenant, status),
            before=before,
        )
        return [item["tenant_sk"] for item in await self._client.first(asked, limit, forward=False)]


class DueCallbacks:
    """Implements `shared.storage.deliveries.DueDeliveries`."""

    _client: Client

    async def due_deliveries(self, bucket: str, limit: int) -> list[DeliveryRef]:
        """See `DueDeliveries.due_deliveries`."""
        now, found = await self._client.now(), list[DeliveryRef]()
        asked = query(
            "due", "#due_pk = :partition AND #due_at <= :now", partition=f"callbacks/{shard_of(bucket)}", now=now
        )
        for item in await self._client.first(asked, limit):
            key = {"pk": item["pk"], "sk": item["sk"]}
            later = update(key, "SET #due_at = :later", "#due_at = :seen", later=now + AGAIN_MS, seen=item["due_at"])
            with suppress(ConditionFailed):
                await self._client.write(later)
                _, tenant, _, request_id = item["pk"].split("/", 3)
                found.append(DeliveryRef(tenant, request_id))
        return found

    async def callback_tenants(self) -> list[str]:
        """See `DueDeliveries.callback_tenants`."""
        return [item["sk"] for item in await self._client.all(query(None, "#pk = :pk", pk=ACCOUNTS))]


def _list_of(tenant: str, status: DeliveryStatus) -> str:
    """Return the list in the index of tenants; a tenant's own, of its sessions, has no slash."""
    return f"{tenant}/callbacks/{status}"


def _kept(item: Mapping[str, Any] | None, now: int) -> KeptDelivery | None:
    if item is None or item["ends"] < now:
        return None
    request_id = item["pk"].split("/", 3)[3]
    return KeptDelivery(request_id, item["status"], item["value"], item["version"], from_ms(now))
