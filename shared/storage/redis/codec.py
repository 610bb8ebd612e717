"""Records to what Redis keeps, and back.

Scripts see hashes of flat strings. What they need not read is kept as JSON inside. A message is kept as
`tokens|json`, so that a script can add up tokens without parsing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import structlog

from shared.clock import from_ms
from shared.errors import StoreCorrupt
from shared.models import (
    ChatRequest,
    Failure,
    MemoryEntry,
    MemoryVersion,
    Message,
    Receipt,
    Result,
    Session,
    TokenBudget,
)
from shared.storage.keys import encode
from shared.storage.types import Limits, NewRequest, NewSession, OutboxRow, Outcome, derived_status

log = structlog.get_logger()

Item = TypeVar("Item")


def flat(fields: Mapping[str, Any]) -> list[str]:
    """Return `fields` as HSET takes them, leaving out those that are None."""
    return [str(part) for name, value in fields.items() if value is not None for part in (name, value)]


def pairs(answer: Iterable[Any]) -> dict[str, str]:
    """Return a hash from HGETALL's answer inside a script: name, value, name, value."""
    items = list(answer)
    return dict(zip(items[::2], items[1::2], strict=True))


def head_fields(new: NewSession) -> list[str]:
    """Return what a new session's head holds, besides what the script sets."""
    return flat(
        {
            "customer": new.customer_id,
            "conversation": new.conversation_id,
            "metadata": dump(new.metadata),
            "model": new.model,
            "strategy": new.compression_strategy,
            "budget": new.token_budget.model_dump_json() if new.token_budget else None,
        }
    )


def request_fields(new: NewRequest) -> list[str]:
    """Return what a new request's record holds, besides what the script sets."""
    return flat(
        {
            "customer": new.customer_id,
            "message": new.message,
            "model": new.model,
            "metadata": dump(new.metadata),
            "keyed": 1 if new.keyed else None,
        }
    )


def outcome_fields(outcome: Outcome) -> list[str]:
    """Return what a turn's end writes into its request's record."""
    result = outcome.result
    return flat(
        {
            "status": "succeeded" if result else "failed",
            "result": result.model_dump_json() if result else None,
            "failure": outcome.failure.model_dump_json() if outcome.failure else None,
            "receipt": outcome.receipt.model_dump_json() if outcome.receipt else None,
        }
    )


def message_raw(message: Message) -> str:
    """Return a message as kept: `tokens|json`, without its seq, which is the field it is kept under."""
    return f"{message.tokens}|{message.model_dump_json(exclude={'seq'}, exclude_defaults=True)}"


def message(kept: str) -> Message:
    """Return a message from `seq|tokens|json`."""
    seq, _tokens, raw = kept.split("|", 2)
    try:
        return Message.model_validate_json(raw).model_copy(update={"seq": int(seq)})
    except ValueError as error:
        text = f"message {seq} cannot be read"
        raise StoreCorrupt(text) from error


def session(identifier: str, head: Mapping[str, str], open_requests: int, now_ms: int) -> Session:
    """Return a session from its head, as it stands at `now_ms`."""
    over = now_ms > int(head["expires"]) and open_requests == 0
    return Session(
        id=identifier,
        customer_id=head["customer"],
        conversation_id=head.get("conversation"),
        status=derived_status(head["status"], over=over),
        title=head.get("title"),
        tags=json.loads(head.get("tags", "[]")),
        metadata=json.loads(head.get("metadata", "{}")),
        model=head.get("model"),
        compression_strategy=head.get("strategy"),
        token_budget=TokenBudget.model_validate_json(head["budget"]) if "budget" in head else None,
        created_at=from_ms(int(head["created"])),
        last_message_at=_moment(head.get("last")),
        expires_at=from_ms(int(head["expires"])),
        closed_at=_moment(head.get("closed")),
        message_count=int(head["messages"]),
        open_requests=open_requests,
    )


def request(identifier: str, record: Mapping[str, str]) -> ChatRequest:
    """Return a request from its record."""
    waits = record["status"] == "queued" and record.get("cause")
    return ChatRequest(
        id=identifier,
        session_id=record["session"],
        customer_id=record["customer"],
        status=record["status"],
        message=record["message"],
        model=record.get("model"),
        metadata=json.loads(record.get("metadata", "{}")),
        accepted_at=from_ms(int(record["accepted"])),
        deadline_at=from_ms(int(record["deadline"])),
        finished_at=_moment(record.get("finished")),
        attempts=int(record.get("attempts", 0)),
        waiting_for=waits or None,
        due_at=_moment(record.get("due")) if waits else None,
        result=Result.model_validate_json(record["result"]) if "result" in record else None,
        failure=Failure.model_validate_json(record["failure"]) if "failure" in record else None,
        receipt=Receipt.model_validate_json(record["receipt"]) if "receipt" in record else None,
    )


def memory(kept: str, history: str | None = None) -> MemoryEntry:
    """Return a memory entry from its record and the record of its earlier values."""
    entry = json.loads(kept)
    return MemoryEntry(
        key=entry["key"],
        value=json.loads(entry["raw"]),
        scope=entry["scope"],
        source=entry["source"],
        version=entry["version"],
        created_at=from_ms(int(entry["created"])),
        updated_at=from_ms(int(entry["updated"])),
        history=[_version(item) for item in json.loads(history)] if history else [],
    )


def readable(read: Callable[[str], Item], kept: Iterable[str]) -> tuple[Item, ...]:
    """Return what can be read of `kept`; what cannot is left out and logged: one bad record must not stop a turn."""
    found = []
    for raw in kept:
        try:
            found.append(read(raw))
        except (StoreCorrupt, ValueError, KeyError) as error:
            log.exception("store.unreadable", error=type(error).__name__)
    return tuple(found)


def row(raw: str, bucket: str) -> OutboxRow:
    """Return an outbox row from its record."""
    kept = json.loads(raw)
    return OutboxRow(
        id=kept["id"],
        type=kept["type"],
        tenant=kept["tenant"],
        bucket=bucket,
        session_id=kept["session"],
        customer_id=kept["customer"],
        at=from_ms(int(kept["at"])),
        request_id=kept.get("request"),
        metadata=json.loads(kept.get("metadata") or "{}"),
    )


def customer(identifier: str) -> dict[str, str]:
    """Return the parameters by which a script knows a customer."""
    return {"customer": identifier, "customer_key": encode(identifier)}


def dump(value: Any) -> str:
    """Return `value` as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@cache
def limits(given: Limits) -> Mapping[str, int]:
    """Return the limits of a deployment under the names scripts know them by."""
    known = asdict(given)
    return {
        "ttl": known["session_ttl_ms"],
        "retention": known["memory_retention_ms"],
        "request_retention": known["request_retention_ms"],
        "announce_grace": known["announce_grace_ms"],
        "grace": known["grace_ms"],
        "lease": known["lease_ms"],
        "deadline": known["request_deadline_ms"],
        "max_open": known["max_open_requests"],
    }


def _moment(milliseconds: str | None) -> datetime | None:
    return from_ms(int(milliseconds)) if milliseconds else None


def _version(item: Mapping[str, Any]) -> MemoryVersion:
    return MemoryVersion(
        value=json.loads(item["raw"]),
        scope=item["scope"],
        source=item["source"],
        version=item["version"],
        valid_from=from_ms(int(item["from"])),
        valid_until=from_ms(int(item["to"])),
    )
