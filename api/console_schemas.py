"""What the routes of the console take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, RootModel

from api.schemas import Asked, ChatAccepted, Cursor, Limit
from shared.models import Failure, Identifier, Model, RequestStatus
from shared.storage.tenant_index import (
    Action,
    CustomerAccount,
    KnownCustomer,
    ListedRequest,
    Purpose,
    SeenWorker,
    UsageRow,
)

NANO = 1_000_000_000
Breaker = Literal["closed", "open", "half-open", "unknown"]


class PageQuery(Asked):
    """Which page of a list."""

    limit: Limit = 50
    cursor: Cursor | None = None


class CustomersQuery(PageQuery):
    """Which customers to list."""

    cursor: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None
    query: Identifier | None = Field(None, description="only those whose id contains this, in any case")


class RequestsQuery(PageQuery):
    """Which requests to list."""

    status: RequestStatus | None = None


class UsageQuery(Asked):
    """Usage of which days."""

    days: int = Field(30, ge=1, le=366, description="how many days, today the last one")


class ActionsQuery(PageQuery):
    """Which actions to list."""

    cursor: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None


class ApproveBody(Asked):
    """An entry in quarantine that is to count."""

    customer_id: Identifier
    key: Identifier


class TenantView(Model):
    """A tenant."""

    tenant: str
    keys: int = Field(description="keys that open it, and are not revoked")


class TenantList(RootModel[list[TenantView]]):
    """Tenants, by name."""


class CustomerView(Model):
    """A customer of whom something is kept."""

    customer_id: str
    last_activity_at: datetime | None = Field(None, description="when they were heard of last, or an entry was written")
    sessions: int = Field(description="at most 1,000 are counted")
    entries: int

    @classmethod
    def of(cls, known: KnownCustomer) -> CustomerView:
        """Return what callers see of a customer."""
        return cls(
            customer_id=known.id,
            last_activity_at=known.last_activity_at,
            sessions=known.sessions,
            entries=known.entries,
        )


class CustomerList(RootModel[list[CustomerView]]):
    """Customers, of whom something was heard last first."""


class CustomerAccountView(CustomerView):
    """The same of one."""

    quarantined: int = Field(description="entries that wait to be approved or discarded")
    pseudonym: str = Field(description="the name by which actions speak of them")

    @classmethod
    def of_account(cls, account: CustomerAccount, pseudonym: str) -> CustomerAccountView:
        """Return what callers see of one customer."""
        told = CustomerView.of(account.known).model_dump()
        return cls(**told, quarantined=account.quarantined, pseudonym=pseudonym)


class RequestView(Model):
    """A chat request, without what was said."""

    request_id: str
    session_id: str
    customer_id: str
    status: RequestStatus
    accepted_at: datetime
    deadline_at: datetime
    finished_at: datetime | None = None
    attempts: int = Field(0, description="how often Claude was asked")
    waiting_for: str | None = None
    due_at: datetime | None = None
    failure: Failure | None = None
    model: str | None = Field(None, description="the model that was asked for by name")
    replay_of: str | None = Field(None, description="the failed request that it asks again")

    @classmethod
    def of(cls, listed: ListedRequest) -> RequestView:
        """Return what callers see of a listed request."""
        named = {name: getattr(listed, name) for name in cls.model_fields if name != "request_id"}
        return cls(request_id=listed.id, **named)


class RequestList(RootModel[list[RequestView]]):
    """Requests, newest first."""


class ReplayAccepted(ChatAccepted):
    """A failed request is asked again."""

    replay_of: str


class UsageView(Model):
    """What was used of a model on a day."""

    day: str = Field(description="UTC")
    model: str
    purpose: Purpose
    simulated: bool
    turns: int = Field(description="replies, jobs, or sessions of batches")
    input: int
    output: int
    cache_read: int
    cache_write: int
    estimated_cost: float | None = Field(None, description="US dollars; absent: no price is known")

    @classmethod
    def of(cls, row: UsageRow, *, priced: bool) -> UsageView:
        """Return what callers see of usage."""
        kind = row.kind
        return cls(
            day=kind.day,
            model=kind.model,
            purpose=kind.purpose,
            simulated=kind.simulated,
            turns=row.turns,
            input=row.input,
            output=row.output,
            cache_read=row.cache_read,
            cache_write=row.cache_write,
            estimated_cost=round(row.nanos / NANO, 6) if priced else None,
        )


class UsageList(RootModel[list[UsageView]]):
    """Usage by day and model, newest day first."""


class ActionView(Model):
    """What somebody did."""

    id: str
    at: datetime
    action: str
    by: str = Field(description="a key's id; `open`: none was needed; `cli`")
    subject: str
    tenant: str

    @classmethod
    def of(cls, action: Action, tenant: str) -> ActionView:
        """Return what callers see of an action."""
        return cls(
            id=action.id, at=action.at, action=action.action, by=action.by, subject=action.subject, tenant=tenant
        )


class ActionList(RootModel[list[ActionView]]):
    """Actions, newest first."""


class ClaudeView(Model):
    """How Claude is."""

    simulated: bool = Field(description="true: the bundled simulator answers, not Claude")
    breaker: Breaker = Field(description="the worst that any worker tells")
    errors: dict[str, int] = Field(description="how often Claude failed this tenant within a day, by type")


class QueueView(Model):
    """A queue of the broker."""

    name: str
    depth: int


class WorkerView(Model):
    """A worker process that was heard of lately."""

    name: str
    role: str
    seen_at: datetime
    breakers: dict[str, str] = Field(description="how it asks Claude, by model")

    @classmethod
    def of(cls, seen: SeenWorker) -> WorkerView:
        """Return what operators see of a worker."""
        told = seen.heartbeat
        return cls(name=told.name, role=told.role, seen_at=seen.seen_at, breakers=dict(told.breakers))


class ServiceStatus(Model):
    """How the service is. What tells of other tenants, operators are told alone."""

    version: str
    store: Literal["ok", "away"]
    broker: Literal["ok", "away"]
    claude: ClaudeView
    open_requests: int = Field(description="of this tenant, queued or running; at most 1,000")
    queues: list[QueueView] | None = Field(None, description="operators; absent where it cannot be told")
    workers: list[WorkerView] | None = Field(None, description="operators")
    due_work: int | None = Field(None, description="operators: sessions with open requests")
    overdue: int | None = Field(None, description="operators: of these, not taken by the time they were due")
