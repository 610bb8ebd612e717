"""What callers send, and the shapes of answers that are not records themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
)

from api.attachment_schemas import Attachments
from api.openings import ListedSession
from shared.models import (
    ChatRequest,
    Failure,
    Handler,
    Identifier,
    Message,
    Metadata,
    Model,
    RequestStatus,
    Role,
    Strategy,
    TokenBudget,
    TokenUsage,
)
from shared.text import no_controls, not_blank

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
CLOCKS_DIFFER = timedelta(minutes=5)

Text = Annotated[str, StringConstraints(min_length=1), no_controls, not_blank]
Limit = Annotated[int, Field(ge=1, le=200, description="how many to return at most")]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=64), no_controls, not_blank]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200), no_controls, not_blank]
SessionId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


def _in_the_past(at: datetime) -> datetime:
    if not EARLIEST <= at <= datetime.now(UTC) + CLOCKS_DIFFER:
        message = "must lie between 1970 and now"
        raise ValueError(message)
    return at


Past = Annotated[AwareDatetime, AfterValidator(_in_the_past)]


class Asked(Model):
    """What callers send: by its documented names only."""

    model_config = ConfigDict(populate_by_name=False)


class ChatBody(Asked):
    """A customer's message."""

    customer_id: Identifier = Field(description="unique customer identifier, within the tenant")
    message: Text = Field(description="the customer's message")
    session_id: SessionId | None = Field(None, description="resume this session; absent: a new one begins")
    conversation_id: Identifier | None = Field(None, description="the caller's own id for the conversation")
    model: str | None = Field(None, description="Claude model override, from the allowed list")
    callback_url: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = Field(
        None, description="where the signed result is posted; absent: where the tenant says"
    )
    metadata: Metadata = Field(default_factory=dict, description="carried through to events unchanged")
    attachments: Attachments = Field(default_factory=list)


class ChatAccepted(Model):
    """The request is durable; its reply will come."""

    request_id: str
    session_id: str
    status: RequestStatus
    status_url: str
    events_url: str


class ChatStatus(Model):
    """A request, and its result when it has one: the same wherever it is read."""

    request_id: str
    session_id: str
    status: RequestStatus
    reply: str | None = None
    token_usage: TokenUsage | None = None
    memory_updated: bool | None = None
    model: str | None = None
    stop_reason: str | None = None
    simulated: bool | None = None
    handoff: str | None = Field(None, description="why the agent handed the conversation to a person, if it did")
    failure: Failure | None = None
    attempts: int = 0
    replay_of: str | None = Field(None, description="the failed request that it asks again")
    waiting_for: str | None = Field(None, description="why it waits, when Claude asked it to")
    due_at: datetime | None = Field(None, description="when it is tried again")
    accepted_at: datetime
    deadline_at: datetime
    finished_at: datetime | None = None
    metadata: Metadata = Field(default_factory=dict)

    @classmethod
    def of(cls, record: ChatRequest) -> ChatStatus:
        """Return what callers see of a request's record."""
        result = record.result
        return cls(
            request_id=record.id,
            session_id=record.session_id,
            status=record.status,
            reply=result.reply if result else None,
            token_usage=result.token_usage if result else None,
            memory_updated=result.memory_updated if result else None,
            model=result.model if result else None,
            stop_reason=result.stop_reason if result else None,
            simulated=result.simulated if result else None,
            handoff=result.handoff if result else None,
            failure=record.failure,
            attempts=record.attempts,
            replay_of=record.replay_of,
            waiting_for=record.waiting_for,
            due_at=record.due_at,
            accepted_at=record.accepted_at,
            deadline_at=record.deadline_at,
            finished_at=record.finished_at,
            metadata=record.metadata,
        )


class SessionBody(Asked):
    """A session to begin."""

    customer_id: Identifier
    conversation_id: Identifier | None = None
    metadata: Metadata = Field(default_factory=dict)
    model: str | None = None
    compression_strategy: Strategy | None = None
    token_budget: TokenBudget | None = None


class SessionPatchBody(Asked):
    """What to change of a session; fields left out stay as they are."""

    status: Literal["open", "closed"] | None = None
    title: Title | None = None
    tags: list[Tag] | None = Field(None, max_length=32)
    handler: Handler | None = Field(None, description="`human`: a person has taken over, the agent says nothing")


class MessageBody(Asked):
    """A message to record without asking for a reply."""

    role: Role = Field(description="`user` for the customer, `assistant` for the support team")
    content: Text
    author: Identifier | None = Field(None, description="who wrote it, where it was a person of the support team")
    attachments: Attachments = Field(default_factory=list)
    at: Past | None = Field(None, description="when it was written; absent: now. For imported history")


class AgentBody(Asked):
    """The tenant's instructions to the agent, and what else holds for its conversations."""

    instructions: Text | None = Field(None, max_length=20_000)
    extraction: bool | None = Field(None, description="whether they are read for memory entries")
    handoff: bool | None = Field(None, description="whether the agent may hand them to a person")


class Path(BaseModel):
    """Parts of a path, by the names they have in it."""

    model_config = ConfigDict(frozen=True)


class RequestPath(Path):
    """A request in the path."""

    request_id: str


class SessionPath(Path):
    """A session in the path."""

    session_id: str


class MessagePath(SessionPath):
    """A message of a session in the path."""

    seq: int = Field(ge=1, description="the message's place in its session")


class WaitQuery(Asked):
    """How long to wait for a reply."""

    wait: int | None = Field(None, ge=0, description="seconds to wait for the end of the request")


class SessionsQuery(Asked):
    """Which sessions to list."""

    customer_id: Identifier
    opening: bool = Field(False, description="tell how each began, too")
    limit: Limit = 50
    cursor: Cursor | None = None


class MessagesQuery(Asked):
    """Which messages to list."""

    limit: Limit = 50
    cursor: Annotated[int, Field(ge=0, le=2**53)] = 0


class Readiness(Model):
    """Whether the service can serve, and what it runs on."""

    status: Literal["ready", "unready"]
    store: Literal["ok", "away"]
    broker: Literal["ok", "away"] = Field(description="away: requests are accepted, and answered after it returns")
    simulated: bool = Field(description="true: the bundled simulator answers, not Claude")
    counter: str = Field(description="what counts tokens")
    version: str


class Alive(Model):
    """The process answers."""

    status: Literal["alive"] = "alive"


class SessionList(RootModel[list[ListedSession]]):
    """Sessions, newest first."""


class MessageList(RootModel[list[Message]]):
    """Messages, oldest first."""
