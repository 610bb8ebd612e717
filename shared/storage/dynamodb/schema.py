"""The table: its definition, and the names of what lies in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from shared.ids import ALPHABET

TTL_ATTRIBUTE: Final = "ttl"
SHARDS: Final = tuple(ALPHABET)
FEEDS: Final = 4
FLIGHTS: Final = "flights"
RUNNING: Final = "running"
COLD: Final = "cold"
# Beside a customer's memory: that they are being erased, or were merged into another; who was merged into them; and
# which sessions are theirs, which no index is late to tell.
ERASING: Final = "~erasing"
FROM: Final = "~from/"
SESSIONS: Final = "l/"
DELIVERY: Final = "delivery"  # a part of a request
LISTED: Final = "listed"  # another: where it stands in the lists of its tenant
SEEN: Final = "~seen"  # beside a customer's memory: when they were heard of last
WORKERS: Final = "workers"
TENANTS: Final = "tenants"

# What the service asks of DynamoDB; its permissions need no more.
OPERATIONS: Final = (
    "BatchGetItem",
    "BatchWriteItem",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "TransactWriteItems",
    "UpdateItem",
)

# Attributes of each index: partition key, sort key, and the sort key's type.
INDEXES: Final = {
    "due": ("due_pk", "due_at", "N"),
    "customer": ("customer_pk", "customer_sk", "S"),
    "tenant": ("tenant_pk", "tenant_sk", "S"),
}

Key = dict[str, str]


def table_definition(name: str) -> dict[str, Any]:
    """Return CreateTable's arguments: on-demand capacity, indexes that hold keys only.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html
    """
    attributes = {"pk": "S", "sk": "S"}
    for partition, order, kind in INDEXES.values():
        attributes |= {partition: "S", order: kind}
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": kind} for attribute, kind in attributes.items()
        ],
        "KeySchema": _key_schema("pk", "sk"),
        "GlobalSecondaryIndexes": [
            {
                "IndexName": index,
                "KeySchema": _key_schema(partition, order),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for index, (partition, order, _) in INDEXES.items()
        ],
    }


def problems(table: Mapping[str, Any], ttl: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a table, in words.

    `table`: the `Table` of DescribeTable; `ttl`: the `TimeToLiveDescription` of DescribeTimeToLive.
    """
    wanted = table_definition(str(table.get("TableName")))
    found = []
    if table.get("TableStatus") not in {"ACTIVE", "UPDATING"}:
        found.append(f"the table is {table.get('TableStatus')}, not ACTIVE")
    types = {item["AttributeName"]: item["AttributeType"] for item in table.get("AttributeDefinitions", ())}
    for item in wanted["AttributeDefinitions"]:
        name, kind = item["AttributeName"], item["AttributeType"]
        if types.get(name) != kind:
            found.append(f"attribute {name} is {types.get(name) or 'not defined'}, not {kind}")
    if _keys(table) != _keys(wanted):
        found.append(f"its key is {_keys(table)}, not {_keys(wanted)}")
    present = {index["IndexName"]: index for index in table.get("GlobalSecondaryIndexes") or ()}
    for index in wanted["GlobalSecondaryIndexes"]:
        name = index["IndexName"]
        if name not in present:
            found.append(f"index {name} is missing")
        elif _keys(present[name]) != _keys(index):
            found.append(f"index {name} is keyed by {_keys(present[name])}, not {_keys(index)}")
        elif present[name].get("IndexStatus", "ACTIVE") != "ACTIVE":
            found.append(f"index {name} is {present[name]['IndexStatus']}, not ACTIVE")
    if ttl.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"} or ttl.get("AttributeName") != TTL_ATTRIBUTE:
        found.append(f"time to live is not enabled on attribute {TTL_ATTRIBUTE}")
    return found


def session_key(tenant: str, session: str, part: str) -> Key:
    """Return the key of a part of a session."""
    return {"pk": f"t/{tenant}/ses/{session}", "sk": part}


def message_sk(seq: int, piece: int = 0) -> str:
    """Return the sort key of a message, or of a later piece of it; they sort as they were said."""
    return f"m/{seq:012d}/{piece:03d}" if piece else f"m/{seq:012d}"


def request_key(tenant: str, request: str, part: str = "request") -> Key:
    """Return the key of a part of a request."""
    return {"pk": f"t/{tenant}/req/{request}", "sk": part}


def customer_key(tenant: str, customer: str, part: str) -> Key:
    """Return the key of what belongs to a customer."""
    return {"pk": f"t/{tenant}/cus/{customer}", "sk": part}


def conversation_key(tenant: str, customer: str, conversation: str) -> Key:
    """Return the key of a conversation's binding."""
    return customer_key(tenant, customer, f"conv/{digest(conversation)}")


def tenant_key(tenant: str, part: str, name: str) -> Key:
    """Return the key of what belongs to a tenant as a whole."""
    return {"pk": f"t/{tenant}/{part}", "sk": name}


def index_key(tenant: str, name: str) -> Key:
    """Return the key of a part of a tenant's index that is one item."""
    return tenant_key(tenant, "index", name)


def digest_sk(ended: int, session: str) -> str:
    """Return the sort key of a session's digest, beside its customer's memory; they sort as the sessions ended."""
    return f"d/{ended:013d}/{session}"


def digest_place_sk(session: str) -> str:
    """Return the sort key of where a session's digest is."""
    return f"s/{session}"


def listed_key(tenant: str, customer: str, session: str) -> Key:
    """Return the key of the note that a session is a customer's."""
    return customer_key(tenant, customer, f"{SESSIONS}{session}")


def flight_key(tenant: str, session: str) -> Key:
    """Return the key of a summary job that was launched."""
    return {"pk": FLIGHTS, "sk": f"{tenant}/{session}"}


def cold_key(tenant: str, session: str) -> Key:
    """Return the key of the note that a session's reading was left to a batch."""
    return {"pk": COLD, "sk": f"{tenant}/{session}"}


def outbox_key(bucket: str, event: str) -> Key:
    """Return the key of a row of the outbox."""
    return {"pk": f"outbox/{shard_of(bucket)}", "sk": event}


def shard_of(bucket: str) -> str:
    """Return the shard that a bucket's due work lies in: a bucket's first letter. A shard is its own shard."""
    return bucket[:1]


def feed_of(request: str) -> str:
    """Return the part of the feed that tells of a request."""
    return f"feed/{ALPHABET.index(request[-1]) % FEEDS}"


def session_in(pk: str) -> tuple[str, str]:
    """Return tenant and session id from the partition key of a session."""
    _, tenant, _, session = pk.split("/", 3)
    return tenant, session


def digest(text: str) -> str:
    """Return a name of fixed length for text of any; sort keys are 1,024 bytes at most."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _key_schema(partition: str, order: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": order, "KeyType": "RANGE"}]


def _keys(described: Mapping[str, Any]) -> list[str]:
    return [item["AttributeName"] for item in described.get("KeySchema", ())]
