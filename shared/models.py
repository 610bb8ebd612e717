"""What the service speaks of: sessions, messages, requests, results, memory entries, receipts.

These Pydantic models are the only schema. The API serves them as they are, the store keeps them, the OpenAPI
document is made from them. On the wire their names are camelCase and their times ISO 8601 in UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from shared.text import no_controls

Role = Literal["user", "assistant"]
Scope = Literal["preference", "note", "ticket"]
TicketStatus = Literal["open", "resolved"]
Source = Literal["api", "extraction"]
Strategy = Literal["sliding_window", "summarization", "hybrid"]
TextKind = Literal["english", "code", "script", "other", "names", "dense"]
SessionStatus = Literal["open", "closed", "expired"]
Handler = Literal["agent", "human"]
RequestStatus = Literal["queued", "running", "succeeded", "failed"]
PartName = Literal["system", "memory", "digests", "summary", "window", "late", "recall", "newest"]
FINISHED: frozenset[RequestStatus] = frozenset({"succeeded", "failed"})

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=256), no_controls]
Metadata = dict[str, Any]


class Model(BaseModel):
    """The habits all our models share: camelCase outside, frozen, nothing unknown let in."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid", serialize_by_alias=True
    )


class TokenBudget(Model):
    """How many tokens a session's context may hold, and how many of them stay free for the reply."""

    max: int = Field(ge=512, le=1_000_000, description="most tokens in the assembled context")
    reserve: int = Field(ge=1, le=128_000, description="of these, kept free for the reply")

    @property
    def available(self) -> int:
        """Tokens the context may use."""
        return self.max - self.reserve


class Attachment(Model):
    """A file that came with a message: what is known of it. The file itself is kept elsewhere."""

    name: str
    content_type: str | None = None
    size: int | None = Field(None, description="in bytes")
    url: str | None = None


class Message(Model):
    """One message of a session, as stored. `seq` counts from 1 within the session."""

    id: str
    seq: int = 0
    role: Role
    content: str
    author: str | None = Field(None, description="who wrote it, where it was a person of the support team")
    attachments: tuple[Attachment, ...] = Field((), description="files that came with it: what is known of them")
    at: datetime
    tokens: int = Field(0, description="raw count as the model is given it, before the model's factor")
    text_kind: TextKind | None = Field(None, description="kind of text, which says how its tokens are scaled")
    request_id: str | None = None
    unanswered: bool = Field(False, description="the turn failed: this message never got its reply")
    truncated: bool = Field(False, description="the reply was cut by its token limit")
    redacted: bool = Field(False, description="its text was taken out for ever")

    def without_text(self) -> Message:
        """Return what is left of the message when its text is taken out."""
        return Message(
            id=self.id,
            seq=self.seq,
            role=self.role,
            content="",
            author=self.author,
            at=self.at,
            request_id=self.request_id,
            unanswered=self.unanswered,
            redacted=True,
        )


class Session(Model):
    """A conversation with one customer."""

    id: str
    customer_id: str
    conversation_id: str | None = None
    status: SessionStatus
    handler: Handler = Field("agent", description="who answers: the agent, or a person, who has taken over")
    title: str | None = None
    tags: list[str] = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)
    model: str | None = None
    compression_strategy: Strategy | None = None
    token_budget: TokenBudget | None = None
    created_at: datetime
    last_message_at: datetime | None = None
    expires_at: datetime = Field(description="when the session is over unless a message comes before")
    closed_at: datetime | None = None
    message_count: int = 0
    open_requests: int = Field(0, description="requests and recorded messages that wait for their turn")


class TokenUsage(Model):
    """Claude's own usage, in tokens. `input` counts cache reads and writes in; they are itemised beside it."""

    input: int
    output: int
    total: int
    cache_read: int = 0
    cache_write: int = 0


class Result(Model):
    """What a successful turn gives, wherever it is read."""

    session_id: str
    reply: str
    token_usage: TokenUsage
    memory_updated: bool = True
    request_id: str
    model: str
    stop_reason: str
    simulated: bool = Field(False, description="true when the bundled simulator answered, not Claude")
    handoff: str | None = Field(None, description="why the agent handed the conversation to a person, if it did")


class Failure(Model):
    """Why a request failed."""

    type: str = Field(description="stable word for the reason, such as `claude-unavailable`")
    detail: str


class SummaryCost(Model):
    """What making a summary took: Claude's own count, and US dollars; a batch is half the direct price."""

    token_usage: TokenUsage
    batch: bool = False
    estimated_cost: float | None = None
    direct_cost: float | None = None


class ReceiptPart(Model):
    """One part of the context that was sent: what went in, by reference, and what it cost."""

    name: PartName
    tokens: int
    included: list[str] = Field(default_factory=list, description="ids or keys of what went in")
    omitted: list[str] = Field(default_factory=list, description="ids or keys of what was left out")
    reason: str | None = Field(None, description="why something was left out or cut")
    why: dict[str, list[str]] | None = Field(None, description="why single ones went in, where that can be told")


class MessageRange(Model):
    """Messages of a session by `seq`, both ends included."""

    first: int
    last: int


class Cost(Model):
    """US dollars for the input of one request: `fresh` where nothing is cached, `cached` where the beginning is."""

    fresh: float
    cached: float


class Receipt(Model):
    """The account of one assembled context: references and hashes, never the text itself."""

    strategy: Strategy
    model: str
    counter: str = Field(description="which counter judged, such as `cl100k_base*1.40`")
    correction: float = Field(1.0, description="what counts were multiplied by, as learned of the model")
    english_correction: float = Field(1.0, description="the same, for English text")
    budget: TokenBudget
    tokens: int = Field(description="tokens of the whole context, by that counter; never above max - reserve")
    parts: list[ReceiptPart]
    instructions_version: int = 0
    memory_versions: dict[str, int] = Field(default_factory=dict, description="versions of the entries that went in")
    window: MessageRange | None = Field(None, description="the stored messages that went in, by seq")
    gap: MessageRange | None = Field(None, description="messages that are neither in the window nor summarised")
    compacted: str | None = Field(None, description="why the beginning of the context was chosen anew, if it was")
    pin: str | None = Field(None, description="what the context begins with until the next compaction, as JSON")
    cached_tokens: int = Field(0, description="tokens before the cache breakpoint; 0: none was set")
    estimated_cost: Cost | None = Field(None, description="what the input costs, by the price list")
    request_hash: str = Field(description="SHA-256 of the request sent, canonical JSON")


class ChatRequest(Model):
    """A chat request's record: what was asked, how far it is, what came of it."""

    id: str
    session_id: str
    customer_id: str
    status: RequestStatus
    message: str
    model: str | None = None
    metadata: Metadata = Field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    callback: str | None = Field(None, description="where its result is posted; `tenant`: where the tenant says")
    replay_of: str | None = Field(None, description="the failed request that it asks again")
    handoff: bool = Field(False, description="the agent may hand the conversation to a person")
    coalesce_ms: int = Field(0, description="so long the next message is waited for, to answer both at once; 0: not")
    burst: tuple[str, ...] = Field((), description="the requests after it that are answered with it")
    answered_with: str | None = Field(None, description="the request before it whose reply is its own, once begun")
    accepted_at: datetime
    deadline_at: datetime
    finished_at: datetime | None = None
    attempts: int = Field(0, description="how often Claude was asked")
    waiting_for: str | None = Field(None, description="why the request waits, when it does")
    due_at: datetime | None = Field(None, description="when it is tried again, when it waits")
    result: Result | None = None
    failure: Failure | None = None
    receipt: Receipt | None = None


class Provenance(Model):
    """The message that a memory entry rests on."""

    session_id: str
    seq: int
    message_id: str
    role: Role
    quote: str = Field("", description="the words it rests on")


class MemoryEntry(Model):
    """Something remembered of a customer across sessions."""

    key: str
    value: Any
    scope: Scope
    source: Source = Field("api", description="who wrote it: an API caller, or extraction from a conversation")
    provenance: Provenance | None = Field(None, description="the message it was extracted from")
    confidence: float | None = Field(None, description="how sure extraction is, 0 to 1")
    quarantined: bool = Field(False, description="it reads like an instruction: never given to Claude, until approved")
    version: int = 1
    supersedes: int | None = Field(None, description="the version it took the place of")
    valid_from: datetime = Field(description="since when it is so: when it was said, or written")
    status: TicketStatus | None = Field(None, description="of a ticket; a resolved one is not given to Claude any more")
    expires_at: datetime | None = Field(None, description="from then on it is not given to Claude any more")
    created_at: datetime
    updated_at: datetime
    history: list[MemoryVersion] = Field(default_factory=list, description="earlier values, newest first, bounded")

    def holds_at(self, moment: datetime) -> bool:
        """Return whether it is still so: no resolved ticket, not expired, and not in quarantine."""
        lasts = self.expires_at is None or moment < self.expires_at
        return lasts and self.status != "resolved" and not self.quarantined


class MemoryVersion(Model):
    """An earlier value of a memory entry, and when it held."""

    value: Any
    scope: Scope
    source: Source
    provenance: Provenance | None = None
    version: int
    valid_from: datetime
    valid_until: datetime


class AgentInstructions(Model):
    """The tenant's instructions to the agent: persona, policy, language. Version 0 is the deployment's default.

    `extraction`: whether conversations are read for memory entries. `handoff`: whether the agent may hand a
    conversation to a person; None: no. Stores keep an empty text, and None, where the deployment's hold.
    """

    instructions: str
    extraction: bool | None = None
    handoff: bool | None = None
    version: int = 0
    updated_at: datetime | None = None


# What a store tells of a tenant that has set none.
NONE_SET = AgentInstructions(instructions="")


MemoryEntry.model_rebuild()
