"""Rules of DynamoDB that moto does not hold us to; here every request of every test is held to them.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

ITEM_BYTES: Final = 400 * 1024
TRANSACTION_BYTES: Final = 4 * 1024 * 1024
TRANSACTION_ACTIONS: Final = 100
BATCH_READ, BATCH_WRITE = 100, 25
PARTITION_KEY_BYTES, SORT_KEY_BYTES = 2048, 1024
EXPRESSION_BYTES: Final = 4096
NUMBER_BYTES: Final = 21

_ASSIGNED = re.compile(r"#(\w+) = ")
_CLAUSE = re.compile(r"(SET|REMOVE|ADD) (.*?)(?= SET | REMOVE | ADD |$)")
_BETWEEN = re.compile(r"BETWEEN (:\w+) AND (:\w+)")
_PLACEHOLDER = re.compile(r"[#:]\w+")


def hold(operation: str, arguments: Mapping[str, Any]) -> None:
    """Fail where DynamoDB would refuse a request."""
    if operation == "transact_write_items":
        actions = [action for item in arguments["TransactItems"] for action in item.values()]
        assert len(actions) <= TRANSACTION_ACTIONS, f"{len(actions)} actions in a transaction"
        _each_once([action.get("Key") or action["Item"] for action in actions])
        size = sum(_bytes(action.get("Item") or action.get("ExpressionAttributeValues", {})) for action in actions)
        assert size <= TRANSACTION_BYTES, f"{size} bytes in a transaction"
    elif operation == "batch_get_item":
        _batch([key for table in arguments["RequestItems"].values() for key in table["Keys"]], BATCH_READ)
    elif operation == "batch_write_item":
        requests = [request for table in arguments["RequestItems"].values() for request in table]
        _batch([_key_of(request) for request in requests], BATCH_WRITE)
    for part in _parts(arguments):
        _hold_part(part)


class Sizes:
    """How large each item is, by what was written of it: an update may make it larger than DynamoDB takes."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], dict[str, int]] = {}

    def take(self, operation: str, arguments: Mapping[str, Any]) -> None:
        """Take note of what was done; fail where an item is larger now than DynamoDB would have let it become."""
        for kind, part in _done(operation, arguments):
            if kind == "Put":
                item = part["Item"]
                self._items[_place(item)] = {name: _bytes({name: value}) for name, value in item.items()}
            elif kind == "Update":
                self._update(part)
            elif kind == "Delete":
                self._items.pop(_place(part["Key"]), None)

    def _update(self, part: Mapping[str, Any]) -> None:
        values = part.get("ExpressionAttributeValues", {})
        of_key = {name: _bytes({name: value}) for name, value in part["Key"].items()}
        item = self._items.setdefault(_place(part["Key"]), of_key)
        for clause, text in _CLAUSE.findall(part["UpdateExpression"]):
            if clause == "SET":
                _, *pairs = _ASSIGNED.split(text)
                for name, given in zip(pairs[::2], pairs[1::2], strict=True):
                    before = item.get(name, 0) if f"#{name}" in given else len(name)
                    item[name] = before + sum(_value_bytes(values[value]) for value in re.findall(r":\w+", given))
            for name in re.findall(r"#(\w+)", text) if clause == "REMOVE" else ():
                item.pop(name, None)
            for name in re.findall(r"#(\w+)", text) if clause == "ADD" else ():
                item[name] = len(name) + NUMBER_BYTES
        size = sum(item.values())
        assert size <= ITEM_BYTES, f"{size} bytes in {_place(part['Key'])} after {part['UpdateExpression']}"


def _done(operation: str, arguments: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what a request wrote, each with what was done: Put, Update, Delete, ConditionCheck."""
    if operation == "transact_write_items":
        for action in arguments["TransactItems"]:
            yield from action.items()
    elif operation == "batch_write_item":
        for request in (each for table in arguments["RequestItems"].values() for each in table):
            yield from ((kind.removesuffix("Request"), part) for kind, part in request.items())
    elif operation in {"put_item", "update_item", "delete_item"}:
        yield operation.partition("_")[0].capitalize(), arguments


def _place(key: Mapping[str, Any]) -> tuple[str, str]:
    return key["pk"]["S"], key["sk"]["S"]


def _hold_part(part: Mapping[str, Any]) -> None:
    if "Item" in part:
        assert _bytes(part["Item"]) <= ITEM_BYTES, f"{_bytes(part['Item'])} bytes in {part['Item']['sk']}"
        assert len(part["Item"]["pk"]["S"].encode()) <= PARTITION_KEY_BYTES
        assert len(part["Item"]["sk"]["S"].encode()) <= SORT_KEY_BYTES
        for name, value in part["Item"].items():
            assert not name.endswith(("pk", "sk")) or value["S"], f"an empty key {name}"
    assert not (part.get("IndexName") and part.get("ConsistentRead")), "an index is never strongly consistent"
    expressions = [str(part[name]) for name in part if name.endswith("Expression")]
    used = {found for text in expressions for found in _PLACEHOLDER.findall(text)}
    values = part.get("ExpressionAttributeValues", {})
    given = {*part.get("ExpressionAttributeNames", {}), *values}
    assert used == given, f"placeholders without a use, or none for one: {used ^ given}"
    for text in expressions:
        assert len(text.encode()) <= EXPRESSION_BYTES
        for first, last in _BETWEEN.findall(text):
            assert values[first]["S"].encode() <= values[last]["S"].encode(), f"BETWEEN {values[first]} {values[last]}"


def _parts(arguments: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a request, and whatever lies in it that has expressions or an item of its own."""
    yield arguments
    for item in arguments.get("TransactItems", ()):
        yield from item.values()
    for table in arguments.get("RequestItems", {}).values():
        if not isinstance(table, Mapping):
            for request in table:
                yield from request.values()


def _key_of(request: Mapping[str, Any]) -> Mapping[str, Any]:
    ((_, what),) = request.items()
    return dict(what.get("Key") or what["Item"])


def _batch(keys: Sequence[Mapping[str, Any]], most: int) -> None:
    assert 0 < len(keys) <= most, f"{len(keys)} items in a batch"
    _each_once(keys)


def _each_once(keys: Sequence[Mapping[str, Any]]) -> None:
    names = [(key["pk"]["S"], key["sk"]["S"]) for key in keys]
    assert len(names) == len(set(names)), f"an item twice in {names}"


def _bytes(item: Mapping[str, Any]) -> int:
    """Return how many bytes an item counts for, or somewhat more."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "L":
        return 3 + sum(1 + _value_bytes(each) for each in content)
    return len(content.encode()) if isinstance(content, str) and kind != "N" else NUMBER_BYTES
