"""What a context is made of, besides stored messages and memory entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.context.calibration import UNLEARNED, Correction, Lesson
from shared.context.counted import Counted
from shared.context.pin import Pin
from shared.models import AgentInstructions, Attachment, MemoryEntry, Message, Receipt, Role, Strategy, TokenBudget


@dataclass(frozen=True, slots=True)
class Summary:
    """What this session was about, through the message `through` (a seq). `version` grows with each rewriting."""

    text: str
    through: int
    version: int


@dataclass(frozen=True, slots=True)
class Digest:
    """What an earlier session of the same customer was about, and when it ended. `id` changes with the text."""

    id: str
    text: str
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Recalled:
    """An earlier turn, of this session or another, that may matter for the newest message, and why."""

    session_id: str
    seq: int
    role: Role
    text: str
    at: datetime
    why: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """What receipts call it."""
        return f"{self.session_id}/{self.seq}"


@dataclass(frozen=True, slots=True)
class Said:
    """What a customer said that is not stored yet. `id`: its request's."""

    id: str
    text: str
    attachments: Sequence[Attachment] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything a turn needs to assemble its context."""

    instructions: AgentInstructions
    memory: Sequence[MemoryEntry]
    """What is remembered of the customer, newest first, capped by the store."""
    history: Sequence[Message]
    """The newest stored messages, oldest first, capped by the store. It may start with an assistant's message and
    end with unanswered ones. `tokens` is the raw count of `render(message)`; 0 where unknown: then it is counted."""
    history_complete: bool
    """False when older messages exist that were not read."""
    newest: str
    """The customer's newest message, which is not part of `history`."""
    newest_id: str
    """The request id of the newest message."""
    newest_attachments: Sequence[Attachment] = field(default=(), kw_only=True)
    """The files that came with it."""
    earlier: Sequence[Said] = field(default=(), kw_only=True)
    """What they said just before it, oldest first, which is answered with it: of a burst, all but the last."""
    model: str
    budget: TokenBudget
    spare_budget: TokenBudget | None = field(default=None, kw_only=True)
    """What is used where `budget` cannot hold the instructions any more: the deployment's, for a session's own."""
    strategy: Strategy = "sliding_window"
    correction: Correction = UNLEARNED
    """What Claude's own usage taught of counting for this model."""
    pin: Pin | None = None
    """What the turn before began with."""
    summary: Summary | None = None
    pinned_summary: Summary | None = None
    """The version that the pin builds on, where `summary` was written since."""
    digests: Sequence[Digest] = ()
    """Earlier sessions, newest first."""
    recalled: Sequence[Recalled] = ()
    """Earlier turns, the one that matters most first."""
    recall_share: float = 0.0
    """Of the room beyond the instructions, for recalled turns; kept free also in turns that recall nothing."""
    session_id: str = ""
    """The session; recalled turns of it that the window holds are left out."""
    handoff: bool = False
    """Whether the agent may hand the conversation to a person: then the tool is offered, where there is room for it."""
    cache_ttl: str = "5m"
    """How long Claude's prompt cache keeps the beginning: `5m`, `1h`, or `off` for no breakpoint."""


@dataclass(frozen=True, slots=True)
class Context:
    """What Claude is sent, fitted to the budget."""

    system: str
    """The instructions; the empty text where there are none, or no room for any."""
    messages: tuple[dict[str, Any], ...]
    """`{"role": …, "content": [{"type": "text", "text": …}, …]}`; roles alternate, the first and last are `user`."""
    max_tokens: int
    """Most tokens of the reply: the budget's reserve."""
    tokens: int
    """Scaled tokens of system and messages; never above `budget.max - budget.reserve`."""
    receipt: Receipt
    pin: Pin
    """What the next turn begins with."""
    lesson: Lesson
    """What Claude's usage of it will teach."""
    tools: tuple[dict[str, Any], ...]
    """What Claude may call, in the shape of the Messages API; they stand before the system prompt."""
    newest: tuple[Counted, ...]
    """What the newest message was found to be, whole; of a burst, each of them: it is stored with it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part: its text blocks' texts, what they cost, what went in and what did not."""

    text: str = ""
    """Empty, and costing nothing, where nothing went in."""
    tokens: int = 0
    """Scaled tokens, overhead included."""
    included: tuple[str, ...] = ()
    omitted: tuple[str, ...] = ()
    reasons: tuple[str, ...] = field(default=())
    why: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Why single ones went in, where that can be told."""
