"""moto's server, made fit to stand in for DynamoDB under load: `python -m tests.support.moto_server -p 5000`.

As it comes, moto answers requests in threads without a lock, and copies the whole table before each transaction, to
put the copy back when a condition fails. So writes that came between are lost with it, and a transaction gets slower
with every item. A query looks at every item of the table, one by one. Here requests take turns, a transaction remembers
only the items it touches, and a query looks at the partition it names.
"""

from __future__ import annotations

import copy
import inspect
import threading
from collections.abc import Callable
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler
from moto.server import main

_turn = threading.RLock()
_answer: Callable[..., Any] = DynamoHandler.call_action
_query: Callable[..., Any] = Table.query
_arguments = inspect.signature(_query)
_transact: Callable[..., Any] = DynamoDBBackend.transact_write_items


def _in_turn(self: DynamoHandler) -> Any:
    with _turn:
        return _answer(self)


def _transact_few(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    before = [_remember(self, op) for action in transact_items for op in action.values()]
    try:
        _transact(self, transact_items)
    except Exception:
        for table, partition, order, item in before:
            _put_back(table, partition, order, item)
        raise


def _remember(backend: DynamoDBBackend, op: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    table: Any = backend.get_table(op["TableName"])
    key = op.get("Key") or op["Item"]
    partition, order = DynamoType(key[table.hash_key_attr]), DynamoType(key[table.range_key_attr])
    return table, partition, order, copy.deepcopy(table.items.get(partition, {}).get(order))


def _put_back(table: Any, partition: Any, order: Any, item: Any) -> None:
    if item is not None:
        table.items[partition][order] = item
    elif order in table.items.get(partition, {}):
        del table.items[partition][order]
        if not table.items[partition]:
            del table.items[partition]


def _itself(table: Any, memo: dict[int, Any]) -> Any:
    del memo
    return table


def _query_few(self: Any, *given: Any, **named: Any) -> Any:
    told = _arguments.bind(self, *given, **named).arguments
    if told.get("index_name") is None:
        few = list(self.items.get(told["hash_key"], {}).values())
    else:
        # Each is (attribute, value): of the index's partition key.
        wanted = [(name, value.value) for name, value in told.get("hash_key_conditions") or ()]
        few = [
            item
            for partition in self.items.values()
            for item in partition.values()
            if all((found := item.attrs.get(name)) is not None and found.value == value for name, value in wanted)
        ]
    self.all_items = lambda: few
    try:
        return _query(self, *given, **named)
    finally:
        del self.all_items


def patch() -> None:
    """Make it fit."""
    DynamoHandler.call_action = _in_turn  # type: ignore[method-assign]
    DynamoDBBackend.transact_write_items = _transact_few  # type: ignore[method-assign]
    Table.query = _query_few  # type: ignore[method-assign]
    Table.__deepcopy__ = _itself  # type: ignore[attr-defined]  # moto's own copies of whole tables are then none


if __name__ == "__main__":
    patch()
    main()
