"""What is asked of DynamoDB, as values: puts, updates, deletes and checks, alone or in a transaction.

In expressions `#name` is an attribute and `:name` a value given by name; every attribute is escaped this way, so no
reserved word can stand in one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

Item = dict[str, Any]
Action = dict[str, Any]

EXISTS: Final = "attribute_exists(#pk)"
ABSENT: Final = "attribute_not_exists(#pk)"

_NAME = re.compile(r"#(\w+)")
_VALUE = re.compile(r":(\w+)")
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def pack(item: Mapping[str, Any]) -> Item:
    """Return plain values as DynamoDB takes them, leaving out those that are None."""
    return {name: _serialize(value) for name, value in item.items() if value is not None}


def unpack(item: Mapping[str, Any]) -> Item:
    """Return plain values: text, whole numbers, truth, bytes, lists of them."""
    return {name: _plain(_deserialize(value)) for name, value in item.items()}


def put(item: Mapping[str, Any], condition: str | None = None, /, **values: Any) -> Action:
    """Return the action that writes an item whole."""
    return {"Put": {"Item": pack(item), **_expressions(None, condition, values)}}


def update(key: Mapping[str, str], change: str, condition: str | None = None, /, **values: Any) -> Action:
    """Return the action that changes an item."""
    return {"Update": {"Key": pack(key), **_expressions(change, condition, values)}}


def delete(key: Mapping[str, str], condition: str | None = None, /, **values: Any) -> Action:
    """Return the action that removes an item."""
    return {"Delete": {"Key": pack(key), **_expressions(None, condition, values)}}


def check(key: Mapping[str, str], condition: str, /, **values: Any) -> Action:
    """Return the action that changes nothing, and holds a transaction to a condition."""
    return {"ConditionCheck": {"Key": pack(key), **_expressions(None, condition, values)}}


def query(index: str | None, condition: str, /, **values: Any) -> Action:
    """Return the arguments of a query: of an index, or strongly consistent of the table."""
    names, given = _placeholders(condition, values)
    asked: Action = {"KeyConditionExpression": condition, "ExpressionAttributeNames": names}
    asked |= {"ExpressionAttributeValues": given}
    return asked | ({"IndexName": index} if index else {"ConsistentRead": True})


def projection(only: Sequence[str]) -> Action:
    """Return the arguments by which only these attributes are read, besides the key; all where none is named."""
    if not only:
        return {}
    names = {f"#{name}": name for name in ("pk", "sk", *only)}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}


def _expressions(change: str | None, condition: str | None, values: Mapping[str, Any]) -> Action:
    names, given = _placeholders(f"{change or ''} {condition or ''}", values)
    found: Action = {}
    if change:
        found["UpdateExpression"] = change
    if condition:
        found |= {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    if names:
        found["ExpressionAttributeNames"] = names
    if given:
        found["ExpressionAttributeValues"] = given
    return found


def _placeholders(text: str, values: Mapping[str, Any]) -> tuple[Item, Item]:
    names = {f"#{name}": name for name in _NAME.findall(text)}
    given = {f":{name}": _serialize(values[name]) for name in dict.fromkeys(_VALUE.findall(text))}
    return names, given


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, Binary):
        return bytes(value.value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
