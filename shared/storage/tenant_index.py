"""The tenant index: what can be listed of a tenant as a whole. It lags, is no part of a commit, and proves nothing.

It is fed by notes of what has happened, each of which may come twice, late, or out of order. A line of a list leads to
the record it is about; what the record says counts, and a line that leads nowhere is forgotten when it is met.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal, Protocol

from shared.models import Failure, RequestStatus, TokenUsage
from shared.storage.types import Page

# What of a tenant may have changed, for pages that are open.
Topic = Literal["requests", "customers", "usage", "deliveries", "batches", "actions"]
TOPICS: Final[tuple[Topic, ...]] = ("requests", "customers", "usage", "deliveries", "batches", "actions")
# What Claude was used for. batch: summaries at half price.
Purpose = Literal["reply", "summary", "extraction", "batch"]
Ended = Literal["succeeded", "failed"]
# Where a request is listed: `open` until its end was noted.
Shelf = Literal["open", "succeeded", "failed"]
SHELVES: Final[tuple[Shelf, ...]] = ("open", "succeeded", "failed")

MOST_LISTED: Final = 100_000  # requests of a shelf
MOST_COUNTED: Final = 1_000  # sessions of a customer, open requests of a tenant
MOST_ACTIONS: Final = 10_000
ACTIONS_KEPT_MS: Final = 365 * 86_400_000
USAGE_KEPT_DAYS: Final = 400
FAULT_HOURS: Final = 24
COUNTED_KEPT_MS: Final = 2 * 86_400_000  # since it was told last: nothing is announced again so long after
HEARD_MS: Final = 30_000  # a worker that was not heard of for so long is gone
HOUR_MS: Final = 3_600_000
PSEUDONYM_CHARS: Final = 16


@dataclass(frozen=True, slots=True)
class UsageKind:
    """What usage is added up by."""

    day: str
    """UTC, as in ISO 8601."""
    model: str
    purpose: Purpose = "reply"
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """What one reply or job took; counted once by its `id`. `nanos`: its price in billionths of a US dollar."""

    id: str
    kind: UsageKind
    usage: TokenUsage
    nanos: int = 0


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What was used in all."""

    kind: UsageKind
    turns: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    nanos: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        """Its numbers in the order of NUMBERS."""
        return self.turns, self.input, self.output, self.cache_read, self.cache_write, self.nanos


NUMBERS: Final = ("turns", "input", "output", "cache_read", "cache_write", "nanos")


def row_of(spent: Spent) -> UsageRow:
    """Return what something took as a row of its own."""
    usage = spent.usage
    return UsageRow(spent.kind, 1, usage.input, usage.output, usage.cache_read, usage.cache_write, spent.nanos)


@dataclass(frozen=True, slots=True)
class Notes:
    """What has happened in a tenant, with times in milliseconds.

    `opened`: when requests were accepted. `ended`: the same, and how they ended. `active`: when customers were heard of
    last. `faults`: how often Claude failed, by cause. `changed`: what has changed besides.
    """

    opened: Mapping[str, int] = field(default_factory=dict)
    ended: Mapping[str, tuple[int, Ended]] = field(default_factory=dict)
    active: Mapping[str, int] = field(default_factory=dict)
    spent: Mapping[str, Spent] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    changed: frozenset[Topic] = frozenset()

    @property
    def topics(self) -> tuple[Topic, ...]:
        """What they change."""
        told: dict[Topic, bool] = {
            "requests": bool(self.opened or self.ended),
            "customers": bool(self.active),
            "usage": bool(self.spent),
        }
        return tuple(topic for topic in TOPICS if told.get(topic) or topic in self.changed)


@dataclass(frozen=True, slots=True)
class ListedRequest:
    """A request as lists tell it: its record without what was said."""

    id: str
    session_id: str
    customer_id: str
    status: RequestStatus
    accepted_at: datetime
    deadline_at: datetime
    finished_at: datetime | None = None
    attempts: int = 0
    waiting_for: str | None = None
    due_at: datetime | None = None
    failure: Failure | None = None
    model: str | None = None
    replay_of: str | None = None


@dataclass(frozen=True, slots=True)
class KnownCustomer:
    """A customer of whom something is kept. Of sessions at most MOST_COUNTED are counted."""

    id: str
    last_activity_at: datetime | None
    sessions: int
    entries: int


@dataclass(frozen=True, slots=True)
class CustomerAccount:
    """The same of one, with how many entries are in quarantine."""

    known: KnownCustomer
    quarantined: int


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody did through the API, for people to look at. `by`: a key's id, or another word for who it was."""

    id: str
    at: datetime
    action: str
    by: str
    subject: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a worker process tells of itself. `breakers`: how Claude is asked, by model."""

    name: str
    role: str
    breakers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeenWorker:
    """A worker process that was heard of lately."""

    heartbeat: Heartbeat
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """Sessions with open requests: how many, and of these how many are overdue."""

    due: int
    overdue: int


class TenantIndex(Protocol):
    """The index of one tenant."""

    async def note(self, notes: Notes) -> None:
        """Take notes. What is noted again changes nothing: nothing is counted twice by the same id."""

    async def listed_requests(
        self, status: RequestStatus | None, limit: int, cursor: str | None
    ) -> Page[ListedRequest]:
        """Return requests, the one accepted last first; of one status or of all. A page may hold fewer."""

    async def open_requests(self) -> int:
        """Return how many requests have not ended, as far as that was noted; MOST_COUNTED at most."""

    async def customers(self, query: str, limit: int, cursor: str | None) -> Page[KnownCustomer]:
        """Return customers, of whom something was heard last first; those whose id contains `query`, in any case.

        A page may hold fewer: a bounded number is looked at.
        """

    async def customer(self, customer_id: str) -> CustomerAccount:
        """Return what is known of a customer. Raises UnknownCustomer."""

    async def pseudonym(self, customer_id: str) -> str:
        """Return the name by which actions speak of a customer: a hash that only this tenant's store can make."""

    async def salt(self, given: str) -> str:
        """Return what pseudonyms are made with, in hexadecimal: `given`, where there was none before."""

    async def usage(self, since: date) -> list[UsageRow]:
        """Return what was used since that day (UTC), the newest day first, then by model."""

    async def put_usage(self, row: UsageRow) -> None:
        """Let a day's usage be this, whatever it was: for moving between stores."""

    async def faults(self) -> dict[str, int]:
        """Return how often Claude failed within the last day, by cause, by full hours."""

    async def act(self, action: Action) -> None:
        """Keep an action; the same id again changes nothing."""

    async def actions(self, limit: int, cursor: str | None) -> Page[Action]:
        """Return actions, newest first."""

    async def changes(self) -> dict[str, int]:
        """Return a number for each topic that is another one whenever something of it has changed."""


class DeploymentIndex(Protocol):
    """What is known of the deployment as a whole."""

    async def beat(self, heartbeat: Heartbeat) -> None:
        """Note that a worker process lives."""

    async def workers(self) -> list[SeenWorker]:
        """Return the worker processes heard of within HEARD_MS, by role and name."""

    async def waiting(self) -> Waiting:
        """Return how much waits, by the wake index. Of very much, not all is counted."""

    async def tenants(self) -> list[str]:
        """Return the tenants of whom anything was noted, by name."""


def pseudonym_of(customer_id: str, salt: str) -> str:
    """Return a customer's pseudonym."""
    digest = hmac.new(bytes.fromhex(salt), customer_id.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return digest.hexdigest()[:PSEUDONYM_CHARS]


def matches(customer_id: str, query: str) -> bool:
    """Return whether a customer's id contains what is looked for, whatever its case."""
    return query.casefold() in customer_id.casefold()
