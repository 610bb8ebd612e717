"""Asking DynamoDB: answers in time, faults in our own words.

Every operation is safe to ask again. What may happen by itself (throttling, a transaction that met another one, an
answer lost on the way) is asked again until the operation's time is up; a condition that fails is told at once.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import StoreError, StoreUnavailable
from shared.rest import Rest
from shared.storage.dynamodb.actions import Action, Item, pack, projection, unpack
from shared.storage.dynamodb.address import Address
from shared.storage.dynamodb.clock import ServiceClock
from shared.storage.dynamodb.faults import is_busy, may_have_been_done, name_of, passes, reasons

_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0
_BATCH_READ, _BATCH_WRITE = 100, 25
_BATCH_BYTES = 800_000

_LEFT = "items left undone"
_CONDITION = "ConditionalCheckFailed"


class ConditionFailed(Exception):
    """A condition did not hold; nothing was changed. `items`: what was there, by position; None where none, or fine.

    `again`: an earlier try's answer was lost, so that what failed now may have been done then.
    """

    def __init__(self, items: Sequence[Item | None], *, again: bool) -> None:
        super().__init__("a condition did not hold")
        self.items = tuple(items)
        self.again = again


class Client:
    """One process's way to the table.

    `patience` is how many seconds an operation may take in all, tries included; after one in which DynamoDB did not
    answer at all, others fail at once for `rest` seconds. `store_clock`, for tests, stands in for the service's own.
    """

    def __init__(
        self,
        address: Address,
        patience: float,
        connections: int,
        rest: float = 0.0,
        store_clock: Callable[[], int] | None = None,
    ) -> None:
        self.table = address.table
        self._address = address
        self._patience = patience
        self._connections = connections
        self._rest = Rest(rest)
        self._store_clock = store_clock
        self._clock = ServiceClock()
        self._opening = asyncio.Lock()
        self._closing = AsyncExitStack()
        self._raw: Any = None

    async def now(self) -> int:
        """Return the store's time in milliseconds since the epoch."""
        if self._store_clock is not None:
            return self._store_clock()
        if not self._clock.known:
            await self.get({"pk": "nothing", "sk": "nothing"})
            if not self._clock.known:
                raise StoreError("DynamoDB's answers carry no Date, by which leases and expiry are judged")
        return self._clock.now_ms()

    async def get(self, key: Mapping[str, str]) -> Item | None:
        """Return an item, strongly consistent."""
        answer = await self.ask("get_item", Key=pack(key), ConsistentRead=True)
        return unpack(answer["Item"]) if "Item" in answer else None

    async def get_many(self, keys: Sequence[Mapping[str, str]], only: Sequence[str] = ()) -> list[Item | None]:
        """Return items in the order of their keys, strongly consistent; `only` these attributes, if any."""
        named = projection(only)
        found: dict[tuple[str, str], Item] = {}
        waiting = [pack(key) for key in _each_once(keys)]
        end, until, pauses = self._end(), None, _pauses()
        while waiting:
            wanted, waiting = waiting[:_BATCH_READ], waiting[_BATCH_READ:]
            asked = {self.table: {"Keys": wanted, "ConsistentRead": True, **named}}
            answer = await self.ask("batch_get_item", until, RequestItems=asked)
            for raw in answer.get("Responses", {}).get(self.table, ()):
                item = unpack(raw)
                found[item["pk"], item["sk"]] = item
            left = answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
            if left:
                waiting, until = left + waiting, end
                await self._pause(next(pauses), end)
        return [found.get((key["pk"], key["sk"])) for key in keys]

    async def pages(
        self, asked: Action, limit: int | None = None, *, forward: bool = True
    ) -> AsyncIterator[list[Item]]:
        """Yield a query's pages of at most 1 MB and `limit` items; stop reading to ask for no more."""
        start: Action = {}
        while True:
            bounded = {"Limit": limit} if limit is not None else {}
            answer = await self.ask("query", **asked, **bounded, **start, ScanIndexForward=forward)
            yield [unpack(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    async def all(self, asked: Action) -> list[Item]:
        """Return everything a query finds."""
        return [item async for page in self.pages(asked) for item in page]

    async def first(self, asked: Action, limit: int, *, forward: bool = True) -> list[Item]:
        """Return the first `limit` items a query finds."""
        found: list[Item] = []
        async for page in self.pages(asked, limit, forward=forward):
            found += page
            if len(found) >= limit:
                break
        return found[:limit]

    async def write(self, action: Action) -> Item | None:
        """Do one action by itself; return the item as it is now after an update, None after others.

        Raises:
            ConditionFailed

        """
        ((kind, arguments),) = action.items()
        operation = {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}[kind]
        wanted = {"ReturnValues": "ALL_NEW"} if kind == "Update" else {}
        answer = await self.ask(operation, **arguments, **wanted)
        return unpack(answer["Attributes"]) if "Attributes" in answer else None

    async def transact(self, actions: Sequence[Action]) -> None:
        """Do all of at most 100 actions, or none.

        Raises:
            ConditionFailed

        """
        items = [
            {kind: {"TableName": self.table, **arguments}} for action in actions for kind, arguments in action.items()
        ]
        await self.ask("transact_write_items", TransactItems=items)

    async def delete_many(self, keys: Iterable[Mapping[str, str]]) -> None:
        """Remove items, each by itself."""
        await self.write_many({"DeleteRequest": {"Key": pack(key)}} for key in _each_once(keys))

    async def write_many(self, requests: Iterable[Action]) -> None:
        """Do puts and deletes, each by itself, in batches of a bounded size. Patience begins anew after each batch."""
        waiting = deque(requests)
        end, until, pauses = self._end(), None, _pauses()
        while waiting:
            answer = await self.ask("batch_write_item", until, RequestItems={self.table: _batch(waiting)})
            left = answer.get("UnprocessedItems", {}).get(self.table, [])
            if left:
                waiting.extendleft(reversed(left))
                until = end
                await self._pause(next(pauses), end)
            else:
                end, until, pauses = self._end(), None, _pauses()

    async def ask(self, operation: str, until: float | None = None, /, **arguments: Any) -> Any:
        """Return DynamoDB's answer; ask again while it cannot answer, until patience ends.

        `until`: when it ends for an operation that was answered in part, by the event loop's clock.

        Raises:
            ConditionFailed
            StoreUnavailable: no answer in time.
            StoreError: an answer that asking again will not change, such as a missing table or permission.

        """
        if operation not in {"transact_write_items", "batch_get_item", "batch_write_item"}:
            arguments["TableName"] = self.table
        if self._rest.lasts:
            raise StoreUnavailable("the store did not answer a moment ago")
        if self._raw is None:
            await self._open()  # reads megabytes of descriptions, which is no fault of DynamoDB's
        end, pauses, lost, busy = until or self._end(), _pauses(), False, _LEFT if until else ""
        while True:
            try:
                async with asyncio.timeout_at(end):
                    return await self._once(operation, arguments)
            except (ClientError, BotoCoreError, OSError, TimeoutError) as error:
                if not passes(error):
                    raise _told(error, again=lost) from error
                fault, lost = error, lost or may_have_been_done(error)
                busy = name_of(error) if is_busy(error) else busy
            pause = next(pauses)
            if asyncio.get_running_loop().time() + pause >= end:
                raise self._in_vain(fault, busy) from fault
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """Close every connection."""
        await self._closing.aclose()
        self._raw = None

    def _end(self) -> float:
        """Return when patience ends for what begins now, by the event loop's clock."""
        return asyncio.get_running_loop().time() + self._patience

    async def _pause(self, seconds: float, end: float) -> None:
        """Wait before what was left undone is asked for again; raise StoreUnavailable when patience would end first."""
        if asyncio.get_running_loop().time() + seconds >= end:
            raise self._too_busy(_LEFT)
        await asyncio.sleep(seconds)

    def _in_vain(self, fault: Exception, busy: str) -> StoreUnavailable:
        """Return what is raised when patience has ended; rest, where the service did not even say why it is `busy`."""
        if busy:  # one item that many want, or a table at its limit, must not silence everybody else
            return self._too_busy(busy)
        self._rest.begin()
        return StoreUnavailable(f"DynamoDB did not answer in {self._patience:g} s ({name_of(fault)})")

    def _too_busy(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(f"DynamoDB was too busy for {self._patience:g} s ({why})")

    async def _once(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        sent = time.monotonic()
        try:
            answer = await getattr(self._raw, operation)(**arguments)
        except ClientError as error:
            self._observe(error.response, sent)
            raise
        self._observe(answer, sent)
        return answer

    def _observe(self, answer: Mapping[str, Any], sent: float) -> None:
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        if date is not None:
            self._clock.observe(date, sent, time.monotonic())

    async def _open(self) -> None:
        from shared.storage.dynamodb.connection import connect  # noqa: PLC0415 - importing the SDK takes a second

        slice_seconds = min(5.0, max(0.5, self._patience / 2))
        async with self._opening:
            if self._raw is not None:
                return
            try:
                self._raw = await self._closing.enter_async_context(
                    connect(self._address, self._connections, slice_seconds)
                )
            except BotoCoreError as error:
                raise StoreError(f"DynamoDB cannot be asked: {error}") from error


def _each_once(keys: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return keys, without what lies beside them in an item; DynamoDB refuses a batch that names an item twice."""
    return [{"pk": pk, "sk": sk} for pk, sk in dict.fromkeys((key["pk"], key["sk"]) for key in keys)]


def _batch(waiting: deque[Action]) -> list[Action]:
    """Take from what waits as much as one request may hold."""
    batch, size = [waiting.popleft()], 0
    while waiting and len(batch) < _BATCH_WRITE:
        size += len(json.dumps(batch[-1], default=str))
        if size + len(json.dumps(waiting[0], default=str)) > _BATCH_BYTES:
            break
        batch.append(waiting.popleft())
    return batch


def _pauses() -> Iterator[float]:
    pause = _PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.5, 1.5)  # noqa: S311 - spreads tries apart, guards nothing
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _told(error: Exception, *, again: bool) -> Exception:
    if not isinstance(error, ClientError):
        return StoreError(f"DynamoDB cannot be asked: {error}")
    code = error.response["Error"]["Code"]
    if code == "ConditionalCheckFailedException":
        item = error.response.get("Item")
        return ConditionFailed([unpack(item) if item else None], again=again)
    if any(reason.get("Code") == _CONDITION for reason in reasons(error)):
        items = [unpack(reason["Item"]) if reason.get("Item") else None for reason in reasons(error)]
        return ConditionFailed(items, again=again)
    if code == "ResourceNotFoundException":
        return StoreError("the DynamoDB table does not exist; make it with `customer-memory dynamodb create-table`")
    return StoreError(f"DynamoDB refused: {error}")
