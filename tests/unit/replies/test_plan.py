"""Which steps a result asks for, how long texts are cut, and what the brief for a person says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.callbacks.channel import Ended
from shared.models import ChatRequest, Failure, Message, Result, TokenUsage
from shared.replies.plan import CUT, MOST_PARTS, Plan, parts, plan_of
from shared.summaries.brief import brief

NOW = datetime(2026, 7, 20, 11, 15, 29, tzinfo=UTC)


def request(**more: Any) -> ChatRequest:
    return ChatRequest(
        id="req_1",
        session_id="ses_1",
        customer_id="c",
        status="succeeded",
        message="Hi",
        accepted_at=NOW,
        deadline_at=NOW,
        **more,
    )


def result(reply: str, handoff: str | None = None) -> Result:
    return Result(
        session_id="ses_1",
        reply=reply,
        token_usage=TokenUsage(input=1, output=1, total=2),
        request_id="req_1",
        model="m",
        stop_reason="end_turn",
        handoff=handoff,
    )


def message(role: Any, content: str, seq: int = 0) -> Message:
    return Message(id=f"msg_{seq}", seq=seq, role=role, content=content, at=NOW)


def names(plan: Plan | Ended) -> list[str]:
    assert isinstance(plan, Plan)
    return [step.name for step in plan.steps]


def test_a_reply_is_one_step_and_a_long_one_several() -> None:
    assert names(plan_of(request(result=result("Hello")), 100)) == ["reply"]
    assert names(plan_of(request(result=result("Hello there, " * 20)), 100)) == ["reply", "reply-2", "reply-3"]


def test_an_agent_that_asks_for_a_person_is_heard_after_its_reply() -> None:
    plan = plan_of(request(result=result("One moment", "is upset")), 100)
    assert names(plan) == ["reply", "hand-off", "note"]
    assert isinstance(plan, Plan)
    assert "is upset" in str(plan.why)
    assert names(plan_of(request(result=result("", "is upset")), 100)) == ["hand-off", "note"]


@pytest.mark.parametrize("kind", ["deadline", "claude-refused", "poison", "claude-unavailable"])
def test_a_failure_calls_a_person(kind: str) -> None:
    plan = plan_of(request(failure=Failure(type=kind, detail="It did not work.")), 100)
    assert names(plan) == ["hand-off", "note"]
    assert isinstance(plan, Plan)
    assert plan.why == f"no reply could be made: It did not work. ({kind})"


@pytest.mark.parametrize("kind", ["taken-over", "session-deleted"])
def test_some_failures_call_nobody(kind: str) -> None:
    plan = plan_of(request(failure=Failure(type=kind, detail="It did not work.")), 100)
    assert isinstance(plan, Ended)
    assert plan.status == "withheld"


@given(st.text(alphabet="ab .\n", min_size=1, max_size=900), st.integers(20, 200))
def test_parts_fit_and_together_say_all_that_fits(text: str, longest: int) -> None:
    found = parts(text, longest)
    assert all(0 < len(part) <= longest for part in found)
    assert len(found) <= MOST_PARTS
    said = "".join("".join(found).split())
    whole = "".join(text.split())
    if found and found[-1].endswith(CUT):
        assert whole.startswith(said.removesuffix("[…]"))
    else:
        assert said == whole


def test_parts_are_cut_where_the_text_pauses() -> None:
    assert parts("One thing.\n\nAnother thing.", 16) == ["One thing.", "Another thing."]
    assert parts("First sentence. Second sentence.", 20) == ["First sentence.", "Second sentence."]
    assert parts("x" * 1_000, 100)[-1] == "x" * 96 + CUT


def test_a_brief_says_why_what_is_open_and_what_was_promised() -> None:
    said = [
        message("user", "My order A-1234 has not arrived, and I want my money back.", 1),
        message("assistant", "I am sorry. We will refund you 20.00 EUR by Friday.", 2),
        message("user", "It is Monday. Where is my refund?", 3),
    ]
    text = brief("the customer asked", "", (), said, ["T-7: damaged box"])
    assert text.startswith("Customer Memory hands this conversation to a person. Why: the customer asked")
    assert "About: My order A-1234 has not arrived" in text
    assert "- It is Monday. Where is my refund?" in text
    assert "- T-7: damaged box" in text
    assert "- We will refund you 20.00 EUR by Friday." in text
    assert "A-1234" in text.rpartition("Numbers and addresses")[2]


def test_a_brief_tells_the_summary_where_there_is_one_and_that_nothing_was_promised() -> None:
    text = brief("it failed", "The customer waits for A-1.", (), [message("user", "Hello?", 9)], [])
    assert "Summary: The customer waits for A-1." in text
    assert "About:" not in text
    assert "- Hello?" in text
    assert text.endswith("Promised: nothing.")
