"""Moving to and from DynamoDB: see `shared.storage.portable`.

What is there is found by a Scan of the table, in pages: no index lags behind it. Each pass reads the whole table once,
which is for an operator's command only. Items are written in batches, each by itself; their order, not a transaction,
keeps what is not whole out of sight.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from shared.clock import to_ms
from shared.errors import StoreUnavailable
from shared.storage import records
from shared.storage.access import KeyVault
from shared.storage.dynamodb.access import DynamoVault
from shared.storage.dynamodb.actions import ABSENT, Action, Item, delete, pack, put, query, unpack, update
from shared.storage.dynamodb.base import HEAD, INBOX
from shared.storage.dynamodb.client import Client, ConditionFailed
from shared.storage.dynamodb.copies import COPY, SessionCopies
from shared.storage.dynamodb.entries import VERSIONS_KEPT, entry_sk
from shared.storage.dynamodb.merging import DynamoMerging
from shared.storage.dynamodb.merging_sessions import DONE
from shared.storage.dynamodb.reading import digest_in
from shared.storage.dynamodb.request_copies import write_all
from shared.storage.dynamodb.schema import (
    ERASING,
    FROM,
    SESSIONS,
    SHARDS,
    customer_key,
    digest,
    digest_place_sk,
    digest_sk,
    outbox_key,
    shard_of,
    tenant_key,
)
from shared.storage.limits import Limits
from shared.storage.portable import (
    LOADING,
    Dump,
    Kept,
    Kind,
    Part,
    Row,
    Unit,
)
from shared.storage.portable_fields import (
    DELETED,
    Fields,
    digests_in,
    entries_in,
    plain,
    plain_digest,
    plain_entry,
    typed,
)
from shared.storage.types import KeptDigest

TRIES: Final = 20

# What a Scan returns: the items that stand for a unit.
_STANDS: Final = (
    "#sk IN (:copy, :inbox, :memory, :agent, :idem) OR (#sk = :mark AND attribute_exists(#into)) OR "
    "(#sk = :request AND (attribute_exists(#deleted) OR contains(#failure, :gone)))"
)
_UNITS: Final[dict[str, Kind]] = {"ses": "session", "cus": "memory", "req": "request", "idem": "reservation"}


class DynamoPortable:
    """Implements `shared.storage.portable.Portable`."""

    def __init__(self, client: Client, limits: Limits) -> None:
        self._client = client
        self._limits = limits

    @property
    def vault(self) -> KeyVault:
        """See `Portable.vault`."""
        return DynamoVault(self._client)

    async def now(self) -> int:
        """See `Portable.now`."""
        return await self._client.now()

    async def size(self, tenants: Collection[str]) -> int:
        """See `Portable.size`. They are counted by their index; it holds keys only and is cheap to read."""
        # The index holds other lists too.
        heads = {"FilterExpression": "#sk = :head", "ExpressionAttributeNames": {"#sk": "sk"}}
        heads |= {"ExpressionAttributeValues": pack({":head": HEAD})}
        asked: list[tuple[str, Action]] = [("scan", {"IndexName": "tenant", **heads})]
        if tenants:
            asked = [("query", query("tenant", "#tenant_pk = :tenant", tenant=tenant)) for tenant in tenants]
        count = 0
        for operation, arguments in asked:
            async for answer in self._answers(operation, Select="COUNT", **arguments):
                count += int(answer["Count"])
        return count

    async def units(self, tenants: Collection[str], *, exact: bool) -> AsyncGenerator[Unit, None]:
        """See `Portable.units`."""
        asked = {
            "FilterExpression": _STANDS,
            "ProjectionExpression": "#pk, #sk",
            "ExpressionAttributeNames": {f"#{name}": name for name in ("pk", "sk", "deleted", "failure", "into")},
            "ExpressionAttributeValues": pack(
                {
                    ":copy": COPY,
                    ":inbox": INBOX,
                    ":request": "request",
                    ":mark": ERASING,
                    ":gone": DELETED,
                    **{f":{name}": name for name in ("memory", "agent", "idem")},
                }
            ),
            "ConsistentRead": exact,
        }
        await self._end_merges(tenants)
        last = None
        async for answer in self._answers("scan", **asked):
            for raw in answer["Items"]:
                item = unpack(raw)
                unit = _unit(item["pk"], item["sk"])
                # Items of one partition follow each other.
                if unit is not None and unit != last and (not tenants or unit.tenant in tenants):
                    yield unit
                last = unit

    async def look(self, unit: Unit, *, steady: bool) -> Kept | None:
        """See `Portable.look`. What was the same twice was so at once: nothing here ever becomes what it was before."""
        seen = await self._look(unit)
        for _ in range(TRIES if steady and unit.kind in {"session", "memory"} else 0):
            before, seen = seen, await self._look(unit)
            if before == seen:
                return seen
        if steady and unit.kind in {"session", "memory"}:
            raise StoreUnavailable(f"{unit} changed each time it was looked at")
        return seen

    def parts(self, dump: Dump, after: int) -> AsyncGenerator[Part, None]:
        """See `Portable.parts`."""
        return self._copies(dump.unit).parts(dump, after)

    async def load(self, dump: Dump, parts: AsyncGenerator[Part, None], over: Kept | None) -> None:
        """See `Portable.load`."""
        kind = dump.unit.kind
        if kind == "session":
            await self._copies(dump.unit).load(dump, parts, over)
        elif kind == "request":
            await self._copies(dump.unit).load_request(dump)
        elif kind == "memory":
            await self._load_memory(dump)
        elif kind == "merge":
            came = customer_key(dump.unit.tenant, dump.fields["into"], f"{FROM}{digest(dump.unit.name)}")
            mark = {**_place(dump.unit), "into": dump.fields["into"], "state": DONE}
            await write_all(self._client, [put({**came, "customer": dump.unit.name, "state": DONE}), put(mark)])
        elif kind == "reservation":
            ends = dump.ends or 0
            item = {**_place(dump.unit), **dump.fields, "ends": ends, "ttl": ends // 1000}
            await write_all(self._client, [put(item)])
        else:
            await self._load_instructions(dump)

    async def remove(self, unit: Unit) -> None:
        """See `Portable.remove`."""
        if unit.kind == "session":
            await self._copies(unit).remove(unit)
        elif unit.kind == "request":
            await self._copies(unit).remove_request(unit.name)
        elif unit.kind == "merge":
            await self._client.delete_many([_place(unit)])
        else:
            found = await self._client.all(query(None, "#pk = :pk", pk=_place(unit)["pk"]))
            mine = [item for item in found if not item["sk"].startswith(("conv/", SESSIONS, ERASING, FROM))]
            await self._client.delete_many(item for item in mine if item["sk"] not in {"memory", COPY})
            await self._client.delete_many(item for item in mine if item["sk"] in {"memory", COPY})

    async def mark(self, unit: Unit, stamp: str) -> None:
        """See `Portable.mark`."""
        if unit.kind == "session":
            await self._copies(unit).mark(unit, stamp)
        elif unit.kind == "memory":
            await write_all(self._client, [put({**customer_key(unit.tenant, unit.name, COPY), "stamp": stamp})])
        elif unit.kind == "instructions":
            with suppress(ConditionFailed):
                changed = update(_place(unit), "SET #copied = :stamp", "attribute_exists(#pk)", stamp=stamp)
                await self._client.write(changed)

    async def rows(self) -> AsyncGenerator[Row, None]:
        """See `Portable.rows`."""
        shards = [query(None, "#pk = :pk", pk=f"outbox/{shard}") for shard in SHARDS]
        for items in await asyncio.gather(*map(self._client.all, shards)):
            for item in items:
                yield Row(item["bucket"], item["sk"], item["row"])

    async def add_rows(self, rows: Sequence[Row]) -> None:
        """See `Portable.add_rows`."""
        now = await self._client.now()
        await asyncio.gather(*(self._add_row(row, now) for row in rows))

    async def strike_rows(self, rows: Sequence[Row]) -> None:
        """See `Portable.strike_rows`."""
        await self._client.delete_many(outbox_key(row.bucket, row.id) for row in rows)

    async def close(self) -> None:
        """See `Portable.close`."""
        await self._client.close()

    async def _add_row(self, row: Row, now: int) -> None:
        key = outbox_key(row.bucket, row.id)
        item = {**key, "row": row.text, "bucket": row.bucket, "due_pk": key["pk"], "due_at": now}
        with suppress(ConditionFailed):
            await self._client.write(put(item, ABSENT))

    async def _look(self, unit: Unit) -> Kept | None:
        if unit.kind == "session":
            return await self._copies(unit).look(unit)
        if unit.kind == "request":
            return await self._copies(unit).look_at_request(unit)
        if unit.kind == "memory":
            return await self._look_at_memory(unit)
        if unit.kind == "merge":
            return await self._look_at_merge(unit)
        return await self._look_at_tenants(unit)

    async def _look_at_tenants(self, unit: Unit) -> Kept | None:
        if unit.kind == "instructions":
            return await self._look_at_instructions(unit)
        item = await self._client.get(_place(unit))
        if item is None or item["ends"] < await self._client.now():
            return None
        return Kept(Dump(unit, plain(item, "pk", "sk", "ends", "ttl"), ends=item["ends"]))

    async def _look_at_memory(self, unit: Unit) -> Kept | None:
        found = await self._client.all(query(None, "#pk = :pk", pk=_place(unit)["pk"]))
        named = {item["sk"]: item for item in found}
        entries: dict[str, tuple[int, str]] = {}
        for name, item in named.items():
            if name.startswith("e/"):
                entry = json.loads(item["text"])
                entries[entry["key"]] = max((entry["version"], item["text"]), entries.get(entry["key"], (0, "")))
        fields: Fields = {}
        for key, (version, text) in entries.items():
            fields |= plain_entry(key, text, _history(named, key, version))
        for name, item in named.items():
            if name.startswith("s/") and item["place"] in named:
                fields |= plain_digest(digest_in(named[item["place"]]))
        copied = named.get(COPY, {}).get("stamp")
        if not fields and copied is None:
            return None
        return Kept(Dump(unit, fields, ends=named.get("memory", {}).get("due_at")), copied)

    async def _end_merges(self, tenants: Collection[str]) -> None:
        """End the merges that are under way: half of one cannot be moved. The due index knows them."""
        soon = await self._client.now() + self._limits.grace_ms
        for shard in SHARDS:
            asked = query("due", "#due_pk = :pk AND #due_at <= :soon", pk=f"retain/{shard}", soon=soon)
            for item in await self._client.all(asked):
                unit = _unit(item["pk"], item["sk"])
                if unit is not None and unit.kind == "merge" and (not tenants or unit.tenant in tenants):
                    own = DynamoMerging(self._client, unit.tenant, self._limits)
                    while await own.go_on_merging(unit.name):
                        pass

    async def _look_at_merge(self, unit: Unit) -> Kept | None:
        mark = await self._client.get(_place(unit))
        return Kept(Dump(unit, {"into": mark["into"]})) if mark is not None and "into" in mark else None

    async def _look_at_instructions(self, unit: Unit) -> Kept | None:
        found = await self._client.all(query(None, "#pk = :pk", pk=_place(unit)["pk"]))
        current = next((item for item in found if item["sk"] == "agent"), None)
        if current is None:
            return None
        earlier = {f"v{item['version']}": item["text"] for item in found if item["sk"] != "agent"}
        return Kept(Dump(unit, plain(current, "pk", "sk", "copied") | earlier), current.get("copied"))

    async def _load_memory(self, dump: Dump) -> None:
        tenant, customer = dump.unit.tenant, dump.unit.name
        await write_all(self._client, [put({**customer_key(tenant, customer, COPY), "stamp": LOADING})])
        entries, digests = entries_in(dump.fields), digests_in(dump.fields)
        items = [item for entry, history in entries for item in self._entry_items(dump.unit, entry, history)]
        items += [item for each in digests for item in _digest_items(dump.unit, each)]
        await self._write_instead(items, "d/", "e/", "h/", "k/", "s/")
        counter = {**customer_key(tenant, customer, "memory"), "count": len(entries)}
        if self._limits.memory_retention_ms and dump.fields:
            moments = [int(entry["updated"]) for entry, _ in entries] + [to_ms(each.ended_at) for each in digests]
            due_at = dump.ends or max(moments) + self._limits.memory_retention_ms
            counter |= {"due_pk": f"retain/{shard_of(dump.unit.bucket)}", "due_at": due_at}
        await write_all(self._client, [put(counter)])
        await write_all(self._client, [put({**customer_key(tenant, customer, COPY), "stamp": dump.stamp})])

    def _entry_items(self, unit: Unit, entry: Item, history: Sequence[Item]) -> list[Item]:
        name = digest(entry["key"])
        place = entry_sk(entry)
        items: list[Item] = [
            {**customer_key(unit.tenant, unit.name, place), "text": records.dump(entry)},
            {**customer_key(unit.tenant, unit.name, f"k/{name}"), "entry": place, "version": entry["version"]},
        ]
        for earlier in history:
            key = customer_key(unit.tenant, unit.name, _place_of_version(name, earlier["version"]))
            items.append({**key, "text": records.dump(earlier)})
        return items

    async def _load_instructions(self, dump: Dump) -> None:
        place, fields = _place(dump.unit), typed(dump.fields)
        names = [name for name in fields if name.startswith("v") and name[1:].isdigit()]
        earlier = [
            {**place, "sk": f"v/{int(name[1:]):08d}", "text": fields.pop(name), "version": int(name[1:])}
            for name in names
        ]
        await self._write_instead(earlier, "v/")
        await write_all(self._client, [put({**place, **fields, "copied": dump.stamp})])

    async def _write_instead(self, items: Sequence[Item], *beginnings: str) -> None:
        """Write items of one partition, and remove those beside them that begin so and are none of these."""
        if not items:
            return
        await write_all(self._client, [put(item) for item in items])
        kept = {item["sk"] for item in items}
        found = await self._client.all(query(None, "#pk = :pk", pk=items[0]["pk"]))
        others = [item for item in found if item["sk"].startswith(beginnings) and item["sk"] not in kept]
        await write_all(self._client, [delete({"pk": item["pk"], "sk": item["sk"]}) for item in others])

    async def _answers(self, operation: str, **asked: Any) -> AsyncGenerator[Any, None]:
        """Yield the pages of a scan or query."""
        start: Action = {}
        while True:
            answer = await self._client.ask(operation, **asked, **start)
            yield answer
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _copies(self, unit: Unit) -> SessionCopies:
        return SessionCopies(self._client, unit.tenant, self._limits)


def _unit(pk: str, sk: str) -> Unit | None:
    """Return the unit that an item stands for."""
    parts = pk.split("/", 3)
    if parts[0] != "t":
        return None
    if parts[2] == "agent":
        return Unit("instructions", parts[1])
    if sk == ERASING:
        return Unit("merge", parts[1], parts[3])
    return Unit(_UNITS[parts[2]], parts[1], parts[3])


def _place(unit: Unit) -> dict[str, str]:
    """Return the key of a unit that is neither a session nor a request; of memory, that of its count."""
    if unit.kind == "memory":
        return customer_key(unit.tenant, unit.name, "memory")
    if unit.kind == "merge":
        return customer_key(unit.tenant, unit.name, ERASING)
    if unit.kind == "reservation":
        return tenant_key(unit.tenant, f"idem/{unit.name}", "idem")
    return tenant_key(unit.tenant, "agent", "agent")


def _history(named: dict[str, Item], key: str, version: int) -> list[str]:
    """Return a memory entry's earlier values, newest first."""
    earlier: Iterable[int] = range(version - 1, max(0, version - 1 - VERSIONS_KEPT), -1)
    name = digest(key)
    places = [_place_of_version(name, number) for number in earlier]
    return [named[place]["text"] for place in places if place in named]


def _digest_items(unit: Unit, kept: KeptDigest) -> list[Item]:
    place = digest_sk(to_ms(kept.ended_at), kept.session_id)
    return [
        {**customer_key(unit.tenant, unit.name, place), "value": kept.value, "messages": kept.messages},
        {**customer_key(unit.tenant, unit.name, digest_place_sk(kept.session_id)), "place": place},
    ]


def _place_of_version(name: str, version: int) -> str:
    return f"h/{name}/{version:08d}"
