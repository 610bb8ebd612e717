"""What the routes of memory take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, Field, RootModel, model_validator

from api.schemas import Asked, Cursor, Limit, Text
from shared.models import Identifier, MemoryEntry, Model, Role, Scope, TicketStatus
from shared.remembering.recaller import FoundTurn
from shared.storage.memory import EntryFacts


class MemoryBody(Asked):
    """Something to remember of a customer."""

    customer_id: Identifier
    key: Identifier
    value: Any = None
    scope: Scope = "note"
    status: TicketStatus | None = Field(None, description="of a ticket; absent: open")
    expires_at: AwareDatetime | None = Field(None, description="from then on Claude is not given it any more")

    @model_validator(mode="after")
    def _of_tickets(self) -> MemoryBody:
        if self.status is not None and self.scope != "ticket":
            message = "only an entry of scope ticket has a status"
            raise ValueError(message)
        return self

    @property
    def facts(self) -> EntryFacts:
        """How long it holds."""
        return EntryFacts(self.status or ("open" if self.scope == "ticket" else None), self.expires_at)


class MemoryQuery(Asked):
    """Which memory entries to list, or what to look for."""

    customer_id: Identifier
    scope: Scope | None = None
    key: Identifier | None = None
    query: Text | None = Field(None, max_length=2_000, description="look for this, in entries and in what was said")
    limit: Limit = 100
    cursor: Cursor | None = None


class MemoryKeyQuery(Asked):
    """One memory entry."""

    customer_id: Identifier
    key: Identifier


class TurnView(Model):
    """A message of the customer's sessions that was found."""

    session_id: str
    seq: int
    role: Role
    content: str
    at: datetime
    score: float = Field(description="how much it matters, beside the others of this answer")
    why: list[str] = Field(description="by what it was found: words, nearby, session, answer, date, meaning")
    matched: list[str] = Field(description="words of the query that stand there or close by, the rarest first")

    @classmethod
    def of(cls, found: FoundTurn) -> TurnView:
        """Return a found turn as it is told."""
        message, hit = found.message, found.hit
        return cls(
            session_id=hit.session_id,
            seq=hit.seq,
            role=message.role,
            content=message.content,
            at=message.at,
            score=round(hit.score, 3),
            why=list(hit.why),
            matched=list(hit.matched),
        )


class MemoryFound(Model):
    """What was found for a query, of entries and of what was said: what matters most first."""

    entries: list[MemoryEntry]
    turns: list[TurnView]


class MemoryAnswer(RootModel[list[MemoryEntry] | MemoryFound]):
    """Memory entries, last written first; with a query, what was found."""
