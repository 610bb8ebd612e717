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
Strategy = Literal["sliding_window"]
SessionStatus = Literal["open", "closed", "expired"]
RequestStatus = Literal["queued", "running", "succeeded", "failed"]
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


class Message(Model):
    """One message of a session, as stored. `seq` counts from 1 within the session."""

    id: str
    seq: int = 0
    role: Role
    content: str
    author: str | None = Field(None, description="who wrote it, where it was a person of the support team")
    at: datetime
    tokens: int = Field(0, description="tiktoken count as the model is given it, before the model's factor")
    request_id: str | None = None
    unanswered: bool = Field(False, description="the turn failed: this message never got its reply")
    truncated: bool = Field(False, description="the reply was cut by its token limit")


class Session(Model):
    """A conversation with one customer."""

    id: str
    customer_id: str
    conversation_id: str | None = None
    status: SessionStatus
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


class Failure(Model):
    """Why a request failed."""

    type: str = Field(description="stable word for the reason, such as `claude-unavailable`")
    detail: str


class ReceiptPart(Model):
    """One part of the context that was sent: what went in, by reference, and what it cost."""

    name: Literal["system", "memory", "window", "newest"]
    tokens: int
    included: list[str] = Field(default_factory=list, description="ids or keys of what went in")
    omitted: list[str] = Field(default_factory=list, description="ids or keys of what was left out")
    reason: str | None = Field(None, description="why something was left out or cut")


class Receipt(Model):
    """The account of one assembled context: references and hashes, never the text itself."""

    strategy: Strategy
    model: str
    counter: str = Field(description="which counter judged, such as `cl100k_base*1.40`")
    budget: TokenBudget
    tokens: int = Field(description="tokens of the whole context, by that counter; never above max - reserve")
    parts: list[ReceiptPart]
    instructions_version: int = 0
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
    accepted_at: datetime
    deadline_at: datetime
    finished_at: datetime | None = None
    attempts: int = Field(0, description="how often Claude was asked")
    waiting_for: str | None = Field(None, description="why the request waits, when it does")
    due_at: datetime | None = Field(None, description="when it is tried again, when it waits")
    result: Result | None = None
    failure: Failure | None = None
    receipt: Receipt | None = None


class MemoryEntry(Model):
    """Something remembered of a customer across sessions."""

    key: str
    value: Any
    scope: Scope
    source: str = Field("api", description="where it came from: written by an API caller")
    version: int = 1
    created_at: datetime
    updated_at: datetime
    history: list[MemoryVersion] = Field(default_factory=list, description="earlier values, newest first, bounded")


class MemoryVersion(Model):
    """An earlier value of a memory entry, and when it held."""

    value: Any
    scope: Scope
    source: str
    version: int
    valid_from: datetime
    valid_until: datetime


class AgentInstructions(Model):
    """The tenant's instructions to the agent: persona, policy, language. Version 0 is the deployment's default."""

    instructions: str
    version: int = 0
    updated_at: datetime | None = None


MemoryEntry.model_rebuild()
