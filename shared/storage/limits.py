"""The bounds and times a store applies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds and times a store applies, in milliseconds, items and bytes."""

    session_ttl_ms: int
    request_deadline_ms: int
    request_retention_ms: int
    memory_retention_ms: int
    lease_ms: int
    grace_ms: int = 5_000
    announce_grace_ms: int = 10_000
    max_open_requests: int = 100
    memory_max_entries: int = 500
    read_messages: int = 200
    read_memory: int = 50
    read_digests: int = 10
    poison_limit: int = 3
    summary_threshold_tokens: int = 0
    summary_idle_ms: int = 0
    summary_lease_ms: int = 600_000
    summary_versions: int = 10
    summaries_by_default: bool = False
    digests: bool = False
    memory_delay_ms: int = 0
    memory_threshold_tokens: int = 0
    index_bytes: int = 1_048_576
    delivery_retention_ms: int = 7 * 86_400_000
