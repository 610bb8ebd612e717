"""Conversations to measure the context with: generated ones, or real ones from a file."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any, Final

from shared.context.assembly import Context, Draft, assemble
from shared.context.counted import look_at
from shared.context.pin import Pin
from shared.context.sources import Digest, Recalled, Summary
from shared.context.tokens import TokenCounter, load_counter
from shared.models import AgentInstructions, MemoryEntry, Message, Role, TokenBudget
from shared.storage.records import weight_of

NOW: Final = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
INSTRUCTIONS: Final = (
    "You are the support agent of a shop. Answer in the customer's language, in at most five sentences. Promise "
    "nothing that the policy does not allow; where you do not know, say so and offer to ask a colleague. "
) * 3
SENTENCES: Final = (
    "The parcel with the blue ribbon has not come yet, although the tracking page says it was handed over.",
    "I have looked at order {} for you, and it left our warehouse on Tuesday with the usual carrier.",
    "Could you please tell me when the refund for order {} will be on my account?",
    "We are sorry for the trouble; a new one will be sent to you today, and you need not send the old one back.",
    "The lamp works, but the switch of it does not, and there is a scratch on the side of the box.",
    "Would it be possible to change the address of the delivery to my office before it is sent?",
    "That has been done, and you will have a mail from us with the number {} in the next hour.",
    "My sister ordered the same one in May and had it within two days, so I do not know what is wrong with mine.",
)
SUMMARY_EVERY: Final = 20  # messages
SUMMARY_MESSAGES: Final = 5  # as long as so many: about 300 tokens, the default
MEMORIES: Final = 10


def generated(seed: int = 1) -> Iterator[tuple[str, str]]:
    """Yield what the customer says and the reply to it, without end; about 60 tokens each."""
    chance = random.Random(seed)  # noqa: S311 - text to measure with

    def said() -> str:
        chosen = chance.sample(SENTENCES, chance.randint(1, 4))
        return " ".join(each.format(chance.randint(1000, 9999)) for each in chosen)

    while True:
        yield said(), said()


def real(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the turns of a file of customers, one a line, again and again.

    Shape of a line: `{"sessions": [{"turns": [{"speaker": "Customer", "text": "…"}, {"speaker": "Agent", …}]}]}`.
    """
    with path.open(encoding="utf-8") as lines:
        customers = [json.loads(line) for line in lines]
    turns = [turn for customer in customers for session in customer["sessions"] for turn in session["turns"]]
    asked = [
        (each["text"], answer["text"])
        for each, answer in pairwise(turns)
        if each["speaker"] == "Customer" and answer["speaker"] == "Agent"
    ]
    return cycle(asked)


@dataclass
class Talk:
    """A session as its turns go on; `read` is the most messages a turn reads."""

    budget: TokenBudget
    model: str
    read: int
    settings: dict[str, Any] = field(default_factory=dict)
    summarised: bool = False
    recalls: int = 0
    stored: list[Message] = field(default_factory=list)
    pin: Pin | None = None
    counter: TokenCounter = field(default_factory=load_counter)

    def draft(self, text: str) -> Draft:
        """Return the draft of the next turn."""
        history = self._read()
        made = Draft(
            instructions=AgentInstructions(instructions=INSTRUCTIONS),
            memory=memories(),
            history=history,
            history_complete=len(history) == len(self.stored),
            newest=text,
            newest_id="req_newest",
            model=self.model,
            budget=self.budget,
            pin=self.pin,
            summary=self._summary(len(self.stored) // SUMMARY_EVERY),
            pinned_summary=self._summary(self.pin.summary) if self.pin else None,
            recalled=self._recalled() if self.recalls else (),
        )
        return replace(made, **self.settings)

    def turn(self, text: str, reply: str) -> Context:
        """Run a turn."""
        context = assemble(self.draft(text), self.counter)
        self.pin = context.pin
        self.store(text, reply)
        return context

    def store(self, text: str, reply: str) -> None:
        """Store a turn without running it."""
        said: Sequence[tuple[Role, str]] = (("user", text), ("assistant", reply))
        for role, content in said:
            seq = len(self.stored) + 1
            tokens, kind = look_at(self.counter, content)
            at = NOW + timedelta(minutes=seq)
            self.stored.append(
                Message(id=f"msg_{seq}", seq=seq, role=role, content=content, at=at, tokens=tokens, text_kind=kind)
            )

    def _read(self) -> list[Message]:
        """Return the newest messages, as many as a turn reads of them."""
        first, left = len(self.stored), self.budget.available
        while first > max(0, len(self.stored) - self.read) and left > 0:
            first -= 1
            left -= weight_of(self.stored[first].tokens, self.budget.available)
        return self.stored[first:]

    def _summary(self, version: int) -> Summary | None:
        if not self.summarised or version == 0:
            return None
        text = " ".join(each.content for each in self.stored[::SUMMARY_EVERY][:version][-SUMMARY_MESSAGES:])
        return Summary(text, version * SUMMARY_EVERY, version)

    def _recalled(self) -> list[Recalled]:
        old = self.stored[: -self.read // 2]
        chosen = random.Random(len(self.stored)).sample(old, min(self.recalls, len(old)))  # noqa: S311 - as above
        return [Recalled("ses_0", each.seq, each.role, each.content, each.at) for each in chosen]


WHEN = ("valid_from", "created_at", "updated_at")


def digests(count: int) -> list[Digest]:
    """Return what earlier sessions of the customer came to, newest first."""
    return [
        Digest(f"ses_{number}", " ".join(SENTENCES[:4]), NOW - timedelta(days=number + 1)) for number in range(count)
    ]


def memories(count: int = MEMORIES) -> list[MemoryEntry]:
    """Return what is remembered of the customer, newest first."""
    return [
        MemoryEntry(
            key=f"fact {number}",
            value=SENTENCES[number % 8],
            scope="note",
            valid_from=NOW,
            created_at=NOW,
            updated_at=NOW,
        )
        for number in range(count)
    ]
