"""The fields of what moves between stores: in a form that is the same from every store, and back.

A new field that is a number belongs into NUMBERS.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.clock import from_ms, to_ms
from shared.storage.jobs import Cold
from shared.storage.types import KeptDigest

Fields = dict[str, str]

# Fields that a store may keep as numbers.
NUMBERS: Final = frozenset(
    {
        "accepted",
        "attempts",
        "closed",
        "coalesce",
        "created",
        "deadline",
        "due",
        "expires",
        "extraction",
        "finished",
        "handoff",
        "keyed",
        "last",
        "mem_read",
        "mem_tokens",
        "messages",
        "pin_summary",
        "sum_asked",
        "sum_done",
        "sum_later",
        "sum_seen",
        "sum_through",
        "sum_token",
        "sum_tokens",
        "sum_tries",
        "sum_version",
        "tokens",
        "updated",
        "version",
    }
)
# Fields of a request by which a store finds its own way; they mean nothing in another.
OWN: Final = frozenset(
    {
        *("alone", "claimed", "committed", "deaths", "due_at", "due_pk", "ends", "parked", "pieces"),
        *("delivery", "pk", "quarantined", "row", "sk", "ttl"),
    }
)
# Fields of a summary job. One in flight is not moved; the other store makes it due again, and its recall index anew.
_OF_JOB: Final = (
    "idx_count",
    "idx_through",
    "sum_ended",
    "sum_lease",
    "sum_nonce",
    "sum_reason",
    "sum_row",
    "sum_told",
)
# Fields of a session that say the same when they are 0 and when they are missing.
_NONE_IS_ZERO: Final = frozenset(
    {
        *("mem_read", "mem_tokens", "pin_summary", "tokens", "sum_asked", "sum_done", "sum_later", "sum_seen"),
        *("sum_token", "sum_tokens", "sum_tries"),
    }
)
# How the names of digests begin among a customer's memory entries; an entry's own name that begins so, has it twice.
_DIGEST: Final = "\x1f"
# What the failure of a request says whose session was deleted.
DELETED: Final = "session-deleted"


def plain(record: Mapping[str, Any], *leave_out: str) -> Fields:
    """Return a record's fields as text, without those that say nothing."""
    kept = {name: _text(value) for name, value in record.items() if name not in leave_out}
    return {name: value for name, value in kept.items() if value is not None}


def plain_head(record: Mapping[str, Any], *leave_out: str) -> Fields:
    """Return a session's fields, those of its summary among them, as every store would tell them."""
    fields = plain(record, *leave_out, *_OF_JOB)
    cold = Cold.parse(fields.pop("mem_cold", ""))
    if cold is not None:  # a batch is not moved: the other store has these messages read, or left, anew
        fields["mem_read"] = str(cold.after)
    return {name: value for name, value in fields.items() if value != "0" or name not in _NONE_IS_ZERO}


def plain_request(record: Mapping[str, Any]) -> Fields:
    """Return a request's fields as text, as every store would tell them."""
    fields = plain(record, *OWN)
    if "finished" in fields or not fields.get("cause"):
        fields.pop("cause", None)
    if "deleted" not in fields:
        fields.setdefault("attempts", "0")
    return fields


def typed(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return fields as a store keeps them that knows numbers from text."""
    return {name: int(value) if name in NUMBERS else value for name, value in fields.items()}


def plain_entry(key: str, entry: str, history: str | Sequence[str]) -> Fields:
    """Return a memory entry with its earlier values, newest first, as a field that is the same from every store."""
    earlier = json.loads(history) if isinstance(history, str) else [json.loads(text) for text in history]
    name = f"{_DIGEST}{key}" if key.startswith(_DIGEST) else key
    return {name: canonical({"entry": json.loads(entry), "history": earlier})}


def plain_digest(digest: KeptDigest) -> Fields:
    """Return a session's digest as a field among memory entries."""
    kept = {"value": digest.value, "ended": to_ms(digest.ended_at), "messages": digest.messages}
    return {f"{_DIGEST}{digest.session_id}": canonical({"digest": kept, "session": digest.session_id})}


def entries_in(fields: Fields) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return memory entries, each with its earlier values."""
    found = [json.loads(text) for text in fields.values()]
    return [(each["entry"], each["history"]) for each in found if "entry" in each]


def digests_in(fields: Fields) -> list[KeptDigest]:
    """Return the digests among memory entries."""
    found = [json.loads(text) for text in fields.values()]
    return [
        KeptDigest(each["session"], kept["value"], from_ms(kept["ended"]), kept["messages"])
        for each in found
        if (kept := each.get("digest")) is not None
    ]


def is_left_over(record: Mapping[str, Any]) -> bool:
    """Return whether a request's record outlived its deleted session."""
    return bool(record.get("deleted")) or DELETED in str(record.get("failure") or "")


def canonical(value: Any) -> str:
    """Return `value` as JSON that is the same wherever it comes from."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "1" if value else None
    return None if value is None else str(value)
