"""What a store must promise. The rules live here and in `tests/contract`; an adapter only keeps them.

A `Store` belongs to the deployment, a `TenantStore` to one tenant: it is the only way to a tenant's records, so no
route and no task can forget the tenant. Every operation is atomic, and safe to ask again with the same arguments
when its answer was lost. Leases, due times and expiry are judged by the store's own clock.

Any operation may raise `StoreUnavailable`; then nothing is known about whether it happened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol, Self

from shared.ids import SessionRef
from shared.models import ChatRequest, Message, Session
from shared.storage.access import AccessKeys
from shared.storage.deliveries import Deliveries, DueDeliveries
from shared.storage.hooks import AllHooks, HookRecords
from shared.storage.jobs import Batches, DueSummary, RunningPart, Summaries
from shared.storage.memory import Memories, RecallIndex
from shared.storage.tenant_index import DeploymentIndex, TenantIndex
from shared.storage.types import (
    Calibrated,
    Claim,
    Committed,
    Deltas,
    NewRequest,
    NewSession,
    NotClaimed,
    OutboxRow,
    Outcome,
    Page,
    Reservation,
    SessionPatch,
)


class Turns(Protocol):
    """The path of a request."""

    async def reserve(self, key: str, fingerprint: str, request_id: str) -> Reservation:
        """Tie an idempotency key to `request_id` for 24 h, or tell what it is tied to already."""

    async def accept(self, request: NewRequest, new_session_id: str) -> str:
        """Give the request the next ticket of its session, durably; return the session's id.

        Raises:
            UnknownSession, SessionClosed, SessionExpired, SessionBusy, ConversationMismatch, CustomerErasing

        """

    async def claim(self, ref: SessionRef, nonce: str, read_tokens: int, *, quarantine: bool) -> Claim | NotClaimed:
        """Take the session's lease and lowest open ticket together, if it has work that is due and no live lease.

        A request with `coalesce_ms` is due so long after the last one of its burst: of those behind it in the inbox
        that have it too, with nothing between, within `BURST_MOST` and `BURST_BYTES`. `BURST_WINDOWS` times its own
        `coalesce_ms`, or half the time to its deadline, after it was accepted, it is due in any case. The first claim
        fixes the burst: it is claimed, parked and committed as one.
        """

    async def renew(self, claim: Claim) -> bool | None:
        """Extend the lease; return whether anyone listens to the reply, None when the claim is no longer current."""

    async def park(self, claim: Claim, due_in_ms: int, cause: str, *, asked: bool) -> bool:
        """Let the session sleep for `due_in_ms`; return False when the claim is no longer current."""

    async def commit(self, claim: Claim, outcome: Outcome) -> Committed:
        """End the turn: messages, result, receipt, counters, outbox and release, all or nothing.

        Each request of a burst gets the result and a row of its own; the receipt stays with the first, and only the
        first row leads to a hook. Where the agent hands the conversation off, another row tells of that; it is not
        returned.
        """

    async def append_delta(self, claim: Claim, offset: int, text: str) -> int:
        """Buffer a piece of the reply at `offset` (bytes of UTF-8); return the offset after it, or where it stands."""

    async def read_deltas(self, request_id: str, token: int, offset: int) -> Deltas:
        """Return what is buffered beyond (`token`, `offset`); a higher token starts again at 0."""

    async def listen(self, request_id: str) -> None:
        """Say, for the next minute, that someone listens to this request's reply."""


class Sessions(Protocol):
    """Sessions and their messages."""

    async def create_session(self, session_id: str, new: NewSession) -> Session:
        """Begin a session; a conversation id bound to an older one is bound to this one from now on.

        Raises CustomerErasing.
        """

    async def session(self, session_id: str) -> Session:
        """Return the session. Raises UnknownSession."""

    async def bound_session(self, customer_id: str, conversation_id: str) -> Session | None:
        """Return the session that the customer's conversation is bound to, over or not; None where there is none."""

    async def sessions(self, customer_id: str, limit: int, cursor: str | None) -> Page[Session]:
        """Return the customer's sessions, newest first."""

    async def messages(self, session_id: str, limit: int, after: int) -> Page[Message]:
        """Return messages with a `seq` above `after`, oldest first. Raises UnknownSession."""

    async def record(self, session_id: str, message: Message, *, backdated: bool, once: str | None = None) -> Message:
        """Add a message without asking for a reply; it takes its turn, with `seq` 0 until it stands.

        `backdated`: it is history, brings its own time, and is refused by a closed session only. `once`: a name under
        which the session takes one message in 24 hours; asked again with it, nothing is added.

        Raises:
            UnknownSession, SessionClosed, SessionExpired, SessionBusy

        """

    async def redact(self, session_id: str, seq: int) -> Message:
        """Take the text out of a message for ever, with the summary and the digest that were made of it; return it.

        What was made is due again, what was extracted from it goes as with a deleted session, a job under way stores
        nothing, and the pin is broken. Raises UnknownSession, UnknownMessage.
        """

    async def update_session(self, session_id: str, patch: SessionPatch) -> Session:
        """Change a session; where that closes it, or changes who handles it, an event tells so.

        Raises UnknownSession, ConversationMoved.
        """

    async def delete_session(self, session_id: str) -> None:
        """Remove the session and all it holds; its open requests fail as deleted. Raises UnknownSession.

        What was extracted from it goes too: an entry stands as it was before, or is removed where it came from nowhere
        else.
        """

    async def request(self, request_id: str) -> ChatRequest:
        """Return a request's record. Raises UnknownRequest."""


class Customers(Protocol):
    """All that is kept of a customer, as one."""

    async def erase_customer(self, customer_id: str) -> bool:
        """Erase a customer, as far as one call goes; return whether anything is left to remove.

        Once it has returned, nothing of theirs can be read, and nothing in flight can be written: open requests fail as
        deleted, claims are gone, jobs are stale. While anything is left, the id takes nothing new (`CustomerErasing`);
        asking again goes on with it, and so does the sweep. Afterwards the id may be used anew. One of whom nothing is
        known is erased already. Who was merged into them is erased with them.

        Raises CustomerMerged.
        """

    async def merge_customer(self, source: str, into: str) -> int:
        """Merge a customer into another, as far as one call goes; return how many sessions are left to move, at least.

        At the end 0 is returned, and not before all else has moved too.

        All that is kept of them becomes the other's: sessions, under the ids they have, with their open requests and
        jobs; entries, of which the newer at its source stands and the earlier values of both are kept; digests, index.
        A conversation that the other has open under the same id stays where it is. From the first call on `source`
        stands for `into`, whatever is asked of it. While anything is left, asking again goes on, and so does the sweep.
        One that is merged already is merged.

        Raises:
            MergeRefused, UnknownCustomer, CustomerErasing
            CustomerMerged: into somebody else.
            MergeBusy: another merge of either is under way.

        """


class Counters(Protocol):
    """How often things happened; for people to look at. A lost answer may count something twice."""

    async def count(self, name: str, number: int = 1) -> None:
        """Count so many more."""

    async def counts(self) -> dict[str, int]:
        """Return all counts by name."""


class TenantStore(
    Turns,
    Sessions,
    Memories,
    Summaries,
    RecallIndex,
    Customers,
    Batches,
    Deliveries,
    HookRecords,
    Counters,
    TenantIndex,
    Protocol,
):
    """All records of one tenant, and no other's."""

    tenant: str


class Store(DueDeliveries, DeploymentIndex, AllHooks, Protocol):
    """The deployment's store."""

    async def __aenter__(self) -> Self:
        """Return the store; it is closed with the block."""

    async def __aexit__(self, *exception: object) -> None:
        """Close it."""

    @property
    def access(self) -> AccessKeys:
        """The deployment's API keys."""

    def tenant(self, tenant: str) -> TenantStore:
        """Return the only door to a tenant's records."""

    async def ping(self) -> None:
        """Return when the store answers."""

    async def close(self) -> None:
        """Let connections go."""

    async def overdue(self, bucket: str, limit: int) -> list[tuple[SessionRef, bool]]:
        """Return sessions whose wake time has passed, and whether in quarantine; back off each that is returned."""

    async def take_rows(self, bucket: str, limit: int) -> list[OutboxRow]:
        """Return outbox rows that are due, under a lease: they come back unless struck."""

    async def strike(self, bucket: str, row_ids: Sequence[str]) -> None:
        """Remove rows that have been announced."""

    async def due_summaries(self, bucket: str, limit: int) -> list[DueSummary]:
        """Return sessions whose summary may be due, longest due first, at most `limit` of each tenant.

        Claiming one tells whether it is. Of very many that are due, the latest may be passed over for now.
        """

    async def launch_summary(self, ref: SessionRef) -> bool:
        """Count a job as in flight, and its session as due when the job's lease ends; False where it is not due."""

    async def summaries_in_flight(self) -> list[SessionRef]:
        """Return the sessions whose jobs were launched, and have not ended within their lease."""

    async def running_parts(self) -> list[RunningPart]:
        """Return the parts of batches that have not ended."""

    def cold_sessions(self) -> AsyncIterator[SessionRef]:
        """Yield the sessions whose reading was left to a batch, in any order; one may be gone, or read since."""

    async def now(self) -> datetime:
        """Return the time by the store's clock."""

    async def active_buckets(self, *, every: bool = False) -> list[str]:
        """Return the buckets known to have work, or `every` bucket."""

    async def calibration(self) -> dict[str, Calibrated]:
        """Return what was learned of tokens, by name: the learner's, opaque to the store, as `model` below."""

    async def calibrate(self, model: str, value: str, version: int) -> bool:
        """Keep what was learned, if `version` is still the one that is kept (0: none); return whether it was."""

    async def sweep(self, bucket: str, limit: int) -> int:
        """Remove what is past its retention, half deleted or half erased; return how much.

        What the store removes by itself is not counted.
        """

    def finished(self) -> AsyncIterator[str]:
        """Yield ids of requests that changed; an empty string when some may have been missed."""

    def listeners(self) -> AsyncIterator[str]:
        """Yield ids of requests that someone begins to listen to."""
