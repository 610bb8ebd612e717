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
    Receipt,
    Result,
    Session,
    SessionStatus,
    Strategy,
    TokenBudget,
)


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

# Who changes who handles a session: a platform that a hook hears of, a caller of the API, or the agent's hand-off.
Changer = Literal["platform", "api", "agent"]

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
    handler: Handler | None = None
    """Who handles the session from now on, where that is what happened."""
    by: Changer | None = None
    """Who changed that."""


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


Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a listing; `cursor` leads to the next, None at the end."""

    items: tuple[Item, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class SessionPatch:
    """What to change of a session; None leaves it as it is. `by`: who says who handles it."""

    status: Literal["open", "closed"] | None = None
    title: str | None = None
    tags: Sequence[str] | None = None
    handler: Handler | None = None
    by: Changer = "api"


@dataclass(frozen=True, slots=True)
class Deltas:
    """What a listener has not heard yet of a reply that is being written: attempt `token`, text from `offset`."""

    token: int
    offset: int
    text: str


def derived_status(stored: str, *, over: bool) -> SessionStatus:
    """Return the status people see: expiry is data, judged on read."""
    return "closed" if stored == "closed" else "expired" if over else "open"
