"""What matters for the message goes in first at a compaction, and comes late where there was no room for it then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from shared.context.assembly import assemble
from shared.context.rebuild import rebuild
from shared.context.sources import Digest, Recalled

from .conversations import Talk
from .drafts import CL100K, NOW, draft, entry, part, texts
from .test_compaction import WORDS

FILLER = [entry(f"fact-{number}", f"{number}: {WORDS}") for number in range(40)]
BOILER = entry("boiler", "The boiler in the cellar is a Vaillant of 2011.")
PREFERENCE = entry("tone", "formal", "preference")


def sessions(count: int) -> list[Digest]:
    return [Digest(f"ses_{number}", WORDS * 3, NOW - timedelta(days=number)) for number in range(count)]


def test_a_note_that_matters_goes_in_before_newer_ones() -> None:
    context = assemble(draft("What boiler do I have?", memory=[PREFERENCE, *FILLER, BOILER]), CL100K)
    assert {"tone", "boiler"} <= set(part(context, "memory").included)
    assert "fact-12" in part(context, "memory").omitted
    other = assemble(draft("Hello", memory=[PREFERENCE, *FILLER, BOILER]), CL100K)
    assert "boiler" not in part(other, "memory").included


def test_what_had_no_room_comes_late_where_it_matters() -> None:
    talk = Talk(settings={"memory": [*FILLER, BOILER]})
    for number in range(4):
        context = talk.say(f"{number}: hello")
    before = texts(context)[0]
    assert "boiler" not in part(context, "memory").included
    late = talk.say("What boiler do I have?")
    assert late.receipt.compacted is None
    assert texts(late)[0] == before, "the beginning stays as it is"
    assert part(late, "late").included == ["boiler"]
    assert late.receipt.memory_versions["boiler"] == 1
    after = talk.say("Thank you")
    assert [each.name for each in after.receipt.parts if each.name == "late"] == []


def test_no_more_than_five_come_late() -> None:
    pumps = [entry(f"pump-{number}", f"Pump {number} is in the cellar.") for number in range(9)]
    talk = Talk(settings={"memory": [*FILLER, *pumps]})
    talk.say("hello")
    context = talk.say("Which pump is in the cellar?")
    assert len(part(context, "late").included) == 5


def test_the_last_session_goes_in_and_then_those_that_matter() -> None:
    boiler = Digest("ses_boiler", "The boiler was repaired by Jonas.", NOW - timedelta(days=90))
    asked = replace(draft("Is the boiler fine?", available=4_000), digests=[*sessions(9), boiler])
    context = assemble(asked, CL100K)
    assert {"ses_0", "ses_boiler"} <= set(part(context, "digests").included)
    assert "ses_8" in part(context, "digests").omitted


def test_a_session_that_had_no_room_comes_late_where_it_matters() -> None:
    boiler = Digest("ses_boiler", "The boiler was repaired by Jonas.", NOW - timedelta(days=90))
    talk = Talk(available=2_000, settings={"digests": [*sessions(9), boiler]})
    talk.say("hello")
    context = talk.say("Who repaired the boiler?")
    assert context.receipt.compacted is None
    assert part(context, "late").included == ["ses_boiler"]


def test_the_order_in_which_entries_were_chosen_changes_no_byte() -> None:
    memory = [entry("a", "The lamp is blue."), entry("b", "The door is green."), entry("c", "The boiler is grey.")]
    first = assemble(draft("Which boiler?", memory=memory), CL100K)
    again = assemble(draft("Which boiler?", memory=memory[::-1]), CL100K)
    assert first.messages == again.messages
    parts = draft("Which boiler?", memory=memory[::-1])
    rebuilt = rebuild(first.receipt, replace(parts, history=[], history_complete=True), CL100K)
    assert rebuilt is not None
    assert rebuilt.messages == first.messages


def test_a_session_that_fits_goes_in_whole_until_something_earlier_is_recalled() -> None:
    talk = Talk(available=1_500, settings={"recall_share": 0.4})
    while True:
        context = talk.say(f"{len(talk.stored)}: {WORDS}", f"Answer: {WORDS}")
        window = part(context, "window")
        if window.tokens > 0.7 * 1_500:
            break
        assert context.receipt.compacted is None
        assert "msg_1" in window.included or not window.included
    earlier = [Recalled("ses_other", 1, "user", WORDS, NOW)]
    context = talk.say(WORDS, recalled=earlier)
    assert context.receipt.compacted == "the window is full"
    assert part(context, "recall").included == ["ses_other/1"]
    assert part(context, "window").tokens < 0.6 * 1_500
