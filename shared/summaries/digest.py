"""What is left of a session that is over: a short record for the customer's later sessions.

Made by a model (`digest_prompt`, `read_digest`), or without any (`extract_digest`), which serves until a model has
made a better one. What a model says is held against the ledger: an identifier that does not stand there is struck
out, a promise that is missing is added.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.models import Message
from shared.prompt import Prompt, Reply
from shared.summaries.appendix import Measure, trim
from shared.summaries.invented import Said, invented
from shared.summaries.ledger import Entry, find_all, merge, missing, normalised, stands_in
from shared.summaries.material import newest
from shared.summaries.patterns import Kind
from shared.summaries.prompts import DATA, block, user_prompt
from shared.summaries.sentences import sentences
from shared.summaries.verify import readable, without_instructions

MOST_ITEMS: Final = 12  # of each list; the newest stay
LONGEST_TEXT: Final = 400  # characters of one item
MOST_TOKENS: Final = 1_500  # of the reply, JSON included
IDENTIFYING: Final[frozenset[Kind]] = frozenset({"identifier", "email", "phone"})

RECORD: Final = (
    "You record a support conversation that is over, for later conversations with the same customer. Topic: what it "
    "was about, in one sentence. Outcome: resolved, unresolved, or handed_over to a person; unknown if it does not "
    "show. Open points: what is still waited for, and from whom; none if all is settled. Promises: what the support "
    "side promised, word for word. Identifiers: order, ticket, account and other numbers, copied exactly. Use the "
    f"conversation's language. {DATA}"
)

Outcome = Literal["resolved", "unresolved", "handed_over", "unknown"]


class SessionDigest(BaseModel):
    """The record. Its JSON schema is what Claude's structured output keeps to, so that it has no limits in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str
    outcome: Outcome
    open_points: list[str]
    promises: list[str]
    identifiers: list[str]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A reply that is no digest, and why."""

    cause: str


def schema() -> dict[str, Any]:
    """Return the JSON schema for structured output."""
    made = SessionDigest.model_json_schema()
    return {name: made[name] for name in ("type", "properties", "required", "additionalProperties")}


def digest_prompt(model: str, summary: str, messages: Sequence[Message], most: int, measure: Measure) -> Prompt:
    """Return the prompt for a digest: the session's summary, and the messages after it, at most `most` tokens of them.

    Of more, the newest are told: how it ended stands at the end.
    """
    text = block(("summary", summary), ("conversation", newest(messages, most, measure)))
    return user_prompt(model, RECORD, f"{text}Record it.", MOST_TOKENS, schema())


def said_in(summary: str, messages: Sequence[Message], ledger: Sequence[Entry]) -> Said:
    """Return all that was said in a session, as far as its digest may tell it."""
    days = (message.at.astimezone(UTC).date().isoformat() for message in messages)
    return Said([summary, *days, *(each.content for each in messages), *(entry.text for entry in ledger)])


def read_digest(reply: Reply, ledger: Sequence[Entry], said: Said) -> SessionDigest | Unreadable:
    """Return the digest a model made, held against the ledger and what was said; why there is none, where it cannot be.

    What tells a fact that nobody said is struck out.
    """
    if reply.cut or reply.stop_reason == "refusal":
        return Unreadable("cut" if reply.cut else "refusal")
    try:
        text = readable(reply.text)
        told = SessionDigest.model_validate_json(text[max(text.find("{"), 0) : text.rfind("}") + 1])
    except ValidationError:
        return Unreadable("not-the-schema")
    topic = _clean([told.topic])
    if not topic:
        return Unreadable("empty")
    if invented(topic[0], said):
        return Unreadable("invented")
    known = "\n".join(normalised(text) for text in _identifiers(ledger))
    named = list(dict.fromkeys(text for text in _clean(told.identifiers) if stands_in(text, known)))[-MOST_ITEMS:]
    others = [text for text in _identifiers(ledger) if text not in named]
    promises = [text for text in _clean(told.promises) if not invented(text, said)]
    return SessionDigest(
        topic=topic[0],
        outcome=told.outcome,
        open_points=[text for text in _clean(told.open_points) if not invented(text, said)][-MOST_ITEMS:],
        promises=[*promises, *(entry.text for entry in missing(_promises(ledger), "\n".join(promises)))][-MOST_ITEMS:],
        # What the model chose gives way last.
        identifiers=[*named, *others[max(0, len(others) + len(named) - MOST_ITEMS) :]],
    )


def extract_digest(messages: Sequence[Message], ledger: Sequence[Entry] = ()) -> SessionDigest:
    """Return a digest made of the conversation's own sentences, without any model.

    `ledger`: what earlier parts of the conversation hold that are not among `messages`.
    """
    whole = merge(ledger, find_all(messages))
    outcome = _outcome(messages)
    return SessionDigest(
        topic=_topic(messages),
        outcome=outcome,
        open_points=[] if outcome == "resolved" else _unanswered(messages),
        promises=[entry.text for entry in _promises(whole)][-MOST_ITEMS:],
        identifiers=_identifiers(whole)[-MOST_ITEMS:],
    )


def render(digest: SessionDigest, limit: int, measure: Measure) -> str:
    """Return the digest as the text a later context is given; its end gives way where it does not fit."""
    lines = [f"{digest.topic} ({OUTCOMES[digest.outcome]})"]
    if digest.identifiers:
        lines.append(f"Numbers and addresses: {'; '.join(digest.identifiers)}")
    # What is settled is told as settled: its promises were kept, and nothing of it is open.
    lines += [f"Open: {text}" for text in digest.open_points if digest.outcome != "resolved"]
    lines += [f"{'Promised then' if digest.outcome == 'resolved' else 'Promised'}: {text}" for text in digest.promises]
    return trim("\n".join(lines), limit, measure)


OUTCOMES: Final[dict[Outcome, str]] = {
    "resolved": "resolved",
    "unresolved": "not resolved",
    "handed_over": "handed over to a person",
    "unknown": "outcome not recorded",
}

# How a customer ends what is settled: as a sentence of its own, or with a word that it works. A sentence that denies or
# asks ends nothing.
_RESOLVED: Final = re.compile(
    r"^(?:ok(?:ay)?|great|perfect|no|thanks?|thank you|super|alles klar)?[,.! ]*"
    r"(?:no,? (?:thanks?|thank you)|(?:nope|no),? (?:that(?:['\u2019]?s| is| was) (?:all|it|everything))"
    r"|(?:no,? )?that(?:['\u2019]?s| is|['\u2019]ll be| will be| was) (?:all|everything)"
    r"|that(?:['\u2019]?s| is|['\u2019]ll be| will be) it(?: for (?:now|today))?|all (?:set|good)"
    r"|(?:no,? )?nothing else|das (?:war|ist) alles|c['\u2019]est tout|eso es todo)\W*"
    r"(?:$|thanks?\b|thank you\b|danke\b|merci\b|gracias\b|for (?:now|today)\b|I need\w*\b)"
    r"|\b(?:it|this|that|everything) (?:works|is working|is fixed|worked|is resolved)\b"
    r"|\bproblem (?:is )?(?:solved|fixed|resolved)\b|\bhat sich erledigt\b|\bfunktioniert (?:jetzt|wieder)\b"
    r"|\bya funciona\b",
    re.IGNORECASE,
)
_DENIES: Final = re.compile(
    r"\?\s*$|\b(?:not|never|no longer|nothing works|still|unless|until|if|when|once|nicht|kein\w*|pas|jamais|nunca)\b"
    r"|n['\u2019]t\b|\bno (?:funciona|sirve)\b|\bcancel\w*\b",
    re.IGNORECASE,
)
_HANDED: Final = re.compile(
    r"\b(?:transferr?(?:ed|ing)?|hand(?:ed|ing)? (?:you |this |it )?over|escalat(?:ed|ing)|forward(?:ed|ing)) .{0,60}"
    r"\b(?:agent|human|colleague|specialist|team|supervisor|person)\b",
    re.IGNORECASE,
)
# A message that is thanks and nothing else: it waits for no answer.
_THANKS: Final = re.compile(
    r"^\W*(?:(?:ok(?:ay)?|great|perfect|super|wonderful|good|alles klar)\W+)*"
    r"(?:(?:many )?thanks?|thank you|(?:vielen |besten )?dank|danke|merci|(?:muchas )?gracias)\b"
    r"(?:\W+(?:so much|very much|a lot|again|sehr|beaucoup|for (?:your|the) \w+))?(?:,? \w+)?\W*$",
    re.IGNORECASE,
)
LAST: Final = 4  # messages in which an ending is looked for


def _topic(messages: Sequence[Message]) -> str:
    """Return the customer's first sentence that says more than hello."""
    for message in messages:
        if message.role == "user":
            for start, end in sentences(message.content):
                text = message.content[start:end]
                if len(text.split()) > 3 or (not text.isascii() and len(text) > 5):  # noqa: PLR2004 - "Hi, good morning!"
                    return without_instructions(_short(text)) or "(not told here)"
    return "(nothing was said)"


def _outcome(messages: Sequence[Message]) -> Outcome:
    last = messages[-LAST:]
    if any(_HANDED.search(message.content) for message in last if message.role == "assistant"):
        return "handed_over"
    if any(_settles(message.content) for message in last if message.role == "user"):
        return "resolved"
    return "unresolved" if _unanswered(messages) else "unknown"


def _settles(text: str) -> bool:
    """Whether a customer's message says that nothing is left, and no sentence of it says otherwise."""
    said = [text[start:end] for start, end in sentences(text)]
    return any(_RESOLVED.search(each) for each in said) and not any(map(_DENIES.search, said))


def _unanswered(messages: Sequence[Message]) -> list[str]:
    """Return what the customer said last, where nobody answered it."""
    said: list[str] = []
    for message in reversed(messages):
        if message.role == "assistant":
            break
        if not _THANKS.match(message.content):
            said.append(_short(message.content))
    return _clean(said[MOST_ITEMS - 1 :: -1])


def _promises(ledger: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in ledger if entry.kind == "promise"]


def _identifiers(ledger: Sequence[Entry]) -> list[str]:
    return [entry.text for entry in ledger if entry.kind in IDENTIFYING]


def _clean(texts: Sequence[str]) -> list[str]:
    """Return the texts that say something, each on one line, none an instruction to its reader."""
    found = (without_instructions(_short(text)) for text in texts)
    return [text for text in found if any(map(str.isalnum, text))]


def _short(text: str) -> str:
    line = " ".join(text.split())
    if len(line) <= LONGEST_TEXT:
        return line
    return f"{line[:LONGEST_TEXT].rpartition(' ')[0] or line[:LONGEST_TEXT]}…"
