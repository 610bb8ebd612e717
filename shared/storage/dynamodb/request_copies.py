"""Requests moving to and from DynamoDB, and how copies are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.storage.dynamodb import bodies
from shared.storage.dynamodb.actions import Action, Item, put, query
from shared.storage.dynamodb.client import Client
from shared.storage.dynamodb.reading import DynamoReading
from shared.storage.dynamodb.schema import request_key
from shared.storage.portable import Dump, Kept, Unit
from shared.storage.portable_fields import Fields, plain_request, typed


async def write_all(client: Client, actions: Iterable[Action]) -> None:
    """Do unconditional puts and deletes, each by itself."""
    await client.write_many(map(_for_batch, actions))


class RequestCopies(DynamoReading):
    """One tenant's requests as they move."""

    async def look_at_request(self, unit: Unit) -> Kept | None:
        """Return what is held of a request that outlived its session."""
        record = (await self._records([unit.name])).get(unit.name)
        if record is None or record.get("ends", 0) < await self._client.now():
            return None
        return Kept(Dump(unit, plain_request(record), ends=record["ends"]))

    async def load_request(self, dump: Dump) -> None:
        """Write a request that outlived its session."""
        ends = dump.ends or await self._client.now() + self._limits.request_retention_ms
        await write_all(self._client, self._request_items(dump.unit.name, dump.fields, ends))

    async def remove_request(self, request: str) -> None:
        """Remove a request with all its parts."""
        found = await self._client.all(query(None, "#pk = :pk", pk=request_key(self.tenant, request)["pk"]))
        await self._client.delete_many(found)

    async def _records(self, names: Sequence[str]) -> dict[str, Item]:
        """Return requests, whole but for the rest of a long result."""
        found = await self._client.get_many([request_key(self.tenant, name) for name in names]) if names else []
        records = {name: record for name, record in zip(names, found, strict=True) if record is not None}
        more = [
            request_key(self.tenant, name, f"text/{number:03d}")
            for name, record in records.items()
            for number in range(1, record.get("pieces", 0) + 1)
        ]
        pieces = [item for item in await self._client.get_many(more) if item is not None] if more else []
        return {
            name: self._whole(record, [item for item in pieces if item["pk"] == record["pk"]])
            if "message" in record
            else record
            for name, record in records.items()
        }

    async def _finished(self, names: Sequence[str | None]) -> dict[str, Fields]:
        """Return the finished requests among these, as far as they are kept."""
        wanted = list(dict.fromkeys(name for name in names if name))
        now = await self._client.now()
        found = {}
        for name, record in (await self._records(wanted)).items():
            if "finished" not in record or record.get("ends", now) < now:
                continue
            found[name] = plain_request(await self._with_rest(record))
        return found

    async def _with_rest(self, record: Item) -> Item:
        """Return a record with the rest of its result and receipt."""
        # How many pieces they have is not told; only where the first is full may there be more.
        full = [name for name in ("result", "receipt") if len(record.get(name, "").encode()) > bodies.ROOM - 4]
        if not full:
            return record
        items = await self._client.all(query(None, "#pk = :pk", pk=record["pk"]))
        return record | {name: bodies.joined(record[name], bodies.OF_REQUEST[name], items) for name in full}

    def _kept_request(self, name: str, fields: Fields, now: int) -> list[Action]:
        """Return the actions that write a finished request, unless its time is over."""
        ends = int(fields["finished"]) + self._limits.request_retention_ms
        return self._request_items(name, fields, ends) if ends > now else []

    def _request_items(self, name: str, fields: Mapping[str, str], ends: int | None) -> list[Action]:
        key, record = request_key(self.tenant, name), typed(fields)
        until = {"ends": ends, "ttl": ends // 1000} if ends is not None else {}
        pieces: dict[str, list[Item]] = {}
        for body in record.keys() & bodies.OF_REQUEST.keys():
            record[body], rest = bodies.split(record[body])
            pieces[body] = bodies.pieces(key["pk"], bodies.OF_REQUEST[body], rest)
        item = {**key, "message": "", **record, **until, "pieces": len(pieces.get("message", ())) or None}
        if "deleted" in record:
            item |= {"deleted": True, "message": None}
        return [put(item), *(put({**piece, **until}) for each in pieces.values() for piece in each)]


def _for_batch(action: Action) -> dict[str, Any]:
    ((kind, arguments),) = action.items()
    return (
        {"PutRequest": {"Item": arguments["Item"]}} if kind == "Put" else {"DeleteRequest": {"Key": arguments["Key"]}}
    )
