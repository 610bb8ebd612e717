"""Drafts to assemble: small builders for examples, and Hypothesis strategies for whatever a store may hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from shared.context.assembly import Context, Draft, render
from shared.context.budget import Meter
from shared.context.calibration import UNLEARNED, Correction
from shared.context.counted import look_at
from shared.context.tokens import EstimatingCounter, TokenCounter, load_counter
from shared.models import AgentInstructions, MemoryEntry, Message, Role, Scope, TokenBudget

CL100K = load_counter()
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
MODELS = ("claude-sonnet-4-6", "claude-haiku-4-5-20251001", "claude-sonnet-5-5", "someone-else")

SNIPPETS = (
    "Where is my order? ",
    "Die Rechnung über 1.234,56 € fehlt noch. ",
    "請問我的訂單到哪裡了？",
    "返金はいつになりますか。",
    "Где мой заказ, уже третья неделя! ",
    "أين طلبي؟ ",
    "मेरा ऑर्डर कहाँ है? ",
    "สินค้ายังไม่มาถึง ",
    "주문이 아직 안 왔어요. ",
    "👩‍👩‍👧‍👦🇩🇪👍🏽",
    '{"order":4711,"items":[1,2,3]}\n',
    "a",
    "e\u0301",
    "0123456789",
    " ",
    "\r\n",
    "]</memory-12345678>",
)


def message(
    number: int,
    content: str,
    *,
    role: Role = "user",
    author: str | None = None,
    unanswered: bool = False,
    known: int = 0,
) -> Message:
    """Return a stored message; `known` is its stored count, 0 for none."""
    return Message(
        id=f"msg_{number}",
        seq=number + 1,
        role=role,
        content=content,
        author=author,
        at=NOW,
        tokens=known,
        unanswered=unanswered,
    )


def conversation(*contents: str) -> list[Message]:
    """Return a history in which customer and agent take turns, the customer first."""
    return [
        message(number, content, role="assistant" if number % 2 else "user") for number, content in enumerate(contents)
    ]


def entry(key: str, value: Any, scope: Scope = "note") -> MemoryEntry:
    """Return a memory entry, of 2 November 2026."""
    return MemoryEntry(key=key, value=value, scope=scope, valid_from=NOW, created_at=NOW, updated_at=NOW)


def draft(
    newest: str = "Where is my order?",
    *,
    history: Sequence[Message] = (),
    memory: Sequence[MemoryEntry] = (),
    instructions: str = "You are a support agent.",
    available: int = 3596,
    model: str = "claude-sonnet-4-6",
    complete: bool = True,
) -> Draft:
    """Return a draft; what a test does not name is ordinary. `available` is the budget's max less its reserve."""
    reserve = max(500, 512 - available)
    return Draft(
        instructions=AgentInstructions(instructions=instructions, version=3),
        memory=memory,
        history=history,
        history_complete=complete,
        newest=newest,
        newest_id="req_newest",
        model=model,
        budget=TokenBudget(max=available + reserve, reserve=reserve),
    )


def texts(context: Context) -> list[str]:
    """Return the text of every block of the context's messages, in order."""
    return [block["text"] for each in context.messages for block in each["content"]]


def recount(context: Context, counter: TokenCounter, model: str, correction: Correction = UNLEARNED) -> int:
    """Return what a context costs, reckoned from what is sent alone."""
    meter = Meter(counter, model, correction)
    return meter.text(context.system) + sum(meter.block(text) for text in texts(context))


def part(context: Context, name: str) -> Any:
    """Return the named part of the context's receipt."""
    return next(part for part in context.receipt.parts if part.name == name)


# Strategies are made once, here: made anew for every draw they would cost more than what they test.
counters = st.sampled_from([CL100K, EstimatingCounter()])
models = st.sampled_from(MODELS)
roles: st.SearchStrategy[Role] = st.sampled_from(["user", "assistant"])
scopes: st.SearchStrategy[Scope] = st.sampled_from(["ticket", "preference", "note"])
spare_tokens = st.just(0) | st.integers(0, 300) | st.integers(0, 8000)

snippets = st.sampled_from(SNIPPETS) | st.text(max_size=20)
short_texts = st.lists(snippets, max_size=6).map("".join)
long_texts = st.builds(lambda snippet, times, end: snippet * times + end, snippets, st.integers(100, 1000), short_texts)
any_texts = short_texts | short_texts | long_texts
spoken_texts = any_texts.filter(lambda text: bool(text.strip()))

values: st.SearchStrategy[Any] = st.one_of(
    any_texts,
    st.none() | st.booleans() | st.integers(),
    st.lists(short_texts, max_size=3),
    st.dictionaries(short_texts, any_texts, max_size=2),
)
memories = st.lists(
    st.builds(entry, st.text(min_size=1, max_size=40), values, scopes), max_size=6, unique_by=lambda entry: entry.key
)
# One message: role, content, author or none, whether its count is stored.
spoken = st.tuples(roles, any_texts, st.none() | st.text(max_size=20), st.booleans())
conversations = st.lists(spoken, max_size=10)


def stored(drawn: list[tuple[Role, str, str | None, bool]], counter: TokenCounter) -> list[Message]:
    """Return drawn messages as a store would give them, with what `counter` counted, where it did."""
    history = [
        message(number, content, role=role, author=author) for number, (role, content, author, _) in enumerate(drawn)
    ]
    return [
        each.model_copy(update={"tokens": look_at(counter, render(each)).tokens}) if counted else each
        for each, (*_, counted) in zip(history, drawn, strict=True)
    ]


# Any history: bursts, unanswered messages, blank ones, people of the team; counts known or not.
histories = conversations.map(lambda drawn: stored(drawn, CL100K))


@st.composite
def drafts(draw: st.DrawFn) -> tuple[Draft, TokenCounter]:
    """Return any draft whose budget `check_budget` allows, down to the smallest, and a counter for it."""
    counter, model, instructions = draw(counters), draw(models), draw(short_texts)
    least = Meter(counter, model).text(instructions) + 256
    made = draft(
        draw(spoken_texts),
        history=stored(draw(conversations), counter),
        memory=draw(memories),
        instructions=instructions,
        available=least + draw(spare_tokens),
        model=model,
    )
    return made, counter
