"""Random histories, two turns of each or a dozen: what every context keeps. `make test-long` tries ten thousand.

Hypothesis draws only a seed, and plain chance makes the rest of it: ten times as many histories in the same time, and
what fails is told by one number. Long texts are of few lengths, so that their counts are remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.context.assembly import Context, Draft, assemble
from shared.context.budget import MINIMUM_BEYOND_INSTRUCTIONS, Meter
from shared.context.calibration import UNLEARNED, Correction
from shared.context.sources import Digest, Recalled, Summary
from shared.models import MemoryEntry, Message, Scope, Strategy

from .drafts import CL100K, MODELS, NOW, SNIPPETS, draft, entry, message, part, recount, texts
from .test_compaction import pinned_part
from .test_promises import is_cut_of

LEARNED = (Correction(0.7), UNLEARNED, Correction(1.5, 1.5), Correction(0.9, 1.2))
MEGABYTE = 1_000_000
LONG = (100, 316, 1000)
TURNS = (2,) * 39 + (12,)
SCOPES: tuple[Scope, ...] = ("ticket", "preference", "note")
STRATEGIES: tuple[Strategy, ...] = ("sliding_window", "summarization", "hybrid")


@dataclass(frozen=True, slots=True)
class Chance:
    """Draws what a store may hold."""

    random: Random

    def text(self) -> str:
        """Return a text: mostly short, of any script, now and then blank, long, or a megabyte."""
        kind, snippet = self.random.random(), self.random.choice(SNIPPETS)
        if kind < 0.0002:
            return (snippet * (MEGABYTE // len(snippet.encode()) + 1))[:MEGABYTE]
        if kind < 0.02:
            return snippet * self.random.choice(LONG)
        return "".join(self.random.choices(SNIPPETS, k=self.random.randint(0, 8)))

    def history(self) -> list[Message]:
        """Return stored messages, in turns or in bursts; none, a few or many."""
        many = self.random.choice((0, 1, 4, 12, 40))
        return [
            message(
                number,
                self.text(),
                role="assistant" if self.random.random() < 0.2 + 0.6 * (number % 2) else "user",
                author=self.random.choice((None, None, "Jonas")),
                unanswered=self.random.random() < 0.1,
            )
            for number in range(self.random.randint(0, many))
        ]

    def memory(self) -> list[MemoryEntry]:
        """Return what is remembered: nothing, some entries, or more than any share holds."""
        many = self.random.choice((0, 3, 3, 12, 60))
        return [entry(f"key-{number}", self.text(), self.random.choice(SCOPES)) for number in range(many)]

    def draft(self) -> Draft:
        """Return any draft that the checks at start and in the API allow."""
        instructions, model = "".join(self.random.choices(SNIPPETS, k=3)), self.random.choice(MODELS)
        correction = self.random.choice(LEARNED)
        least = Meter(CL100K, model, correction).text(instructions) + MINIMUM_BEYOND_INSTRUCTIONS
        history = self.history()
        made = draft(
            self.text() + "?",
            history=history,
            memory=self.memory(),
            instructions=instructions,
            available=least + self.random.choice((0, 100, 1_000, 4_000, 12_000)),
            model=model,
            complete=self.random.random() < 0.7,
        )
        through = self.random.randint(0, len(history))
        return replace(
            made,
            correction=correction,
            strategy=self.random.choice(STRATEGIES),
            summary=self.random.choice((None, Summary(self.text() * 20 + "Asked for a refund.", through, 1))),
            digests=[Digest(f"ses_{number}", self.text() + "!", NOW) for number in range(self.random.choice((0, 5)))],
            recalled=[
                Recalled("ses_r", number, "user", self.text() + "!", NOW - timedelta(days=number))
                for number in range(self.random.choice((0, 4)))
            ],
            recall_share=self.random.choice((0.0, 0.25)),
        )

    def next(self, made: Draft, context: Context) -> Draft:
        """Return the draft of the turn after: a reply came, or none; now and then something else did too."""
        last = made.history[-1].seq if made.history else 0
        said = [message(last, made.newest)]
        if self.random.random() < 0.9:
            said.append(message(last + 1, self.random.choice((self.text() + "!", "Of course.")), role="assistant"))
        later = replace(made, history=[*made.history, *said], newest=self.text() + "?", pin=context.pin)
        match self.random.randint(0, 19):
            case 0:
                newer = entry("newer", self.text()).model_copy(
                    update={"version": last + 2, "updated_at": self.later(last)}
                )
                return replace(later, memory=[newer, *(each for each in made.memory if each.key != "newer")])
            case 1:
                return replace(later, memory=made.memory[1:])
            case 2 | 3:
                version = made.summary.version + 1 if made.summary else 1
                kept = (made.summary, made.pinned_summary)
                pinned = next((each for each in kept if each and each.version == context.pin.summary), None)
                return replace(later, summary=Summary(self.text() + "So far.", last, version), pinned_summary=pinned)
            case 4:
                return replace(
                    later, digests=[Digest(f"ses_{last}n", self.text() + "!", self.later(last)), *made.digests]
                )
            case 5:
                now = made.correction  # raised, it might not hold the instructions of the smallest budgets
                lower = [each for each in LEARNED if each.english <= now.english and each.others <= now.others]
                return replace(later, correction=self.random.choice(lower))
        return later

    def later(self, minutes: int) -> datetime:
        """Return a time after all that was there before."""
        return NOW + timedelta(minutes=minutes + 1)


def check(context: Context, made: Draft) -> None:
    """Hold one context against the promises."""
    assert recount(context, CL100K, made.model, made.correction) == context.tokens <= made.budget.available
    assert sum(each.tokens for each in context.receipt.parts) == context.tokens
    roles = [each["role"] for each in context.messages]
    assert roles[0] == roles[-1] == "user"
    assert all(first != second for first, second in pairwise(roles))
    assert all(text.strip() for text in texts(context))
    assert part(context, "newest").included == [made.newest_id]
    said = texts(context)[-1]
    assert said == made.newest or is_cut_of(said, made.newest)
    assert context.system == made.instructions.instructions


def grows(first: Context, second: Context) -> bool:
    """Whether the later context begins as the earlier one, where nothing was begun anew or squeezed."""
    squeezed = any("squeezed" in str(part(context, "window").reason) for context in (first, second))
    if second.receipt.compacted is not None or squeezed:
        return True
    return pinned_part(first) == pinned_part(second)[: len(pinned_part(first))]


@pytest.mark.timeout(900)
@given(st.binary(min_size=8, max_size=8))  # of integers it would draw small ones, again and again
@settings(max_examples=1_500, deadline=None)
def test_random_histories(seed: bytes) -> None:
    holds(seed)


@pytest.mark.long
@given(st.binary(min_size=8, max_size=8))
@settings(max_examples=10_000, deadline=None)
def test_ten_thousand_histories(seed: bytes) -> None:
    holds(seed)


def holds(seed: bytes) -> None:
    """Assert that every context of a random history keeps what it must."""
    chance = Chance(Random(seed))
    made = chance.draft()
    context = assemble(made, CL100K)
    check(context, made)
    assert assemble(made, CL100K) == context
    for _ in range(chance.random.choice(TURNS) - 1):
        made = chance.next(made, context)
        later = assemble(made, CL100K)
        check(later, made)
        assert grows(context, later)
        context = later
