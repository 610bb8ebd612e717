"""Desks over DynamoDB whose client fails where a test says, and what lies behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from shared.ids import bucket_of
from shared.storage.dynamodb.actions import Item, pack
from shared.storage.dynamodb.address import Address
from shared.storage.dynamodb.store import DynamoStore
from tests.contract.dynamodb_desk import WRITES, InsideDynamoDB
from tests.contract.store import LIMITS, Desk, StoreClock


class Killed(Exception):
    """The process was ended here."""


class Killable(InsideDynamoDB):
    """A client whose process is killed before its n-th write, or is overtaken at it; it remembers what it asked."""

    writes_left: int | None = None
    meanwhile: Callable[[], Awaitable[Any]] | None = None
    overtaken: int = 1

    def __init__(self, address: Address, clock: StoreClock) -> None:
        super().__init__(address, 10.0, 32, store_clock=clock)
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    async def _once(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        if operation in WRITES and self.writes_left is not None:
            if self.writes_left == 0:
                raise Killed
            self.writes_left -= 1
        if operation in WRITES and self.meanwhile is not None and self.overtaken > 0:
            self.overtaken -= 1
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
            self.meanwhile = meanwhile
        self.asked.append((operation, arguments))
        return await super()._once(operation, arguments)

    async def restore(self, items: Sequence[Item]) -> None:
        """Make the table hold these items only."""
        await self.delete_many(await self.everything())
        for start in range(0, len(items), 25):
            batch = [{"PutRequest": {"Item": pack(item)}} for item in items[start : start + 25]]
            await self.ask("batch_write_item", RequestItems={self.table: batch})


def make_desk(address: Address) -> tuple[Desk, Killable]:
    """Return a desk over a table, and its client."""
    clock = StoreClock()
    client = Killable(address, clock)
    return Desk(DynamoStore(client, LIMITS), clock, client), client


async def sweep(desk: Desk, customer: str = "cust-1") -> None:
    """Sweep where a customer's records lie until nothing is left to do."""
    while await desk.store.sweep(bucket_of(desk.tenant, customer), 100):
        pass
