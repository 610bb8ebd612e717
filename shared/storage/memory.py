"""What a store promises of memory: entries, the tenant's instructions, and the pieces of the recall index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from shared.models import AgentInstructions, MemoryEntry, Message, Provenance, Scope, TicketStatus
from shared.storage.jobs import SummaryClaim
from shared.storage.types import IndexMark, Page


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


class Memories(Protocol):
    """What is remembered of a customer across sessions."""

    async def put_memory(
        self, customer_id: str, key: str, value: Any, scope: Scope, facts: EntryFacts = NO_FACTS
    ) -> tuple[MemoryEntry, bool]:
        """Write an entry as its caller; return it, and whether it is new. The same key is replaced, its history kept.

        Where there are `Limits.memory_max_entries`, one gives way: the oldest that holds no more (a resolved ticket, an
        expired entry); else the oldest that was extracted: quarantined ones first, then notes, preferences, tickets.

        Raises:
            MemoryFull: none gives way.
            CustomerErasing

        """

    async def extract_memory(
        self, claim: SummaryClaim, key: str, value: Any, scope: Scope, facts: EntryFacts
    ) -> Remembered:
        """Write an entry of the claimed session's customer, as extracted from it; `facts.said_at` must be told.

        What is newer at its source wins: it is not written where the key was written, or deleted, after it was said.
        """

    async def memories(
        self, customer_id: str, scope: Scope | None, key: str | None, limit: int, cursor: str | None
    ) -> Page[MemoryEntry]:
        """Return entries: open tickets, preferences, notes, then what holds no more; of each, last written first."""

    async def delete_memory(self, customer_id: str, key: str) -> None:
        """Remove an entry and its history; that it was removed is remembered. Raises UnknownMemory."""

    async def approve_memory(self, customer_id: str, key: str) -> MemoryEntry:
        """Let an entry in quarantine count as one that its caller writes now; another one stays as it is.

        Its provenance stays, and what it was before goes into its history. Raises UnknownMemory, CustomerErasing.
        """

    async def instructions(self) -> AgentInstructions | None:
        """Return the tenant's instructions; None when it has set none."""

    async def put_instructions(
        self, text: str, *, extraction: bool | None = None, handoff: bool | None = None
    ) -> AgentInstructions:
        """Replace the tenant's instructions; return them with their version. See `AgentInstructions`."""


class RecallIndex(Protocol):
    """The pieces of the customers' recall indexes, by session."""

    async def put_pieces(self, claim: SummaryClaim, pieces: Sequence[IndexPiece], through: int) -> bool:
        """Keep pieces, in place of those of the same number; return False when the job is no longer current."""

    async def reindex(self, session_id: str) -> None:
        """Remove the session's pieces, and make it due. Raises UnknownSession."""

    async def last_piece(self, session_id: str) -> IndexPiece | None:
        """Return the session's piece of the highest number. Raises UnknownSession."""

    async def index_changes(self, customer_id: str, since: IndexMark | None) -> IndexChanges:
        """Return what of a customer's index is new, newest first, until it is `Limits.index_bytes` long."""

    async def turns(
        self, customer_id: str, places: Sequence[tuple[str, int]], most_tokens: int
    ) -> list[tuple[str, Message]]:
        """Return messages by (session, seq), in this order, until they have so many raw tokens; what is gone, is not.

        Of one longer than that alone, nothing is returned. At most 200 are looked at. Sessions of other customers are
        not there.
        """
