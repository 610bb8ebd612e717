"""A desk over DynamoDB, and what can be seen and broken behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import Any, Final

from botocore.exceptions import ReadTimeoutError

from shared.ids import SessionRef
from shared.storage.dynamodb.actions import unpack
from shared.storage.dynamodb.address import Address
from shared.storage.dynamodb.base import INBOX
from shared.storage.dynamodb.client import Client
from shared.storage.dynamodb.schema import session_key
from shared.storage.dynamodb.store import DynamoStore
from shared.storage.limits import Limits
from tests.contract.store import LIMITS, Desk, Stops, StoreClock
from tests.contract.strict import Sizes, hold

WRITES: Final = {"transact_write_items", "put_item", "update_item", "delete_item", "batch_write_item"}


class InsideDynamoDB(Client):
    """Implements `tests.contract.store.Inside`; it is the client itself, so that it can lose an answer."""

    _loses = False

    @cached_property
    def _sizes(self) -> Sizes:
        return Sizes()

    async def tickets(self, ref: SessionRef) -> list[str]:
        """See `Inside.tickets`."""
        inbox = await self.get(session_key(ref.tenant, ref.session_id, INBOX))
        return list(inbox["tickets"]) if inbox else []

    async def names(self) -> set[str]:
        """See `Inside.names`."""
        return {f"{item['pk']} {item['sk']}" for item in await self.everything()}

    async def contents(self) -> str:
        """See `Inside.contents`."""
        return str(await self.everything())

    async def age(self, ms: int) -> None:
        """See `Inside.age`. Everything here is judged by the clock that the test moves."""
        del ms

    async def access_keys(self) -> str:
        """See `Inside.access_keys`."""
        return str([item for item in await self.everything() if item["pk"] == "keys"])

    async def everything(self) -> list[dict[str, Any]]:
        """Return every item of the table."""
        found: list[dict[str, Any]] = []
        start: dict[str, Any] = {}
        while True:
            answer = await self.ask("scan", ConsistentRead=True, **start)
            found += [unpack(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return found
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def lose_the_next_answer(self, operation: str) -> None:
        """See `Inside.lose_the_next_answer`. The next write is the operation's: a test does one at a time."""
        del operation
        self._loses = True

    @cached_property
    def _stops(self) -> Stops:
        return Stops()

    def cut_after(self, commands: int | None, meanwhile: Callable[[], Awaitable[object]] | None = None) -> None:
        """See `Inside.cut_after`."""
        self._stops.after(commands, meanwhile)

    async def _once(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        hold(operation, arguments)
        await self._stops.pass_()
        answer = await super()._once(operation, arguments)
        self._sizes.take(operation, arguments)
        if self._loses and operation in WRITES:
            self._loses = False
            raise ReadTimeoutError(endpoint_url="the answer was lost")
        return answer


def make_desk(address: Address, limits: Limits = LIMITS) -> Desk:
    """Return a desk over a table."""
    clock = StoreClock()
    client = InsideDynamoDB(address, patience=30.0, connections=32, store_clock=clock)
    return Desk(DynamoStore(client, limits), clock, client)
