"""What the store takes and gives: values without behaviour. Times in `_ms` are milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeVar

from shared.ids import SessionRef
from shared.models import (
    ChatRequest,
    Failure,
    MemoryEntry,
    Message,
    Metadata,
    Receipt,
    Result,
    Session,
    SessionStatus,
    Strategy,
    TokenBudget,
)


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
    poison_limit: int = 3


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session begins with."""

    customer_id: str
    conversation_id: str | None = None
    metadata: Metadata = field(default_factory=dict)
    model: str | None = None
    compression_strategy: Strategy | None = None
    token_budget: TokenBudget | None = None


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A chat request at the door. `request_id` makes accepting it idempotent; `keyed`: a caller's key leads to it."""

    request_id: str
    customer_id: str
    message: str
    session_id: str | None = None
    conversation_id: str | None = None
    model: str | None = None
    metadata: Metadata = field(default_factory=dict)
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class Reservation:
    """What an idempotency key stands for: the request it was first used for, and whether the body is the same."""

    request_id: str
    same_body: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A fencing token: a counter that only grows, with a nonce that tells two claims of one number apart.

    Source: https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html
    """

    number: int
    nonce: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A session's lease and its lowest open ticket, with all the turn needs, read at one moment."""

    ref: SessionRef
    token: Token
    session: Session
    request: ChatRequest
    history: tuple[Message, ...]
    history_complete: bool
    memory: tuple[MemoryEntry, ...]
    now: datetime
    listening: bool
    condemned: bool


@dataclass(frozen=True, slots=True)
class NotClaimed:
    """Why there is nothing to run now.

    gone: no such session. busy: another worker holds it. idle: no open ticket. parked: its head waits for its due
    time. quarantine: its head must run in quarantine. ordinary: it was asked for in quarantine and need not run there.
    """

    reason: Literal["gone", "busy", "idle", "parked", "quarantine", "ordinary"]


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """Something to announce, by reference. `id` is the event's stable id."""

    id: str
    type: str
    tenant: str
    bucket: str
    session_id: str
    customer_id: str
    at: datetime
    request_id: str | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a turn ended: `user` is stored always; `reply` and `result` on success, else `failure`."""

    user: Message
    reply: Message | None = None
    result: Result | None = None
    failure: Failure | None = None
    receipt: Receipt | None = None
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Committed:
    """The answer to a commit.

    committed: done now, or by an earlier try of the same claim. stale: another claim holds the session since.
    gone: the session was deleted. `more`: the session has another open ticket.
    """

    verdict: Literal["committed", "stale", "gone"]
    rows: tuple[OutboxRow, ...] = ()
    more: bool = False


Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a listing; `cursor` leads to the next, None at the end."""

    items: tuple[Item, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class SessionPatch:
    """What to change of a session; None leaves it as it is."""

    status: Literal["open", "closed"] | None = None
    title: str | None = None
    tags: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Deltas:
    """What a listener has not heard yet of a reply that is being written: attempt `token`, text from `offset`."""

    token: int
    offset: int
    text: str


def derived_status(stored: str, *, over: bool) -> SessionStatus:
    """Return the status people see: expiry is data, judged on read."""
    return "closed" if stored == "closed" else "expired" if over else "open"
