"""What the routes of summaries, digests and batches take and give."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, Field, RootModel, StringConstraints, model_validator

from api.schemas import Asked, Limit, SessionId
from shared.models import Identifier, Model, SummaryCost
from shared.storage.types import KeptDigest, KeptSummary
from shared.summaries.kept import DigestRecord, SummaryRecord
from shared.summarising.batch import BatchItem, BatchKind, BatchSelection, BatchView, ItemState

MOST_SESSIONS = 10_000


class SummaryView(Model):
    """A session's summary."""

    session_id: str
    text: str
    covers_from: int = Field(description="seq of the first message it covers")
    covers_through: int = Field(description="seq of the last message it covers")
    version: int
    tokens: int = Field(description="raw tokens of the text")
    model: str
    verified: Literal["first-try", "repaired", "appended"]
    created_at: datetime
    cost: SummaryCost

    @classmethod
    def of(cls, session_id: str, kept: KeptSummary) -> SummaryView:
        """Return what callers see of a kept summary."""
        record = SummaryRecord.model_validate_json(kept.value)
        return cls(
            session_id=session_id,
            text=record.text,
            covers_from=record.covers_from,
            covers_through=kept.through,
            version=kept.version,
            tokens=record.tokens,
            model=record.model,
            verified=record.verified,
            created_at=record.created_at,
            cost=record.cost,
        )


class SummaryList(RootModel[list[SummaryView]]):
    """Summaries of one session."""


class SummaryAsked(Model):
    """A summary that was asked for."""

    session_id: str
    status: Literal["queued"] = "queued"


class DigestsQuery(Asked):
    """Whose digests."""

    customer_id: Identifier
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class DigestView(Model):
    """What is left of a session that is over."""

    session_id: str
    ended_at: datetime
    messages: int
    topic: str
    outcome: Literal["resolved", "unresolved", "handed_over", "unknown"]
    open_points: list[str]
    promises: list[str]
    identifiers: list[str]
    model: str | None = Field(None, description="who recorded it; absent: drawn from the text, without a model")

    @classmethod
    def of(cls, kept: KeptDigest) -> DigestView:
        """Return what callers see of a kept digest."""
        record = DigestRecord.model_validate_json(kept.value)
        return cls(
            session_id=kept.session_id,
            ended_at=kept.ended_at,
            messages=kept.messages,
            model=record.model,
            **record.digest.model_dump(),
        )


class DigestList(RootModel[list[DigestView]]):
    """Digests of one customer."""


class BatchBody(Asked):
    """Which sessions to summarise, or to read for memory entries; just one of the ways to say which."""

    kind: BatchKind = Field("summary", description="what to make of them: a summary, or memory entries")
    session_ids: Annotated[list[SessionId], Field(min_length=1, max_length=MOST_SESSIONS)] | None = None
    customer_id: Identifier | None = None
    idle_hours: Annotated[float, Field(ge=0, le=100_000)] | None = Field(
        None,
        description="all sessions silent for so long, of which something is left to do",
    )

    @model_validator(mode="after")
    def _one(self) -> BatchBody:
        given = [each is not None for each in (self.session_ids, self.customer_id, self.idle_hours)]
        if sum(given) != 1:
            message = "give just one of sessionIds, customerId and idleHours"
            raise ValueError(message)
        return self

    def selection(self, now: datetime) -> BatchSelection:
        """Return what is meant, as kept."""
        idle = None if self.idle_hours is None else now - timedelta(hours=self.idle_hours)
        return BatchSelection(session_ids=tuple(self.session_ids or ()), customer_id=self.customer_id, idle_since=idle)


class BatchIdPath(BaseModel):
    """Which batch."""

    batch_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class ListQuery(Asked):
    """How many."""

    limit: Limit = 50


class BatchResultsQuery(Asked):
    """Which page."""

    cursor: Annotated[int, Field(ge=0, le=100_000)] = 0


class BatchList(RootModel[list[BatchView]]):
    """Batches of one tenant."""


class BatchResultView(Model):
    """What became of one session."""

    session_id: str
    state: ItemState
    cause: str | None = None

    @classmethod
    def of(cls, item: BatchItem) -> BatchResultView:
        """Return what callers see of a session in a batch."""
        return cls(session_id=item.session_id, state=item.state, cause=item.cause)


class BatchResultList(RootModel[list[BatchResultView]]):
    """Sessions of one batch."""
