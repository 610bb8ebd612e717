"""What a store must promise. The rules live here and in `tests/contract`; an adapter only keeps them.

A `Store` belongs to the deployment, a `TenantStore` to one tenant: it is the only way to a tenant's records, so no
route and no task can forget the tenant. Every operation is atomic, and safe to ask again with the same arguments
when its answer was lost. Leases, due times and expiry are judged by the store's own clock.

Any operation may raise `StoreUnavailable`; then nothing is known about whether it happened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from shared.ids import SessionRef
from shared.models import AgentInstructions, ChatRequest, MemoryEntry, Message, Scope, Session
from shared.storage.types import (
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
            UnknownSession, SessionClosed, SessionExpired, SessionBusy, ConversationMismatch

        """

    async def claim(self, ref: SessionRef, nonce: str, read_tokens: int, *, quarantine: bool) -> Claim | NotClaimed:
        """Take the session's lease and lowest open ticket together, if it has work that is due and no live lease."""

    async def renew(self, claim: Claim) -> bool | None:
        """Extend the lease; return whether anyone listens to the reply, None when the claim is no longer current."""

    async def park(self, claim: Claim, due_in_ms: int, cause: str, *, asked: bool) -> bool:
        """Let the session sleep for `due_in_ms`; return False when the claim is no longer current."""

    async def commit(self, claim: Claim, outcome: Outcome) -> Committed:
        """End the turn: messages, result, receipt, counters, outbox and release, all or nothing."""

    async def append_delta(self, claim: Claim, offset: int, text: str) -> int:
        """Buffer a piece of the reply at `offset` (bytes of UTF-8); return the offset after it, or where it stands."""

    async def read_deltas(self, request_id: str, token: int, offset: int) -> Deltas:
        """Return what is buffered beyond (`token`, `offset`); a higher token starts again at 0."""

    async def listen(self, request_id: str) -> None:
        """Say, for the next minute, that someone listens to this request's reply."""


class Sessions(Protocol):
    """Sessions and their messages."""

    async def create_session(self, session_id: str, new: NewSession) -> Session:
        """Begin a session; a conversation id bound to an older one is bound to this one from now on."""

    async def session(self, session_id: str) -> Session:
        """Return the session. Raises UnknownSession."""

    async def sessions(self, customer_id: str, limit: int, cursor: str | None) -> Page[Session]:
        """Return the customer's sessions, newest first."""

    async def messages(self, session_id: str, limit: int, after: int) -> Page[Message]:
        """Return messages with a `seq` above `after`, oldest first. Raises UnknownSession."""

    async def record(self, session_id: str, message: Message, *, backdated: bool) -> Message:
        """Add a message without asking for a reply; it takes its turn, with `seq` 0 until it stands.

        `backdated`: it is history, brings its own time, and is refused by a closed session only.

        Raises:
            UnknownSession, SessionClosed, SessionExpired, SessionBusy

        """

    async def update_session(self, session_id: str, patch: SessionPatch) -> Session:
        """Change a session. Raises UnknownSession, ConversationMoved."""

    async def delete_session(self, session_id: str) -> None:
        """Remove the session and all it holds; its open requests fail as deleted. Raises UnknownSession."""

    async def request(self, request_id: str) -> ChatRequest:
        """Return a request's record. Raises UnknownRequest."""


class Memories(Protocol):
    """What is remembered of a customer across sessions."""

    async def put_memory(
        self, customer_id: str, key: str, value: Any, scope: Scope, source: str
    ) -> tuple[MemoryEntry, bool]:
        """Write an entry; return it, and whether it is new. The same key is replaced, its history kept, bounded.

        Raises:
            MemoryFull

        """

    async def memories(
        self, customer_id: str, scope: Scope | None, key: str | None, limit: int, cursor: str | None
    ) -> Page[MemoryEntry]:
        """Return entries, last written first."""

    async def delete_memory(self, customer_id: str, key: str) -> None:
        """Remove an entry and its history. Raises UnknownMemory."""

    async def instructions(self) -> AgentInstructions | None:
        """Return the tenant's instructions; None when it has set none."""

    async def put_instructions(self, text: str) -> AgentInstructions:
        """Replace the tenant's instructions; return them with their version."""


class TenantStore(Turns, Sessions, Memories, Protocol):
    """All records of one tenant, and no other's."""

    tenant: str


class Store(Protocol):
    """The deployment's store."""

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

    async def active_buckets(self, *, every: bool = False) -> list[str]:
        """Return the buckets known to have work, or `every` bucket."""

    def finished(self) -> AsyncIterator[str]:
        """Yield ids of requests that changed; an empty string when some may have been missed."""

    def listeners(self) -> AsyncIterator[str]:
        """Yield ids of requests that someone begins to listen to."""
