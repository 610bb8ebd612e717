"""Records as every store keeps them, flat fields by name, to models and back.

Numbers come back as whatever the store makes of them, text or number; times are milliseconds. What a store need not
read itself is kept as JSON inside a field.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import structlog
from pydantic import TypeAdapter

from shared.clock import from_ms, to_ms
from shared.errors import StoreCorrupt
from shared.models import (
    Attachment,
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
from shared.storage.memory import EntryFacts
from shared.storage.types import (
    KeptDigest,
    KeptSummary,
    NewRequest,
    NewSession,
    OutboxRow,
    Outcome,
    derived_status,
)

log = structlog.get_logger()

Item = TypeVar("Item")
Kept = TypeVar("Kept")
Fields = dict[str, Any]
_ATTACHMENTS: TypeAdapter[tuple[Attachment, ...]] = TypeAdapter(tuple[Attachment, ...])


def known(fields: Mapping[str, Any]) -> Fields:
    """Return `fields` without those that are None."""
    return {name: value for name, value in fields.items() if value is not None}


def head_fields(new: NewSession) -> Fields:
    """Return what a new session's head holds, besides what the script sets."""
    return known(
        {
            "customer": new.customer_id,
            "conversation": new.conversation_id,
            "metadata": dump(new.metadata),
            "model": new.model,
            "strategy": new.compression_strategy,
            "budget": new.token_budget.model_dump_json() if new.token_budget else None,
        }
    )


def request_fields(new: NewRequest) -> Fields:
    """Return what a new request's record holds, besides what the script sets."""
    return known(
        {
            "customer": new.customer_id,
            "message": new.message,
            "model": new.model,
            "metadata": dump(new.metadata),
            "keyed": 1 if new.keyed else None,
            "callback": new.callback,
            "replay_of": new.replay_of,
            "handoff": 1 if new.handoff else None,
            "coalesce": new.coalesce_ms or None,
            "attachments": _told(new.attachments) if new.attachments else None,
        }
    )


def outcome_fields(outcome: Outcome) -> tuple[Fields, Fields]:
    """Return what a turn's end writes into the records of all its requests, and what besides into the first one's.

    There is one copy of the reply: the other requests of a burst name the first one, in `with`.
    """
    result, failure, receipt = outcome.result, outcome.failure, outcome.receipt
    every = {"status": "succeeded" if result else "failed", "failure": failure.model_dump_json() if failure else None}
    of_first = {
        "result": result.model_dump_json() if result else None,
        "receipt": receipt.model_dump_json() if receipt else None,
    }
    return known(every), known(of_first)


def message_text(message: Message) -> str:
    """Return a message as JSON, without its seq, which the store keeps beside it."""
    return message.model_dump_json(exclude={"seq"}, exclude_defaults=True)


def message(seq: int, text: str) -> Message:
    """Return a message from its seq and its JSON."""
    try:
        return Message.model_validate_json(text).model_copy(update={"seq": seq})
    except ValueError as error:
        problem = f"message {seq} cannot be read"
        raise StoreCorrupt(problem) from error


def weight_of(tokens: int, room: int) -> int:
    """Return what a message of so many tokens fills of the `room` a turn reads for: in context a long one is clipped.

    A quarter at most, so that one huge message hides none of those before it.
    """
    return min(tokens, -(-room // 4))


def message_of(seq: int) -> Callable[[str], Message]:
    """Return what reads the message of a seq from its JSON."""
    return lambda text: message(seq, text)


def session(identifier: str, head: Mapping[str, Any], open_requests: int, now_ms: int) -> Session:
    """Return a session from its head, as it stands at `now_ms`."""
    over = now_ms > int(head["expires"]) and open_requests == 0
    return Session(
        id=identifier,
        customer_id=head["customer"],
        conversation_id=head.get("conversation"),
        status=derived_status(head["status"], over=over),
        handler=head.get("handler", "agent"),
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


def request(identifier: str, record: Mapping[str, Any]) -> ChatRequest:
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
        callback=record.get("callback"),
        replay_of=record.get("replay_of"),
        handoff=bool(record.get("handoff")),
        coalesce_ms=int(record.get("coalesce", 0)),
        burst=tuple(record.get("members", "").split()),
        answered_with=record.get("with"),
        attachments=_ATTACHMENTS.validate_json(record.get("attachments", "[]")),
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
        provenance=entry.get("prov"),
        confidence=entry.get("confidence"),
        quarantined=bool(entry.get("quarantined")),
        version=entry["version"],
        supersedes=entry["version"] - 1 if entry["version"] > 1 else None,
        valid_from=from_ms(int(entry.get("said") or entry["updated"])),
        status=entry.get("status"),
        expires_at=_moment(entry.get("expires")),
        created_at=from_ms(int(entry["created"])),
        updated_at=from_ms(int(entry["updated"])),
        history=[_version(item) for item in json.loads(history)] if history else [],
    )


# What an entry, or an earlier value of it, holds of its facts.
FACTS: Final = ("prov", "confidence", "status", "expires", "quarantined")
# Tiers of entries; what holds no more has none.
TIERS: Final = {"ticket": 3, "preference": 2, "note": 1}
TIER: Final = 10_000_000_000_000


def entry_rank(entry: Mapping[str, Any]) -> int:
    """Return where an entry stands among others, the highest first: by tier, then by when it was last written."""
    holds = not entry.get("quarantined") and entry.get("status") != "resolved"
    return (TIERS[entry["scope"]] if holds else 0) * TIER + int(entry["updated"])


def past_entry(old: Mapping[str, Any], new: Mapping[str, Any]) -> Fields:
    """Return what is kept of an entry that another takes the place of."""
    said = int(old.get("said") or old["updated"])
    kept = {name: old.get(name) for name in ("raw", "scope", "source", "version", *FACTS)}
    return known(kept | {"from": said, "to": max(said, int(new["said"]))})


def fact_fields(facts: EntryFacts) -> Fields:
    """Return what a memory entry holds of its facts."""
    return known(
        {
            "status": facts.status,
            "expires": to_ms(facts.expires_at) if facts.expires_at else None,
            "said": to_ms(facts.said_at) if facts.said_at else None,
            "prov": facts.provenance.model_dump(mode="json") if facts.provenance else None,
            "confidence": facts.confidence,
            "quarantined": 1 if facts.quarantined else None,
        }
    )


def readable(read: Callable[[Kept], Item], kept: Iterable[Kept]) -> tuple[Item, ...]:
    """Return what can be read of `kept`; what cannot is left out and logged: one bad record must not stop a turn."""
    found = []
    for raw in kept:
        try:
            found.append(read(raw))
        except (StoreCorrupt, ValueError, KeyError) as error:
            log.exception("store.unreadable", error=type(error).__name__)
    return tuple(found)


def summary(head: Mapping[str, Any]) -> KeptSummary | None:
    """Return a session's summary from its head, if it has one."""
    if not head.get("summary"):
        return None
    return KeptSummary(head["summary"], int(head["sum_through"]), int(head["sum_version"]))


def digest(kept: Sequence[Any]) -> KeptDigest:
    """Return a digest from its session's id and its record."""
    session_id, raw = kept
    fields = json.loads(raw)
    return KeptDigest(session_id, fields["value"], from_ms(int(fields["ended"])), int(fields["messages"]))


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
        callback=kept.get("callback"),
        merged=kept.get("merged"),
        after=kept.get("after"),
        handler=kept.get("handler"),
        by=kept.get("by"),
    )


def dump(value: Any) -> str:
    """Return `value` as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _told(attachments: tuple[Attachment, ...]) -> str:
    return _ATTACHMENTS.dump_json(attachments, by_alias=True, exclude_none=True).decode()


def _moment(milliseconds: Any) -> datetime | None:
    return from_ms(int(milliseconds)) if milliseconds else None


def _version(item: Mapping[str, Any]) -> MemoryVersion:
    return MemoryVersion(
        value=json.loads(item["raw"]),
        scope=item["scope"],
        source=item["source"],
        provenance=item.get("prov"),
        version=item["version"],
        valid_from=from_ms(int(item["from"])),
        valid_until=from_ms(int(item["to"])),
    )
