"""What the store takes and gives: values without behaviour. Times in `_ms` are milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, Literal, TypeVar

from shared.ids import SessionRef
from shared.models import (
    AgentInstructions,
    Attachment,
    ChatRequest,
    Failure,
    Handler,
    MemoryEntry,
    Message,
    Metadata,
    Provenance,
    Receipt,
    Result,
    Session,
    SessionStatus,
    Strategy,
    TicketStatus,
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


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session begins with."""

    customer_id: str
    conversation_id: str | None = None
    metadata: Metadata = field(default_factory=dict)
    model: str | None = None
    compression_strategy: Strategy | None = None
    token_budget: TokenBudget | None = None


# A burst has at most so many requests, and its messages together so many bytes of UTF-8. It waits for the next one at
# most so many times as long as its first request asked for.
BURST_MOST: Final = 10
BURST_BYTES: Final = 400_000
BURST_WINDOWS: Final = 5

OF_TENANT: Final = "tenant"
OF_HOOK: Final = "hook:"


def hook_of(callback: str | None) -> str | None:
    """Return the id of the hook through which a result is posted; None where it goes elsewhere, or nowhere."""
    return callback.removeprefix(OF_HOOK) if callback is not None and callback.startswith(OF_HOOK) else None


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
    attachments: tuple[Attachment, ...] = ()
    callback: str | None = None
    """Where its result is posted: an address; OF_TENANT, the tenant's own as it is by then; a hook, see `hook_of`."""
    handoff: bool = False
    """Whether the agent may hand the conversation to a person."""
    coalesce_ms: int = 0
    """So long the next message is waited for, so that both are answered at once; 0: not at all. See `Turns.claim`."""
    replay_of: str | None = None
    """The failed request that it asks again."""


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
class EntryFacts:
    """What is known of a memory entry besides its value.

    How long it holds: a ticket until it is resolved, any entry until it expires, if it does. Of an extracted one: when
    it was said, by which message, how sure that is, and whether it is put into quarantine.
    """

    status: TicketStatus | None = None
    expires_at: datetime | None = None
    said_at: datetime | None = None
    provenance: Provenance | None = None
    confidence: float | None = None
    quarantined: bool = False


NO_FACTS = EntryFacts()


# What became of an entry that was extracted. same: it stood so already. older: what stands was written, or deleted,
# after it was said. full: there is no room, and nothing that gives way. stale: the job is no longer the current one.
Remembered = Literal["created", "replaced", "same", "older", "full", "stale"]


@dataclass(frozen=True, slots=True)
class KeptSummary:
    """A session's summary as kept: JSON that only its makers read, which covers messages through the seq `through`."""

    value: str
    through: int
    version: int


@dataclass(frozen=True, slots=True)
class KeptDigest:
    """What is left of a session that ended, as kept: JSON, when its last of `messages` messages came."""

    session_id: str
    value: str
    ended_at: datetime
    messages: int


@dataclass(frozen=True, slots=True)
class IndexMark:
    """The state of a customer's recall index. Within an epoch pieces are only added or replaced; none is removed."""

    epoch: int
    version: int


@dataclass(frozen=True, slots=True)
class IndexPiece:
    """A piece of a session's index, as kept: bytes that only their makers read. Numbers count from 0."""

    session_id: str
    number: int
    value: bytes


@dataclass(frozen=True, slots=True)
class IndexChanges:
    """What of a customer's index is new since a mark: all of it where the epoch is another (`anew`), newest first."""

    mark: IndexMark
    pieces: tuple[IndexPiece, ...]
    anew: bool


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
    pin: str | None = None
    """Where this session's context was last compacted, as the commit before wrote it; opaque to the store."""
    summary: KeptSummary | None = None
    digests: tuple[KeptDigest, ...] = ()
    """Of the customer's other sessions, of the one that ended last first."""
    index: IndexMark | None = field(default=None, compare=False)
    """What the customer's recall index is by now; None where there is none."""
    instructions: AgentInstructions | None = field(default=None, compare=False)
    """The tenant's, or NONE_SET, where the store can read them along; None: whoever needs them asks for them."""
    pinned_summary: KeptSummary | None = None
    """The version of the summary that the pin was written with, where it is kept and another one is there since."""
    burst: tuple[ChatRequest, ...] = ()
    """The requests behind it that the same reply answers. The first claim fixes them, later ones bring the same."""

    @property
    def requests(self) -> tuple[ChatRequest, ...]:
        """All that the turn answers, in the order accepted."""
        return (self.request, *self.burst)


@dataclass(frozen=True, slots=True)
class NotClaimed:
    """Why there is nothing to run now.

    gone: no such session. busy: another worker holds it. idle: no open ticket. parked: its head waits for its due
    time. quarantine: its head must run in quarantine. ordinary: it was asked for in quarantine and need not run there.
    """

    reason: Literal["gone", "busy", "idle", "parked", "quarantine", "ordinary"]
    due_in_ms: int = field(default=0, compare=False)
    """When parked: how long it waits."""


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
    callback: str | None = None
    """Where it is posted besides; see `NewRequest.callback`."""
    merged: str | None = None
    """Who was merged into the customer, where that is what happened; no session belongs to it."""
    after: str | None = None
    """Where that is a hook: the request of the same session whose result goes there before, if there was one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a turn ended: `user` and `more` are stored always; `reply` and `result` on success, else `failure`.

    `more`: the messages of the claim's burst, in order; all of its requests end the same.
    """

    user: Message
    reply: Message | None = None
    result: Result | None = None
    failure: Failure | None = None
    receipt: Receipt | None = None
    asked: bool = False
    pin: str | None = None
    """Where the context was compacted, for the next turn; None leaves what is there."""
    pinned_summary: int = 0
    """The version of the summary that the pin builds on, which the next claim brings too; 0 for none."""
    more: tuple[Message, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        """All that is stored, in order."""
        return (self.user, *self.more, self.reply) if self.reply else (self.user, *self.more)

    @property
    def handed_off(self) -> bool:
        """Whether the agent handed the conversation to a person: from then on it is theirs."""
        return self.result is not None and self.result.handoff is not None


@dataclass(frozen=True, slots=True)
class Committed:
    """The answer to a commit.

    committed: done now, or by an earlier try of the same claim. stale: another claim holds the session since.
    gone: the session was deleted. taken: a person has it, so a reply was refused; a failure is not. `more`: the session
    has another open ticket.
    """

    verdict: Literal["committed", "stale", "gone", "taken"]
    rows: tuple[OutboxRow, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What was learned of a model's tokens, opaque to the store, and how often it was written."""

    value: str
    version: int


SummaryReason = Literal["asked", "ended", "threshold", "idle", "memory", "forced"]


@dataclass(frozen=True, slots=True)
class Cold:
    """Messages whose reading for memory entries was left to a batch: those after `after`, through `through`.

    `batch`: which batch has them; "" for none yet.
    """

    after: int
    through: int
    batch: str = ""

    def __str__(self) -> str:
        """Return it as kept; empty where there is none."""
        return f"{self.after} {self.through} {self.batch}" if self.through > self.after else ""

    @classmethod
    def parse(cls, kept: str) -> Cold | None:
        """Return what was kept; None for none."""
        if not kept:
            return None
        after, through, batch = kept.split(" ")
        return cls(int(after), int(through), batch)


NOT_COLD: Final = Cold(0, 0)


@dataclass(frozen=True, slots=True)
class SummaryClaim:
    """A session's summary job, held under a fencing token of its own.

    asked: somebody asked for it. ended: it is over, and needs its digest. threshold: more tokens than the limit are in
    no summary. idle: nobody has said a word for long. memory: nobody has said a word for a little, or much was said,
    and it is not in the recall index, or was not read for memory entries. forced: it was taken though nothing is due.
    Where several hold, the first of these is told. `behind`: raw tokens that no summary covers. `tries`: jobs in a row
    that failed before.
    """

    ref: SessionRef
    token: Token
    session: Session
    reason: SummaryReason
    behind: int
    summary: KeptSummary | None
    now: datetime
    version: int = 0
    """How often a summary was written or taken out."""
    tries: int = 0
    indexed: int = 0
    """Through which seq the session is in the recall index, and through which it was read for memory entries."""
    read: int = 0
    unread: int = 0
    """Raw tokens that were not."""
    cold: Cold | None = None
    """What was left to a batch: it counts as read."""


@dataclass(frozen=True, slots=True)
class SummaryOutcome:
    """How a summary job ended.

    `summary`, `through`, `tokens`: the new summary, through which seq, and how many raw tokens it covers more than the
    one before. `digest`: of a session that is over. `again_in_ms`: it failed, and is to be tried again after that.
    `left`: messages that it was to cover are not covered; else the session is left alone until there is more to read.
    """

    summary: str | None = None
    through: int = 0
    tokens: int = 0
    digest: str | None = None
    again_in_ms: int | None = None
    left: bool = False
    read: int | None = None
    """Through which seq the session was read for memory entries, None: it was not; and raw tokens that this was."""
    read_tokens: int = 0
    remembered: bool = False
    """Whether memory entries were written or resolved: then that is announced."""
    cold: Cold | None = None
    """What is left to a batch from now on: NOT_COLD for nothing more, None: as before."""


@dataclass(frozen=True, slots=True)
class DueSummary:
    """A session whose summary may be due, and since when."""

    ref: SessionRef
    since: datetime


@dataclass(frozen=True, slots=True)
class KeptPart:
    """A part of a batch as kept: JSON that only its makers read. Part 0 is the batch itself."""

    number: int
    value: str
    version: int


@dataclass(frozen=True, slots=True)
class RunningPart:
    """A part of a batch that somebody has to go on with."""

    tenant: str
    batch_id: str
    number: int


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
    handler: Handler | None = None


@dataclass(frozen=True, slots=True)
class Deltas:
    """What a listener has not heard yet of a reply that is being written: attempt `token`, text from `offset`."""

    token: int
    offset: int
    text: str


def derived_status(stored: str, *, over: bool) -> SessionStatus:
    """Return the status people see: expiry is data, judged on read."""
    return "closed" if stored == "closed" else "expired" if over else "open"
