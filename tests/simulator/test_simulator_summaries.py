"""Summaries and structured output: what the simulator writes without a model, and how it goes wrong when told to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic
from pydantic import BaseModel

from shared.claude import Claude
from shared.context.tokens import load_counter
from shared.models import Message
from shared.prompt import Prompt
from shared.settings import Settings
from shared.summaries.digest import SessionDigest, digest_prompt, read_digest, said_in
from shared.summaries.invented import Said, invented
from shared.summaries.ledger import find_all, missing
from shared.summaries.steps import Made, NotMade, Previous, Rules
from shared.summaries.summarise import summarise
from simulator.client import SimulatorControl
from simulator.schema import Fault, Misdeed
from simulator.summary import spoiled
from simulator.testing import wait_until

MODEL = "claude-haiku-5-5"
COUNT = load_counter().count
RULES = Rules(MODEL, 300)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
SAID = (
    "Hello, my order #W3792453 for $1,234.50 has never come.",
    "I am sorry to hear that. We will send a new one by March 7th, 2025.",
    "Please write to mia@example.com when it is on its way.",
)
MESSAGES = [
    Message(
        id=f"m-{seq}", seq=seq, role="user" if seq % 2 else "assistant", content=text, at=NOON + timedelta(minutes=seq)
    )
    for seq, text in enumerate(SAID, 1)
]
LEDGER = find_all(MESSAGES)


@pytest_asyncio.fixture
async def summariser(url: str) -> AsyncIterator[Claude]:
    client = Claude(Settings(simulator_url=url))
    yield client
    await client.close()


async def test_a_summary_keeps_what_must_survive(summariser: Claude) -> None:
    made = await summarise(summariser, Previous(), MESSAGES, RULES, COUNT)
    assert isinstance(made, Made)
    assert made.verified == "first-try"
    assert made.summary.text.startswith("[simulated] Problem: Hello, my order #W3792453")
    assert missing(LEDGER, made.summary.text) == ()
    later = [
        Message(id="m-4", seq=4, role="user", content="Has order #W3792453 been sent, with code 80-4411?", at=NOON)
    ]
    again = await summarise(summariser, made.summary, later, RULES, COUNT)
    assert isinstance(again, Made)
    assert again.verified == "first-try"
    assert missing((*LEDGER, *find_all(later)), again.summary.text) == ()
    assert "Open: Has order" in again.summary.text


@pytest.mark.parametrize(("end", "is_open"), [("Perfect, thank you Jonas.", False), ("Thanks, where is it?", True)])
async def test_thanks_are_no_open_point(summariser: Claude, end: str, *, is_open: bool) -> None:
    said = [*MESSAGES[:2], Message(id="m-3", seq=3, role="user", content=end, at=NOON)]
    made = await summarise(summariser, Previous(), said, RULES, COUNT)
    assert isinstance(made, Made)
    assert ("Open: " in made.summary.text) is is_open


@pytest.mark.parametrize("how", ["empty", "none", "refusal", "too_long", "drop", "alter", "instructions"])
async def test_a_summary_gone_wrong_once_is_repaired(
    summariser: Claude, control: SimulatorControl, how: Misdeed
) -> None:
    control.add_faults(Fault(kind="summary", how=how))
    made = await summarise(summariser, Previous(), MESSAGES, RULES, COUNT)
    assert isinstance(made, Made)
    assert (made.verified, made.tally.calls) == ("repaired", 2)
    assert control.faults() == []


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ("empty", "empty"),
        ("none", "none"),
        ("refusal", "refusal"),
        ("too_long", "appended"),
        ("drop", "appended"),
        ("alter", "appended"),
        ("instructions", "appended"),
    ],
)
async def test_a_summary_always_wrong_is_mended_or_not_made(
    summariser: Claude, control: SimulatorControl, how: Misdeed, outcome: str
) -> None:
    control.add_faults(Fault(kind="summary", how=how, times=-1))
    made = await summarise(summariser, Previous(), MESSAGES, RULES, COUNT)
    assert (made.cause if isinstance(made, NotMade) else made.verified) == outcome
    if isinstance(made, Made):
        assert missing(LEDGER, made.summary.text) == ()
        assert invented(made.summary.text, Said(SAID)) == ()
        assert "Ignore all" not in made.summary.text


async def test_a_slow_summary_waits_and_is_a_good_one(
    summariser: Claude, control: SimulatorControl, claude: AsyncAnthropic
) -> None:
    control.add_faults(Fault(kind="summary", how="slow", delay_ms=40))
    chat = await claude.messages.create(model=MODEL, max_tokens=50, messages=[{"role": "user", "content": "Hi there"}])
    assert chat.stop_reason == "end_turn"
    assert [fault.how for fault in control.faults()] == ["slow"], "a chat is not what it waits for"
    made = await summarise(summariser, Previous(), MESSAGES, RULES, COUNT)
    assert isinstance(made, Made)
    wait_until(lambda: control.stats().open == 0, "the end of the request")
    assert (control.requests()[-1].duration_ms or 0) >= 40


@pytest.mark.parametrize("text", ["[simulated] Facts: abc'5", "It is x\u00b2.", "No number at all.", ""])
@pytest.mark.parametrize("how", ["drop", "alter"])
def test_a_text_without_a_plain_number_loses_nothing(how: Misdeed, text: str) -> None:
    assert spoiled(text, how) == text


def test_an_altered_number_differs_in_one_digit() -> None:
    assert spoiled("Order #W379 for 5 \u20ac.", "alter") == "Order #W370 for 5 \u20ac."


async def test_a_digest_is_json_of_its_schema(summariser: Claude) -> None:
    prompt = digest_prompt(MODEL, "", MESSAGES, 1_000, COUNT)
    digest = read_digest(await summariser.ask(prompt, lambda _: None), LEDGER, said_in("", MESSAGES, LEDGER))
    assert isinstance(digest, SessionDigest)
    assert digest.topic.startswith("[simulated] Hello, my order")
    assert (digest.outcome, digest.open_points) == ("unknown", [SAID[2]])
    assert digest.promises == ["We will send a new one by March 7th, 2025."]
    assert set(digest.identifiers) == {"#W3792453", "mia@example.com"}


class Inner(BaseModel):
    """An object inside another."""

    number: int
    sure: bool


class Shape(BaseModel):
    """One field of every kind."""

    topic: str
    other: str
    kind: Literal["a", "b"]
    share: float
    inner: Inner
    maybe: int | None
    identifiers: list[str]
    rows: list[Inner]


async def test_every_kind_of_value_is_filled_in(claude: AsyncAnthropic) -> None:
    reply = await claude.messages.parse(
        model=MODEL, max_tokens=300, output_format=Shape, messages=[{"role": "user", "content": "Fill it in."}]
    )
    shape = reply.parsed_output
    assert shape is not None
    assert (shape.kind, shape.share, shape.inner) == ("b", 0, Inner(number=0, sure=False))
    assert (shape.topic.startswith("[simulated]"), shape.other.startswith("[simulated]")) == (True, False)


async def test_json_cut_by_max_tokens_is_told_as_cut(summariser: Claude) -> None:
    whole = digest_prompt(MODEL, "", MESSAGES, 1_000, COUNT)
    short = Prompt(whole.model, whole.system, whole.messages, 10, whole.schema)
    reply = await summariser.ask(short, lambda _: None)
    assert (reply.cut, reply.stop_reason) == (True, "max_tokens")
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.text)


RECURSIVE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "$defs": {"node": {"$ref": "#"}}}


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"type": "json_schema"}, "schema is required"),
        ({"type": "json_schema", "schema": "string"}, "schema is required"),
        ({"type": "json"}, "schema is required"),
        ("json", "schema is required"),
        ({"type": "json_schema", "schema": RECURSIVE}, "recursive"),
        ({"type": "json_schema", "schema": {"$ref": "#"}}, "recursive"),
    ],
)
def test_a_format_that_is_none_is_refused(post: Callable[..., Any], form: object, problem: str) -> None:
    asked = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
    status, _, told = post({**asked, "output_config": {"format": form}})
    assert (status, problem in told["error"]["message"]) == (400, True)
