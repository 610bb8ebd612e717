"""Records to what Redis keeps, and back.

Scripts see hashes of flat strings. A message is kept as `tokens|json`, so that a script can add up tokens without
parsing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from shared.models import Message
from shared.storage import records
from shared.storage.keys import encode
from shared.storage.limits import Limits
from shared.storage.types import BURST_BYTES, BURST_MOST, BURST_WINDOWS, KeptSummary


def flat(fields: Mapping[str, Any]) -> list[str]:
    """Return `fields` as HSET takes them, leaving out those that are None."""
    return [str(part) for name, value in records.known(fields).items() for part in (name, value)]


def pairs(answer: Iterable[Any]) -> dict[str, str]:
    """Return a hash from HGETALL's answer inside a script: name, value, name, value."""
    items = list(answer)
    return dict(zip(items[::2], items[1::2], strict=True))


def message_raw(message: Message) -> str:
    """Return a message as kept: `tokens|json`, without its seq, which is the field it is kept under."""
    return f"{message.tokens}|{records.message_text(message)}"


def message(kept: str) -> Message:
    """Return a message from `seq|tokens|json`. Raises StoreCorrupt."""
    seq, _tokens, raw = kept.split("|", 2)
    return records.message(int(seq), raw)


def summary(kept: str) -> KeptSummary:
    """Return an earlier version of a summary from `[text, through, version]`."""
    value, through, version = json.loads(kept)
    return KeptSummary(value, int(through), int(version))


def customer(identifier: str) -> dict[str, str]:
    """Return the parameters by which a script knows a customer."""
    return {"customer": identifier, "customer_key": encode(identifier)}


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
        "read_digests": known["read_digests"],
        "sum_threshold": known["summary_threshold_tokens"],
        "sum_idle": known["summary_idle_ms"],
        "sum_lease": known["summary_lease_ms"],
        "sum_default": known["summaries_by_default"],
        "digests": known["digests"],
        "keep_versions": known["summary_versions"] - 1,
        "mem_delay": known["memory_delay_ms"],
        "mem_threshold": known["memory_threshold_tokens"],
        "burst_most": BURST_MOST,
        "burst_bytes": BURST_BYTES,
        "burst_windows": BURST_WINDOWS,
    }
