"""What every context keeps, whatever was stored and whatever the customer wrote."""

from __future__ import annotations

import hashlib
import json
import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.context.assembly import Context, Draft, assemble, render
from shared.context.budget import Meter
from shared.context.tokens import TokenCounter
from shared.models import Message

from .drafts import CL100K, NOW, draft, drafts, histories, part, recount, short_texts, texts

moderate = settings(max_examples=200, deadline=None)
Case = tuple[Draft, TokenCounter]
MARKER = re.compile(r" \[… ([0-9,]+) characters left out …\] ")
TAG = re.compile(r'<memory-([0-9]{8}) scope="(\w+)">')


def window_texts(context: Context) -> list[str]:
    """Return the texts between the memory block and the newest message."""
    return texts(context)[1 if part(context, "memory").tokens else 0 : -1]


def is_cut_of(text: str, original: str) -> bool:
    """Whether `text` is head and tail of `original` around a marker that counts what is missing."""
    return any(
        original.startswith(text[: found.start()])
        and original.endswith(text[found.end() :])
        and len(text) - len(found[0]) + int(found[1].replace(",", "")) == len(original)
        for found in MARKER.finditer(text)
    )


def spoken(history: list[Message]) -> list[Message]:
    """Return the messages that hold more than white space."""
    return [message for message in history if message.content.strip()]


@given(drafts())
@moderate
def test_a_context_never_exceeds_its_budget(case: Case) -> None:
    """Counted again from what is sent alone, it is what the context says, and within the budget."""
    made, counter = case

    context = assemble(made, counter)

    assert recount(context, counter, made.model) == context.tokens
    assert context.tokens <= made.budget.max - made.budget.reserve
    assert context.max_tokens == made.budget.reserve


@given(drafts())
@moderate
def test_the_newest_message_is_the_last_thing_said(case: Case) -> None:
    """It is whole wherever it fits beside the instructions, else its head and tail are there."""
    made, counter = case

    context = assemble(made, counter)

    last = context.messages[-1]
    assert last["role"] == "user"
    said = last["content"][-1]["text"]
    alone = assemble(draft(made.newest, instructions=context.system, available=900_000, model=made.model), counter)
    if alone.tokens <= made.budget.available:
        assert said == made.newest
    else:
        assert is_cut_of(said, made.newest)
    assert part(context, "newest").included == ["req_newest"]


@given(drafts())
@moderate
def test_the_shape_is_one_that_claude_accepts(case: Case) -> None:
    """User first, roles in turn, no blank text, the instructions alone in the system prompt."""
    made, counter = case

    context = assemble(made, counter)

    roles = [message["role"] for message in context.messages]
    assert roles[0] == "user"
    assert all(first != second for first, second in pairwise(roles))
    assert all(text.strip() for text in texts(context))
    assert all(block["type"] == "text" for message in context.messages for block in message["content"])
    assert context.system == made.instructions.instructions


@given(drafts())
@moderate
def test_the_window_is_the_end_of_the_history(case: Case) -> None:
    """Contiguous to the newest message, begun by the customer; each message whole, or cut to a quarter of the room."""
    made, counter = case

    context = assemble(made, counter)

    included = part(context, "window").included
    said = spoken(list(made.history))
    chosen = said[len(said) - len(included) :]
    assert included == [message.id for message in chosen]
    assert not chosen or chosen[0].role == "user"
    most = max(int((made.budget.available - part(context, "system").tokens - 256) * 0.25), 64)
    for message, text in zip(chosen, window_texts(context), strict=True):
        assert text == render(message) or is_cut_of(text, render(message))
        assert Meter(counter, made.model).block(text) <= most


@given(drafts())
@moderate
def test_no_stored_text_can_close_the_memory_block(case: Case) -> None:
    """The block's number occurs in its own tags and nowhere else in the context."""
    made, counter = case

    context = assemble(made, counter)

    tags = TAG.findall(texts(context)[0]) if part(context, "memory").tokens else []
    assert len({number for number, _ in tags}) <= 1
    for number, _ in tags[:1]:
        everything = [context.system, *texts(context)]
        assert sum(text.count(number) for text in everything) == 2 * len(tags)
        assert [scope for _, scope in tags] == [
            scope for scope in ("ticket", "preference", "note") if scope in {scope for _, scope in tags}
        ]


@given(drafts())
@moderate
def test_the_receipt_accounts_for_every_token_and_message(case: Case) -> None:
    """Parts add up; what is in and what is out are told apart; the hash is of what is sent."""
    made, counter = case

    context = assemble(made, counter)

    receipt = context.receipt
    assert [part.name for part in receipt.parts] == ["system", "memory", "window", "newest"]
    assert sum(part.tokens for part in receipt.parts) == receipt.tokens == context.tokens
    memory, window = part(context, "memory"), part(context, "window")
    assert sorted([*memory.included, *memory.omitted]) == sorted(entry.key for entry in made.memory)
    assert {*window.included, *window.omitted} == {message.id for message in made.history}
    assert bool(window.omitted) <= bool(window.reason)
    assert bool(memory.omitted) <= bool(memory.reason)
    assert receipt.counter == Meter(counter, made.model).name
    request = {
        "model": made.model,
        "system": context.system,
        "messages": list(context.messages),
        "max_tokens": context.max_tokens,
    }
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"))
    assert receipt.request_hash == hashlib.sha256(canonical.encode()).hexdigest()


@given(drafts())
@settings(max_examples=50, deadline=None)
def test_the_same_draft_gives_the_same_context(case: Case) -> None:
    """Nothing in it comes from chance or the clock."""
    made, counter = case

    assert assemble(made, counter) == assemble(made, counter)


@given(instructions=short_texts.map(lambda text: text * 40), available=st.integers(256, 700), newest=short_texts)
@settings(max_examples=100, deadline=None)
def test_instructions_beyond_the_budget_do_not_break_it(instructions: str, available: int, newest: str) -> None:
    """Their end is cut as a last resort, which the receipt says; the newest message keeps its minimum."""
    made = draft(f"Hello? {newest}", instructions=instructions, available=available)

    context = assemble(made, CL100K)

    assert recount(context, CL100K, made.model) == context.tokens <= available
    assert texts(context)[-1].startswith("Hello?")
    if context.system != instructions:
        assert context.system == "" or is_cut_of(context.system, instructions)
        assert "clipped the instructions" in str(part(context, "system").reason)


@given(histories, st.integers(0, 2000))
@settings(max_examples=50, deadline=None)
def test_one_huge_message_does_not_empty_the_window(history: list[Message], times: int) -> None:
    """The turn before a huge one is still there."""
    huge = Message(id="huge", role="user", content="log line 4711 failed\n" * (400 + times), at=NOW)
    answer = Message(id="answer", role="assistant", content="Thank you, I look into it.", at=NOW)
    before = [
        Message(id="question", role="user", content="My printer is offline.", at=NOW),
        Message(id="ask", role="assistant", content="Please send me its log.", at=NOW),
    ]

    context = assemble(draft(history=[*history, *before, huge, answer]), CL100K)

    assert part(context, "window").included[-4:] == ["question", "ask", "huge", "answer"]
    assert any(is_cut_of(text, huge.content) for text in texts(context))
