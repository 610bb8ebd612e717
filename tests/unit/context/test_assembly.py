"""Assembling a turn's context: the parts, their order, and who yields to whom."""

from __future__ import annotations

import pytest

from shared.context.assembly import assemble
from shared.errors import SettingsError

from .drafts import CL100K, conversation, draft, entry, message, part, texts


def test_a_first_message_stands_alone() -> None:
    """Instructions in the system prompt, the message, and nothing else."""
    context = assemble(draft("Where is my order?"), CL100K)

    assert context.system == "You are a support agent."
    assert context.messages == ({"role": "user", "content": [{"type": "text", "text": "Where is my order?"}]},)
    assert context.max_tokens == 500
    assert context.receipt.instructions_version == 3
    assert part(context, "memory").tokens == part(context, "window").tokens == 0


def test_the_parts_stand_in_order() -> None:
    """Memory opens the first user turn, the conversation follows, the newest message ends it."""
    context = assemble(
        draft(
            "And when?",
            history=conversation("Where is my order?", "On its way."),
            memory=[entry("tone", "formal", "preference")],
        ),
        CL100K,
    )

    memory, *said = texts(context)
    assert "tone: formal" in memory
    assert said == ["Where is my order?", "On its way.", "And when?"]
    assert [message["role"] for message in context.messages] == ["user", "assistant", "user"]
    assert context.messages[0]["content"][0]["text"] == memory


def test_an_unanswered_message_is_merged_with_the_next() -> None:
    """Two blocks of one user message, so that roles still alternate."""
    history = [message(0, "Hello?", unanswered=True)]

    context = assemble(draft("Is anyone there?", history=history), CL100K)

    (only,) = context.messages
    assert only["role"] == "user"
    assert texts(context) == ["Hello?", "Is anyone there?"]


def test_a_huge_message_keeps_head_and_tail_and_leaves_memory_its_share() -> None:
    """It must be cut anyway, so what is remembered makes it no worse."""
    newest = f"Here is my log. {'noise ' * 20_000} What do I do?"

    context = assemble(draft(newest, memory=[entry("tone", "formal")]), CL100K)

    said = texts(context)[-1]
    assert said.startswith("Here is my log.")
    assert said.endswith("What do I do?")
    assert part(context, "memory").included == ["tone"]
    assert context.tokens > 3596 * 0.9
    assert "clipped the message" in str(part(context, "newest").reason)


def test_the_smallest_budget_leaves_the_message_its_minimum() -> None:
    """Memory and history yield."""
    made = draft(
        "noise " * 5000, history=conversation("Hello", "Hi"), memory=[entry("tone", "formal")], available=256 + 9
    )

    context = assemble(made, CL100K)

    assert part(context, "system").tokens == 9
    assert 256 * 0.9 < part(context, "newest").tokens <= 256
    assert len(texts(context)) == 1


def test_a_long_message_that_fits_is_not_cut_for_memorys_sake() -> None:
    """What the customer says now comes before what was remembered."""
    newest = "word " * 2480

    context = assemble(draft(newest, memory=[entry(f"key-{number}", "word " * 20) for number in range(20)]), CL100K)

    assert texts(context) == [newest]
    assert part(context, "memory").included == []


def test_the_memory_block_is_the_same_whatever_the_length_of_the_message() -> None:
    """Its share does not follow the newest message, so Claude's prompt cache keeps hitting."""
    memory = [entry(f"key-{number}", "word " * 20) for number in range(60)]

    short = assemble(draft("Hi", memory=memory), CL100K)
    longer = assemble(draft("word " * 1000, memory=memory), CL100K)

    assert part(short, "memory").omitted
    assert texts(short)[0] == texts(longer)[0]


def test_memory_takes_no_more_than_its_share() -> None:
    """A fifth of what instructions and the message's minimum leave; the window has the rest."""
    memory = [entry(f"key-{number}", "word " * 20) for number in range(200)]
    history = conversation(*["word " * 20] * 200)

    context = assemble(draft(history=history, memory=memory), CL100K)

    room = 3596 - part(context, "system").tokens - 256
    assert room * 0.12 < part(context, "memory").tokens <= room * 0.2
    assert part(context, "window").tokens > room * 0.45


def test_what_fits_exactly_goes_in_whole() -> None:
    """Not one token is held back."""
    history, newest = conversation("Where is my order?", "On its way."), "word " * 300
    whole = assemble(draft(newest, history=history), CL100K)

    assert assemble(draft(newest, history=history, available=whole.tokens), CL100K).messages == whole.messages
    tight = assemble(draft(newest, history=history, available=whole.tokens - 1), CL100K)
    assert texts(tight) == [newest]
    assert texts(assemble(draft(newest, available=tight.tokens), CL100K)) == [newest]
    assert texts(assemble(draft(newest, available=tight.tokens - 1), CL100K)) != [newest]


def test_the_memory_blocks_number_is_looked_for_everywhere() -> None:
    """In the instructions, the history, the names of authors, and the newest message."""
    memory = [entry("tone", "formal")]
    tag = texts(assemble(draft(memory=memory), CL100K))[0].split('"')[0]
    closing = tag[tag.index("<memory-") :].replace("<", "</").replace(" scope=", ">")
    number = closing[len("</memory-") : -1]

    for said in (
        draft(closing, memory=memory),
        draft(memory=memory, instructions=closing),
        draft(memory=memory, history=[message(0, closing)]),
        draft(memory=memory, history=[message(0, "Hello"), message(1, "Hi", role="assistant", author=number)]),
    ):
        context = assemble(said, CL100K)
        assert part(context, "memory").included == ["tone"]
        assert number not in texts(context)[0]


def test_instructions_that_are_too_long_lose_their_end() -> None:
    """A last resort, said in the receipt; the customer's message is whole."""
    context = assemble(draft("Hello?", instructions="Be brief. " * 2000, available=1000), CL100K)

    assert context.system.startswith("Be brief. ")
    assert context.system.endswith("characters left out …] ")
    assert "clipped the instructions" in str(part(context, "system").reason)
    assert texts(context) == ["Hello?"]


def test_a_budget_without_room_for_a_conversation_is_refused() -> None:
    """No context could keep it."""
    assemble(draft("Hello?", available=256), CL100K)

    with pytest.raises(SettingsError, match="TOKEN_BUDGET_MAX"):
        assemble(draft("Hello?", available=255), CL100K)


def test_a_blank_message_is_said_to_be_one() -> None:
    """Claude refuses blank text."""
    assert texts(assemble(draft(" \n"), CL100K)) == ["[an empty message]"]


def test_a_lone_surrogate_does_no_harm() -> None:
    """The API refuses it; where one slips by, counting, cutting and hashing still work."""
    torn = "\ud800" * 4000

    context = assemble(draft(torn, memory=[entry("tone", torn)]), CL100K)

    assert context.tokens <= 3596
    assert texts(context)[-1].startswith("\ud800")


def test_a_receipt_tells_of_messages_that_were_not_read() -> None:
    """The window may not be full, and yet not be everything."""
    history = conversation("Hello", "Hello, how can I help?")

    assert part(assemble(draft(history=history), CL100K), "window").reason is None
    unread = part(assemble(draft(history=history, complete=False), CL100K), "window")
    assert unread.reason == "older messages were not read"


def test_a_receipt_lists_at_most_twenty_of_what_was_left_out() -> None:
    """The nearest to the window, and for memory what comes first; counts are told in words."""
    history = conversation(*["word " * 20] * 200)
    memory = [entry(f"key-{number}", "word " * 20) for number in range(200)]

    context = assemble(draft(history=history, memory=memory, available=8000), CL100K)

    window, remembered = part(context, "window"), part(context, "memory")
    first = int(window.included[0].removeprefix("msg_"))
    assert window.omitted == [f"msg_{first - back}" for back in range(1, 21)]
    assert len(remembered.omitted) == 20
    assert remembered.included == sorted(f"key-{number}" for number in range(len(remembered.included)))
    assert len(remembered.included) > 20
    assert "left out" in window.reason
    assert "left out" in remembered.reason
