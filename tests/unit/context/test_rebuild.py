"""A context can be made again from its receipt, byte by byte, while its parts exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.context.assembly import Context, Draft
from shared.context.calibration import Correction
from shared.context.pin import Pin
from shared.context.rebuild import rebuild
from shared.context.sources import Digest, Recalled, Summary
from shared.models import AgentInstructions, MemoryEntry, MemoryVersion, Strategy

from .conversations import Talk
from .drafts import CL100K, NOW, any_texts, entry, part, texts

WORDS = "The parcel with the blue ribbon has not come yet, although it was sent to you by the shop two weeks ago. "
LEARNED = (Correction(0.8), Correction(), Correction(1.3, 1.3), Correction(0.9, 1.1))
strategies: st.SearchStrategy[Strategy] = st.sampled_from(["sliding_window", "summarization", "hybrid"])


@dataclass
class Archive:
    """A conversation, and what there is of it in the end."""

    talk: Talk
    memory: list[MemoryEntry] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Each turn's newest message, and how many were stored before it."""

    def write(self, key: str, value: Any, at: datetime) -> None:
        """Write a memory entry; its earlier values are kept."""
        made = entry(key, value).model_copy(update={"updated_at": at, "valid_from": at})
        for old in [each for each in self.memory if each.key == key]:
            was = MemoryVersion(
                value=old.value,
                scope=old.scope,
                source=old.source,
                version=old.version,
                valid_from=old.valid_from,
                valid_until=at,
            )
            made = made.model_copy(update={"version": old.version + 1, "history": [was, *old.history]})
        self.memory = [made, *(each for each in self.memory if each.key != key)]

    def say(self, text: str, reply: str | None = "Of course.", **now: Any) -> Context:
        """Run a turn."""
        self.asked.append((text, len(self.talk.stored)))
        return self.talk.say(text, reply, memory=self.memory, **now)

    def parts(self, turn: int, **now: Any) -> Draft:
        """Return what there is today of a turn's parts."""
        text, before = self.asked[turn]
        pin = Pin.read(self.talk.contexts[turn].receipt.pin)
        assert pin is not None
        history = [message for message in self.talk.stored[:before] if message.seq >= pin.start]
        made = self.talk.draft(text, memory=self.memory, **now)
        return replace(made, history=history, history_complete=pin.start == 1, strategy="sliding_window", pin=None)

    def rebuilt(self, turn: int, **now: Any) -> Context | None:
        """Return a turn's context, made again."""
        return rebuild(self.talk.contexts[turn].receipt, self.parts(turn, **now), CL100K)


def long_archive(turns: int = 60) -> Archive:
    archive = Archive(Talk())
    archive.write("language", "English", NOW)
    for number in range(turns):
        archive.say(f"{number}: {WORDS}", f"Answer {number}: {WORDS}")
    return archive


def same(first: Context | None, second: Context) -> bool:
    """Whether both send the same."""
    return first is not None and (first.system, first.messages) == (second.system, second.messages)


def test_every_turn_of_a_long_conversation_can_be_made_again() -> None:
    archive = long_archive()
    assert sum(context.receipt.compacted is not None for context in archive.talk.contexts) > 1
    assert all(same(archive.rebuilt(turn), context) for turn, context in enumerate(archive.talk.contexts))


def test_an_entry_replaced_since_is_taken_as_it_was() -> None:
    archive = long_archive(3)
    archive.write("language", "German", NOW + timedelta(hours=1))
    archive.memory[0] = archive.memory[0].model_copy(update={"source": "extraction"})
    archive.say("Auf Deutsch, bitte.")
    again = archive.rebuilt(1)
    assert same(again, archive.talk.contexts[1])
    assert again is not None
    assert "English" in texts(again)[0]


def test_a_turn_squeezed_by_a_long_message_can_be_made_again() -> None:
    archive = long_archive(40)
    context = archive.say("My order is 4711. " + WORDS * 120)
    assert "squeezed" in str(part(context, "window").reason)
    archive.say("And now?")
    assert same(archive.rebuilt(40), context)


def test_another_cache_setting_is_no_hindrance() -> None:
    archive = long_archive(50)
    assert archive.talk.contexts[-1].receipt.cached_tokens > 0
    archive.talk.settings["cache_ttl"] = "off"
    assert same(archive.rebuilt(49), archive.talk.contexts[-1])


@pytest.mark.parametrize("gone", ["message", "entry", "version", "instructions"])
def test_what_is_gone_is_told_and_nothing_else_is_given_for_it(gone: str) -> None:
    archive = long_archive(5)
    if gone == "message":
        archive.talk.stored[2] = archive.talk.stored[2].model_copy(update={"content": "[removed]"})
    elif gone == "entry":
        archive.memory.clear()
    elif gone == "version":
        archive.write("language", "German", NOW + timedelta(hours=1))
        archive.memory[0].history.clear()
    changed = {"instructions": AgentInstructions(instructions="Be brief.", version=4)} if gone == "instructions" else {}
    assert archive.rebuilt(4, **changed) is None


@st.composite
def archives(draw: st.DrawFn) -> tuple[Archive, Sequence[dict[str, Any]]]:
    """Return any conversation under any small budget, and what each turn was given besides."""
    archive = Archive(Talk(available=draw(st.integers(300, 2500)), read=draw(st.integers(4, 60))))
    archive.talk.settings = {"strategy": draw(strategies), "recall_share": draw(st.sampled_from([0.0, 0.4]))}
    digests: list[Digest] = []
    summary: Summary | None = None
    besides = []
    for number in range(draw(st.integers(1, 10))):
        at = NOW + timedelta(minutes=number)
        what = draw(st.sampled_from(["talk", "talk", "memory", "digest", "summary", "learn"]))
        if what == "memory":
            archive.write(draw(st.sampled_from(["a", "b", "c"])), draw(any_texts), at)
        elif what == "digest":
            digests = [Digest(f"ses_{number}", draw(any_texts), at), *digests]
        elif what == "summary":
            summary = Summary(draw(any_texts), len(archive.talk.stored) // 2, number + 1)
        elif what == "learn":
            archive.talk.settings["correction"] = draw(st.sampled_from(LEARNED))
        recalled = [
            Recalled("ses_r", at, "user", text, NOW) for at, text in enumerate(draw(st.lists(any_texts, max_size=2)))
        ]
        besides.append({"digests": digests, "summary": summary, "recalled": recalled})
        archive.say(draw(any_texts), draw(st.none() | any_texts), **besides[-1])
    return archive, besides


@given(archives())
@settings(max_examples=200, deadline=None)
def test_whatever_was_said_each_context_is_what_its_receipt_says(
    case: tuple[Archive, Sequence[dict[str, Any]]],
) -> None:
    archive, besides = case
    for turn, context in enumerate(archive.talk.contexts):
        assert same(archive.rebuilt(turn, **besides[turn]), context)
