"""Conversations with questions of which it is labelled where the answers stand: LoCoMo's, and customers a line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from shared.models import Message

Turn = tuple[str, int]  # session and seq

TUNED: Final = frozenset({"conv-26", "conv-41"})
BUDGETS: Final = (1_000, 2_000, 3_596)
KINDS: Final = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its kind, and the turns that hold the answer: all of them are wanted, or any will do."""

    text: str
    kind: str
    evidence: frozenset[Turn]
    any_will_do: bool


@dataclass(frozen=True, slots=True)
class Customer:
    """What one customer said, session by session, and what is asked about it."""

    name: str
    sessions: dict[str, list[Message]]
    questions: list[Question]

    @property
    def now(self) -> datetime:
        """A day after everything."""
        return max(message.at for said in self.sessions.values() for message in said) + timedelta(days=1)


def read(path: Path) -> list[Customer]:
    """Return the customers of a file of either kind."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [_customer(json.loads(line)) for line in text.splitlines() if line.strip()]
    return [_conversation(sample) for sample in json.loads(text)]


def _conversation(sample: dict[str, Any]) -> Customer:
    talk = sample["conversation"]
    sessions: dict[str, list[Message]] = {}
    places: dict[str, Turn] = {}
    for number in sorted(int(key[8:]) for key in talk if re.fullmatch(r"session_\d+", key) and talk[key]):
        began = datetime.strptime(talk[f"session_{number}_date_time"], "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
        session = f"session-{number:03}"
        said = sessions[session] = []
        for turn in talk[f"session_{number}"]:
            photo = f" [shared photo: {turn['blip_caption']}]" if turn.get("blip_caption") else ""
            customer = turn["speaker"] == talk["speaker_a"]
            said.append(_message(len(said) + 1, f"{turn['speaker']}: {turn['text']}{photo}", began, customer=customer))
            places[turn["dia_id"]] = (session, len(said))
    questions = []
    for asked in sample["qa"]:
        named = [name for entry in asked["evidence"] for name in re.split(r"[;\s]+", entry)]
        evidence = frozenset(places[name] for name in named if name in places)
        if evidence:
            questions.append(Question(asked["question"], KINDS[asked["category"]], evidence, any_will_do=False))
    return Customer(sample["sample_id"], sessions, questions)


def _customer(line: dict[str, Any]) -> Customer:
    sessions = {}
    for number, session in enumerate(line["sessions"]):
        began = datetime.fromisoformat(session["date"]).replace(tzinfo=UTC)
        sessions[f"session-{number:03}"] = [
            _message(seq, turn["text"], began, customer=turn["speaker"] == "Customer")
            for seq, turn in enumerate(session["turns"], start=1)
        ]
    questions = [
        Question(
            asked["q"],
            asked["type"],
            frozenset((f"session-{session:03}", turn + 1) for session, turn in asked["evidence_any"]),
            any_will_do=True,
        )
        for asked in line["questions"]
    ]
    return Customer(line["customer"], sessions, questions)


def _message(seq: int, content: str, began: datetime, *, customer: bool) -> Message:
    at = began + timedelta(seconds=30 * seq)
    return Message(id=f"msg_{seq}", seq=seq, role="user" if customer else "assistant", content=content, at=at)
