"""Who gives way to a long newest message: as the table says, in its order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.context.assembly import Context, assemble
from shared.context.budget import BLOCK_OVERHEAD, PARTS, Meter
from shared.context.sources import Digest, Recalled
from shared.models import PartName

from .conversations import Talk
from .drafts import CL100K, NOW, entry, part
from .test_compaction import SUMMARY, WORDS

ONE_PIECE = 150  # tokens: more than one digest, or one entry, has


def grown(talk: Talk, share: float, **now: Any) -> Context:
    """Return the context of a newest message that takes so much of all the room there is."""
    meter = Meter(CL100K, "claude-sonnet-4-6")
    room = talk.available - meter.text("You are a support agent.")
    times = int((room * share - BLOCK_OVERHEAD) / (meter.text(WORDS * 100) / 100)) - 1
    context = assemble(talk.draft(WORDS * times, **now), CL100K)
    assert part(context, "newest").reason is None
    return context


def test_parts_give_way_in_the_order_of_the_table() -> None:
    """The window down to its last turns, digests, the summary, memory: as the newest message grows."""
    memory = [entry(f"key {number}", WORDS) for number in range(30)]
    digests = [Digest(f"ses_{number}", WORDS * 3, NOW - timedelta(days=number)) for number in range(5)]
    talk = Talk(settings={"memory": memory, "digests": digests, "strategy": "hybrid", "summary": None})
    for number in range(40):
        talk.say(f"{number}: {WORDS}", f"Answer {number}: {WORDS}", summary=replace(SUMMARY, text=WORDS * 12))
    given: dict[str, Any] = {"summary": replace(SUMMARY, text=WORDS * 12)}
    names: list[PartName] = ["window", "digests", "summary", "memory"]
    assert [name for name in PARTS if name in names] == names
    gone: list[dict[str, int]] = []
    for percent in range(30, 101, 5):
        context = grown(talk, percent / 100, **given)
        tokens = {each.name: each.tokens for each in context.receipt.parts}
        gone.append({name: tokens.get(name, 0) for name in names})
    whole = gone[0]
    for now in gone:
        touched = [name for name in names if now[name] < whole[name]]
        assert touched == names[: len(touched)]
        for name in touched[:-1]:  # whatever gave way before has nothing left but its floor, or what fills a gap
            assert now[name] <= PARTS[name].floor + ONE_PIECE
    assert gone[-1]["memory"] < whole["memory"]
    last_turns = [now["window"] for now in gone if now["memory"] > 100]
    assert min(last_turns) > 0


def test_a_message_longer_than_all_there_is_leaves_the_last_turns() -> None:
    talk = Talk(settings={"memory": [entry("language", "English")]})
    for number in range(10):
        talk.say(f"{number}: {WORDS}", f"Answer {number}: {WORDS}")
    context = talk.say(WORDS * 300)
    assert part(context, "window").included == ["msg_16", "msg_17", "msg_18", "msg_19"]
    assert part(context, "window").tokens <= PARTS["window"].floor
    assert part(context, "memory").included == ["language"]
    assert context.tokens <= talk.available


def test_recall_takes_no_more_than_its_share() -> None:
    recalled = [Recalled("ses_0", number, "user", WORDS, NOW) for number in range(200)]
    context = Talk(settings={"recall_share": 0.5, "recalled": recalled}).say("Hi")
    assert 0.4 * 3596 < part(context, "recall").tokens <= 0.5 * 3596
