"""Counting what is asked of DynamoDB: requests as they are sent, capacity units reckoned from the items.

Units are reckoned by the rules DynamoDB charges by, since no emulator charges for transactions as it does. Reads: a
unit for each 4 KB, strongly consistent; half a unit of an index. Writes: a unit for each KB of the larger image, two in
a transaction; an index is written where its keys change, once to insert or remove an entry, twice to move one.

Sources: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final

from cli.embedded import free_port
from shared.storage.dynamodb.address import Address
from shared.storage.dynamodb.client import Client
from shared.storage.dynamodb.schema import INDEXES

READ_KB, WRITE_KB = 4096, 1024
PATIENCE_SECONDS: Final = 30.0


@dataclass
class Meter:
    """What was asked since it was last read."""

    requests: Counter[str] = field(default_factory=Counter)
    reads: float = 0.0
    writes: float = 0.0

    def take(self) -> Meter:
        """Return what was counted, and count anew."""
        taken = Meter(Counter(self.requests), self.reads, self.writes)
        self.requests.clear()
        self.reads = self.writes = 0.0
        return taken


class MeteredClient(Client):
    """A client that reckons what DynamoDB would charge, while it is `counting`."""

    def __init__(self, address: Address) -> None:
        super().__init__(address, patience=PATIENCE_SECONDS, connections=8)
        self.meter = Meter()
        self.counting = False

    @contextmanager
    def counted(self) -> Iterator[Meter]:
        """Count from here on, anew."""
        self.meter.take()
        self.counting = True
        try:
            yield self.meter
        finally:
            self.counting = False

    async def ask(self, operation: str, until: float | None = None, /, **arguments: Any) -> Any:
        """Ask, and count."""
        if not self.counting:
            return await super().ask(operation, until, **arguments)
        if self._raw is None:
            await self._open()
        self.meter.requests[operation] += 1
        touched = list(_touched(operation, arguments, self.table))
        before = [await self._image(key) for key in touched]
        answer = await super().ask(operation, until, **arguments)
        after = [await self._image(key) for key in touched]
        factor = 2 if operation == "transact_write_items" else 1
        for old, new in zip(before, after, strict=True):
            self.meter.writes += factor * max(1, ceil(max(_size(old), _size(new)) / WRITE_KB)) + _index_writes(old, new)
        self.meter.reads += _read_units(operation, arguments, answer, self.table)
        return answer

    async def _image(self, key: Mapping[str, Any]) -> dict[str, Any]:
        raw = await self._once("get_item", {"TableName": self.table, "Key": dict(key), "ConsistentRead": True})
        return dict(raw.get("Item", {}))


def _touched(operation: str, arguments: Mapping[str, Any], table: str) -> Iterator[dict[str, Any]]:
    if operation == "transact_write_items":
        for action in arguments["TransactItems"]:
            yield from (_key(each) for each in action.values())
    elif operation in {"put_item", "update_item", "delete_item"}:
        yield _key(arguments)
    elif operation == "batch_write_item":
        for each in arguments["RequestItems"][table]:
            yield from (_key(write) for write in each.values())


def _key(write: Mapping[str, Any]) -> dict[str, Any]:
    source = write.get("Key") or write["Item"]
    return {"pk": source["pk"], "sk": source["sk"]}


def _read_units(operation: str, arguments: Mapping[str, Any], answer: Mapping[str, Any], table: str) -> float:
    if operation == "get_item":
        return max(1, ceil(_size(answer.get("Item", {})) / READ_KB))
    if operation == "batch_get_item":
        found = answer["Responses"].get(table, [])
        missing = len(arguments["RequestItems"][table]["Keys"]) - len(found)
        return missing + sum(ceil(_size(item) / READ_KB) for item in found)
    if operation == "query":
        units = max(1, ceil(sum(_size(item) for item in answer["Items"]) / READ_KB))
        return units if arguments.get("ConsistentRead") else units / 2
    return 0.0


def _index_writes(old: Mapping[str, Any], new: Mapping[str, Any]) -> int:
    writes = 0
    for partition, order, _ in INDEXES.values():
        was, is_ = (old.get(partition), old.get(order)), (new.get(partition), new.get(order))
        if was != is_:
            writes += (None not in was) + (None not in is_)
    return writes


def _size(item: Mapping[str, Any]) -> int:
    return sum(len(name) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, inner),) = value.items()
    if kind == "S":
        return len(inner.encode())
    if kind == "N":
        return (len(inner) + 1) // 2 + 1
    if kind == "L":
        return 3 + sum(1 + _value_size(each) for each in inner)
    return 1


def total(meters: Iterable[Meter]) -> Meter:
    """Return the sum of what was counted."""
    whole = Meter()
    for meter in meters:
        whole.requests.update(meter.requests)
        whole.reads += meter.reads
        whole.writes += meter.writes
    return whole


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto's server; yield its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                try:
                    urllib.request.urlopen(f"{url}/moto-api/", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()
