"""Customers of three sessions each, and what the first one told that is asked for in the last.

Facts are found by patterns, not by whoever remembers: the ledger's identifiers and promises (`shared.summaries`), and
who the customer says to be. A fact counts where it stands in the first session of its customer and in no other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from shared.models import Role
from shared.summaries.ledger import find, normalised
from shared.summaries.sentences import sentences

Kind = Literal["order", "account", "phone", "promise", "name"]
Turn = tuple[Role, str]

SPEAKERS: Final[dict[str, Role]] = {"Customer": "user", "Agent": "assistant"}
TOPIC: Final = re.compile(
    r"\b(?:order|return|exchange|refund|cancel|delivery|book|reserv|ticket|flight|room)\w*", re.IGNORECASE
)
ORDER: Final = re.compile(r"#[A-Z]?\d{5,}")
ACCOUNT: Final = re.compile(r"[a-z]+_[a-z]+_\d{3,}")
PROMISED: Final = re.compile(r"\b(?:refund|credit|return|exchang|cancel|reimburs)\w*", re.IGNORECASE)
NAME: Final = re.compile(r"\b(?:my name is|my name's|call me|I am|I'm|this is)\s+([A-Z][a-z]+ [A-Z][a-z]+)\b")
LONGEST_PROMISE: Final = 200  # characters

QUESTIONS: Final[dict[Kind, str]] = {
    "order": "Hello again, I have lost my notes. Which order number did I write to you about last month?",
    "account": "Hello again, I have lost my notes. Which account or user id did you find for me last month?",
    "phone": "Hello again, I have lost my notes. Which phone number did you give me last month?",
    "promise": "Hello again. What was promised to me last month about the refund or the change?",
    "name": "Hello again. Under which name am I known to you?",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """What the first session said: its kind, its words as they were said, and what the session was about."""

    kind: Kind
    text: str
    topic: str

    @property
    def question(self) -> str:
        """How it is asked for, saying nothing of the session."""
        return QUESTIONS[self.kind]

    @property
    def question_with_topic(self) -> str:
        """How it is asked for by somebody who says what it was about."""
        return f"{self.question} It was about this: {self.topic}"


@dataclass(frozen=True, slots=True)
class Returning:
    """A customer: three sessions, and the facts of the first."""

    name: str
    sessions: tuple[tuple[Turn, ...], ...]
    facts: tuple[Fact, ...]


def read(paths: Iterable[Path], most: int) -> list[Returning]:
    """Return at most so many customers, made of the dialogues of files: each is used once, the first ones first."""
    dialogues = list(dict.fromkeys(dialogue for path in paths for dialogue in _dialogues(path)))
    telling = [each for each in dialogues if facts_of(each)][:most]
    others = iter([each for each in dialogues if each not in set(telling)])
    made = [
        _returning(number, first, later)
        for number, (first, *later) in enumerate(zip(telling, others, others, strict=False), 1)
    ]
    return [each for each in made if each.facts]


def _returning(number: int, first: tuple[Turn, ...], later: Sequence[tuple[Turn, ...]]) -> Returning:
    elsewhere = normalised(" ".join(text for session in later for _, text in session))
    facts = tuple(fact for fact in facts_of(first) if normalised(fact.text) not in elsewhere)
    return Returning(f"returning-{number}", (first, *later), facts)


def facts_of(dialogue: Sequence[Turn]) -> tuple[Fact, ...]:
    """Return the first fact of each kind that a dialogue tells."""
    topic = _topic(dialogue)
    found: dict[Kind, Fact] = {}
    for role, text in dialogue:
        for kind, told in _told(role, text):
            if normalised(told) not in normalised(topic):
                found.setdefault(kind, Fact(kind, told, topic))
    return tuple(found.values())


def _told(role: Role, text: str) -> Iterator[tuple[Kind, str]]:
    for entry in find(text, 1, role):
        if entry.kind == "identifier" and ACCOUNT.search(entry.text):
            yield "account", entry.text
        elif entry.kind == "identifier" and ORDER.fullmatch(entry.text):
            yield "order", entry.text
        elif entry.kind == "phone":
            yield "phone", entry.text
        elif entry.kind == "promise" and len(entry.text) <= LONGEST_PROMISE and PROMISED.search(entry.text):
            yield "promise", entry.text
    if role == "user":
        yield from (("name", match[1]) for match in NAME.finditer(text))


def _topic(dialogue: Sequence[Turn]) -> str:
    """Return the customer's first sentence that names what the session is about."""
    said = [text[start:end] for role, text in dialogue if role == "user" for start, end in sentences(text)]
    return next((" ".join(each.split()) for each in said if TOPIC.search(each)), said[0] if said else "")


def _dialogues(path: Path) -> Iterator[tuple[Turn, ...]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        for session in json.loads(line)["sessions"]:
            turns = [
                ("user" if turn["speaker"] == "Customer" else "assistant", turn["text"]) for turn in session["turns"]
            ]
            yield tuple(turns)  # type: ignore[arg-type]  # roles, as written above
