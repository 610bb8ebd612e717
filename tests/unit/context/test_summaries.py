"""Summaries in a context: what they stand for, and when one that was rewritten takes the place of the one before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.context.budget import Meter
from shared.context.sources import Summary
from shared.models import Strategy

from .drafts import CL100K, part, texts
from .test_compaction import SUMMARY, WORDS, grows_from, long_talk


def test_without_a_summary_the_newest_turns_go_in_and_the_gap_is_told() -> None:
    for strategy in ("sliding_window", "summarization", "hybrid"):
        context = long_talk(strategy=strategy).say("And now?")
        assert context.receipt.gap is not None
        assert context.receipt.window is not None
        assert (context.receipt.gap.first, context.receipt.gap.last) == (1, context.receipt.window.first - 1)


def test_summarization_goes_on_where_the_summary_ends() -> None:
    summary = replace(SUMMARY, through=112)
    context = long_talk(strategy="summarization").say("And now?", summary=summary)
    assert context.receipt.window is not None
    assert (context.receipt.window.first, context.receipt.gap) == (113, None)
    assert "order 4711" in texts(context)[0]
    assert part(context, "summary").included == ["summary 1"]


def test_hybrid_keeps_recent_turns_beside_the_summary() -> None:
    summary = replace(SUMMARY, through=118)
    context = long_talk(strategy="hybrid").say("And now?", summary=summary)
    assert context.receipt.window is not None
    assert context.receipt.window.first < 112
    assert context.receipt.gap is None


def test_sliding_window_leaves_the_summary_out() -> None:
    context = long_talk(strategy="sliding_window").say("And now?", summary=SUMMARY)
    assert not any("order 4711" in text for text in texts(context))


def test_a_new_summary_begins_anew() -> None:
    talk = long_talk(strategy="hybrid")
    talk.say("And now?", summary=SUMMARY)
    assert talk.say("And?", summary=replace(SUMMARY, version=2)).receipt.compacted == "the summary changed"


def test_a_rewritten_summary_waits_until_the_window_is_full() -> None:
    talk = long_talk(strategy="hybrid")
    first = talk.say("And now?", summary=SUMMARY)
    later = replace(SUMMARY, text="The refund of order 4711 was sent.", through=40, version=2)
    second = talk.say("And?", summary=later, pinned_summary=SUMMARY)
    assert second.receipt.compacted is None
    assert grows_from(first, second)
    assert part(second, "summary").included == ["summary 1"]
    assert part(second, "summary").omitted == ["summary 2"]
    assert "waits" in part(second, "summary").reason
    assert second.receipt.gap is not None
    assert second.receipt.gap.first == 21  # what the later one covers is not there yet
    for number in range(60):
        full = talk.say(f"{number}: {WORDS}", WORDS, summary=later, pinned_summary=SUMMARY)
        if full.receipt.compacted:
            break
    assert full.receipt.compacted == "the window is full"
    assert part(full, "summary").included == ["summary 2"]


def test_the_first_summary_waits_too() -> None:
    talk = long_talk(strategy="summarization")
    talk.say("And now?")
    context = talk.say("And?", summary=SUMMARY)
    assert context.receipt.compacted is None
    assert part(context, "summary").omitted == ["summary 1"]


def test_a_summary_of_all_that_is_missing_does_not_wait() -> None:
    talk = long_talk(strategy="hybrid")
    before = talk.say("And now?")
    assert before.receipt.gap is not None
    whole = replace(SUMMARY, through=before.receipt.gap.last)
    context = talk.say("And?", summary=whole)
    assert (context.receipt.compacted, context.receipt.gap) == ("a summary of what was missing has come", None)
    after = talk.say("And then?", summary=whole)
    assert after.receipt.compacted is None


def test_one_that_has_no_room_begins_nothing_anew_twice() -> None:
    talk = long_talk(strategy="hybrid")
    talk.available = 300
    before = talk.say("And now?")
    assert before.receipt.gap is not None
    whole = replace(SUMMARY, through=before.receipt.gap.last)
    assert part(talk.say("And?", summary=whole), "summary").included == []
    assert talk.say("And?", summary=whole).receipt.compacted != "a summary of what was missing has come"


def test_a_summary_that_was_removed_breaks_the_pin_at_once() -> None:
    talk = long_talk(strategy="hybrid")
    talk.say("And now?", summary=SUMMARY)
    context = talk.say("And?", summary=None)
    assert context.receipt.compacted == "the summary changed"
    assert not any("order 4711" in text for text in texts(context))


@pytest.mark.parametrize("strategy", ["summarization", "hybrid"])
def test_a_summary_that_has_no_room_covers_nothing(strategy: Strategy) -> None:
    """The turns that it would stand for go in as without it, and `gap` tells of what does not."""
    talk = long_talk(strategy=strategy)
    talk.available = 300
    context = talk.say("And now?", summary=replace(SUMMARY, through=112))
    assert part(context, "summary").included == []
    assert context.receipt.gap is not None
    assert context.receipt.gap.first == 1
    assert context.pin.summary == 0


def test_a_summary_squeezed_out_covers_nothing_either() -> None:
    talk = long_talk(strategy="hybrid")
    talk.say("And now?", summary=SUMMARY)
    meter = Meter(CL100K, "claude-sonnet-4-6")
    room = talk.available - meter.text("You are a support agent.")
    times = max(number for number in range(120, 160) if meter.block(WORDS * number) <= room)
    context = talk.say(WORDS * times, summary=SUMMARY)
    assert part(context, "newest").reason is None
    assert part(context, "summary").included == []
    assert context.receipt.gap is not None
    assert context.receipt.gap.first == 1


def test_summarization_keeps_the_last_turn_of_a_session_that_is_summarised_whole() -> None:
    talk = long_talk(strategy="summarization")
    whole = Summary("They talked about a parcel.", len(talk.stored), 1)
    context = talk.say("And now?", summary=whole)
    assert part(context, "window").included == [each.id for each in talk.stored[-4:-2]]
