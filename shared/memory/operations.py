"""What a model would remember of a conversation, held against what was said: only what its message bears out counts.

Each operation cites the message it rests on, word for word. Judged are, in this order: the citation stands there; it is
the customer's, where a preference is concerned; no secret; every number, date, address and name of the value stands in
that message; the value has something of its words. What reads like an instruction goes into quarantine, under a key of
its own. What is known already, under whatever spelling, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.memory.keys import near_equal, said_again, same_key, telling
from shared.memory.names import unsaid_names
from shared.memory.secrets import holds_secret
from shared.memory.suspicion import suspicious
from shared.models import MemoryEntry, Message, Provenance, Scope, TicketStatus
from shared.prompt import Reply
from shared.recall.words import terms
from shared.summaries.invented import Said, invented
from shared.summaries.ledger import normalised
from shared.summaries.verify import readable

MOST: Final = 20  # operations of one answer; the others are refused
LONGEST_VALUE: Final = 400  # characters
LONGEST_QUOTE: Final = 200  # characters of a citation that are kept
QUARANTINE: Final = "quarantine/"

# not-there: the citation does not stand in its message. not-theirs: a preference that the customer did not tell.
# secret: a card, key or password. not-borne-out: the value says what its message does not. duplicate: known already.
# unknown: it resolves what is not open. too-many, too-long: beyond the bounds. nothing: it says so itself.
Refused = Literal[
    "not-there", "not-theirs", "secret", "not-borne-out", "duplicate", "unknown", "too-many", "too-long", "nothing"
]


class Operation(BaseModel):
    """One thing to remember, or that a ticket is resolved. Its schema has no limits: structured output knows none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    op: Literal["upsert", "supersede", "resolve", "nothing"]
    scope: Scope
    key: str
    value: str
    message: int
    quote: str
    confidence: float


class Extraction(BaseModel):
    """What a model answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operations: list[Operation]


@dataclass(frozen=True, slots=True)
class Change:
    """A memory entry to write: `said`, the message it rests on."""

    key: str
    value: Any
    scope: Scope
    said: Message
    provenance: Provenance
    confidence: float
    status: TicketStatus | None = None
    quarantined: bool = False


@dataclass(frozen=True, slots=True)
class Extracted:
    """What an answer came to: changes, in the order of what was said, and why other operations were refused."""

    changes: tuple[Change, ...] = ()
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An answer that is no extraction, and why."""

    cause: str


def schema() -> dict[str, Any]:
    """Return the JSON schema for structured output: flat, without references."""
    made = Extraction.model_json_schema()
    whole = made["$defs"]["Operation"]
    operation = {name: whole[name] for name in ("type", "properties", "required", "additionalProperties")}
    return {
        "type": "object",
        "properties": {"operations": {"type": "array", "items": operation}},
        "required": ["operations"],
        "additionalProperties": False,
    }


def read_operations(
    reply: Reply, session_id: str, messages: Sequence[Message], known: Iterable[MemoryEntry]
) -> Extracted | Unreadable:
    """Return what of a model's answer counts; why none of it does, where it cannot be read."""
    if reply.cut or reply.stop_reason == "refusal":
        return Unreadable("cut" if reply.cut else "refusal")
    try:
        text = readable(reply.text)
        answer = Extraction.model_validate_json(text[max(text.find("{"), 0) : text.rfind("}") + 1])
    except ValidationError:
        return Unreadable("not-the-schema")
    court = _Court(session_id, {message.seq: message for message in messages}, {entry.key: entry for entry in known})
    refused: list[Refused] = ["too-many"] * max(0, len(answer.operations) - MOST)
    for operation in sorted(answer.operations[:MOST], key=lambda each: each.message):
        judged = court.judge(operation)
        if isinstance(judged, Change):
            court.changes[judged.key] = judged  # of two about one key, what was said later counts
        else:
            refused.append(judged)
    return Extracted(tuple(court.changes.values()), tuple(refused))


@dataclass(frozen=True, slots=True)
class _Court:
    """What operations are judged by: the messages that were read, the entries that are known, the changes so far."""

    session_id: str
    said: Mapping[int, Message]
    known: Mapping[str, MemoryEntry]
    changes: dict[str, Change] = field(default_factory=dict)

    def judge(self, operation: Operation) -> Change | Refused:
        """Return the change an operation comes to, or why it does not count."""
        message = self.said.get(operation.message)
        if operation.op == "nothing":
            return "nothing"
        if message is None or not _stands_there(operation.quote, message):
            return "not-there"
        key = same_key(operation.key, [*self.known, *self.changes])
        if not key or len(operation.value) > LONGEST_VALUE:
            return "too-long"
        change = self._change(operation, message, key)
        if operation.op == "resolve":
            return self._resolved(change)
        return _refusal(operation, message) or self._kept(change)

    def _resolved(self, change: Change) -> Change | Refused:
        """Return that a ticket is resolved; it keeps its value."""
        standing: MemoryEntry | Change | None = self.changes.get(change.key) or self.known.get(change.key)
        if standing is None or standing.scope != "ticket" or standing.status == "resolved":
            return "unknown"
        return replace(change, value=standing.value, scope="ticket", status="resolved")

    def _kept(self, change: Change) -> Change | Refused:
        """Return the change: in quarantine where it reads like an instruction; none where it is known already."""
        if any(map(suspicious, (change.key.replace("-", " "), change.value, change.provenance.quote))):
            return replace(change, key=f"{QUARANTINE}{change.key}", quarantined=True)
        return "duplicate" if self._known_already(change) else change

    def _known_already(self, change: Change) -> bool:
        """Whether an entry says the same: that of the key, or where the value is telling, one of another key."""
        same = self.known.get(change.key)
        if same is not None:
            return _says_the_same(same, change)
        others: list[MemoryEntry | Change] = [*self.known.values()]
        others += [each for key, each in self.changes.items() if key != change.key]
        alike = (_says_the_same(entry, change) for entry in others if not entry.quarantined)
        return telling(change.value) and any(alike)

    def _change(self, operation: Operation, message: Message, key: str) -> Change:
        provenance = Provenance(
            session_id=self.session_id,
            seq=message.seq,
            message_id=message.id,
            role=message.role,
            quote=operation.quote.strip()[:LONGEST_QUOTE],
        )
        return Change(
            key=key,
            value=operation.value.strip(),
            scope=operation.scope,
            said=message,
            provenance=provenance,
            confidence=min(1.0, max(0.0, operation.confidence)),
            status="open" if operation.scope == "ticket" else None,
        )


def _refusal(operation: Operation, message: Message) -> Refused | None:
    if operation.scope == "preference" and message.role != "user":
        return "not-theirs"
    if any(map(holds_secret, (operation.key, operation.value, f"{operation.key}: {operation.value}"))):
        return "secret"
    if not operation.value.strip() or not _borne_out(operation, message):
        return "not-borne-out"
    return None


def _borne_out(operation: Operation, message: Message) -> bool:
    """Whether a message says what is to be remembered of it: its facts, and something of its words."""
    said = Said([message.content, message.at.date().isoformat()])
    if invented(f"{operation.value}.", said) or invented(f"{operation.key.replace('-', ' ')}.", said):
        return False
    if unsaid_names(operation.value, message.content):
        return False
    words = set(terms(operation.value))
    return not words or not words.isdisjoint(terms(message.content))


def _says_the_same(entry: MemoryEntry | Change, change: Change) -> bool:
    """Whether a change says what an entry does. Where an agent repeats what it remembers, that is no news."""
    if entry.scope != change.scope or entry.status != change.status:
        return False
    repeated = change.said.role == "assistant" and telling(entry.value) and said_again(change.value, entry.value)
    return repeated or near_equal(entry.value, change.value)


def _stands_there(quote: str, message: Message) -> bool:
    wanted = normalised(quote).casefold()
    return any(map(str.isalnum, wanted)) and wanted in normalised(message.content).casefold()
