"""What becomes of a message when Claude does not simply answer."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.schema import Fault
from tests.api.asked import asked
from tests.api.caller import Caller, as_object
from tests.api.problem import assert_problem
from tests.support.stack import EventLog, Stack
from tests.support.waiting import wait_for


def whole_reply(message: str) -> str:
    """Return what the simulator answers to a message that asks nothing."""
    return f'[simulated] Noted: "{message}"'


def assert_told_once(caller: Caller, result: dict[str, Any], message: str) -> None:
    """The reply is whole, and it and its message are stored once."""
    assert result["status"] == "succeeded"
    assert result["reply"] == whole_reply(message)
    assert caller.transcript(result["sessionId"]) == [("user", message), ("assistant", result["reply"])]


def test_claude_asks_for_a_second_s_patience(caller: Caller, stack: Stack) -> None:
    stack.simulator.add_faults(Fault(kind="status", status=429, retry_after=1.0, match="LIMITED"))
    result = caller.ask("I am LIMITED.")
    assert_told_once(caller, result, "I am LIMITED.")
    assert result["attempts"] == 2
    first, second = asked(stack, "LIMITED")
    assert second.at - first.at >= 1


def test_a_waiting_request_says_why_and_until_when(caller: Caller, stack: Stack) -> None:
    """Given a minute asked for, the request says so; a session deleted meanwhile does not wait for it."""
    stack.simulator.add_faults(Fault(kind="status", status=429, retry_after=60.0, match="PARKED"))
    request_id = caller.begin("I am PARKED.")

    def waits() -> dict[str, Any] | None:
        status = as_object(caller.http.get(f"/api/chat/{request_id}"))
        return status if "dueAt" in status else None

    status = wait_for("the request to wait", waits)
    assert status["status"] == "queued"
    assert status["waitingFor"].startswith("rate-limited")
    assert status["acceptedAt"] < status["dueAt"] < status["deadlineAt"]
    caller.http.delete(f"/api/sessions/{status['sessionId']}")
    assert caller.result(request_id)["failure"]["type"] == "session-deleted"


def test_claude_is_overloaded_for_a_moment(caller: Caller, stack: Stack) -> None:
    stack.simulator.add_faults(Fault(kind="status", status=529, match="OVERLOADED"))
    result = caller.ask("You are OVERLOADED.")
    assert_told_once(caller, result, "You are OVERLOADED.")
    assert len(asked(stack, "OVERLOADED")) == 2


@pytest.mark.parametrize("kind", ["cut", "stream_error"])
def test_a_reply_that_breaks_off_is_asked_for_again(kind: str, caller: Caller, stack: Stack) -> None:
    stack.simulator.add_faults(Fault.model_validate({"kind": kind, "afterChars": 20, "match": "BROKEN"}))
    result = caller.ask("It came BROKEN off.")
    assert_told_once(caller, result, "It came BROKEN off.")
    assert len(asked(stack, "BROKEN")) == 2


def test_a_reply_that_is_empty_is_asked_for_again(caller: Caller, stack: Stack) -> None:
    stack.simulator.add_faults(Fault(kind="empty", match="SILENCE"))
    result = caller.ask("Only SILENCE.")
    assert_told_once(caller, result, "Only SILENCE.")


FAILURES = {
    "bad request": (Fault(kind="status", status=400, match="FAILING"), "claude-invalid-request"),
    "refusal": (Fault(kind="stop", stop_reason="refusal", match="FAILING"), "claude-refused"),
    "bad key": (Fault(kind="status", status=401, match="FAILING"), "claude-authentication"),
}


@pytest.mark.parametrize(("fault", "reason"), FAILURES.values(), ids=FAILURES.keys())
def test_what_claude_will_not_answer_fails_and_says_why(
    fault: Fault, reason: str, caller: Caller, stack: Stack, events: EventLog
) -> None:
    stack.simulator.add_faults(fault)
    waited = caller.post("I am FAILING.", headers={"Prefer": "wait=30"})
    problem = assert_problem(waited, 502, reason)
    request_id = problem["instance"].rpartition("/")[2]

    status = as_object(caller.http.get(f"/api/chat/{request_id}"))
    assert status["status"] == "failed"
    assert status["failure"]["type"] == reason
    assert status["failure"]["detail"].strip()
    assert "reply" not in status
    (event,) = wait_for("the event", lambda: events.of(request_id))
    assert event["type"] == "chat.reply.failed"
    receipt = as_object(caller.http.get(f"/api/chat/{request_id}/receipt"))
    assert receipt["parts"][-1]["included"] == [request_id]

    (message,) = caller.messages(status["sessionId"])
    assert (message["content"], message["unanswered"]) == ("I am FAILING.", True)


def test_a_message_without_its_reply_is_read_with_the_next(caller: Caller, stack: Stack) -> None:
    stack.simulator.add_faults(Fault(kind="status", status=400, match="FAILING"))
    session_id = caller.new_session()["id"]
    failed = caller.result(caller.begin("FAILING for order A-1234", sessionId=session_id))
    assert failed["status"] == "failed"
    result = caller.ask("RECOVERED?", sessionId=session_id)
    (request,) = asked(stack, "RECOVERED")
    assert request.turns == [("user", ["FAILING for order A-1234", "RECOVERED?"])]
    assert [role for role, _ in caller.transcript(session_id)] == ["user", "user", "assistant"]
    assert result["status"] == "succeeded"


def test_a_reply_cut_by_its_limit_is_stored_as_cut(caller: Caller, stack: Stack) -> None:
    stack.simulator.add_faults(Fault(kind="stop", stop_reason="max_tokens", after_chars=15, match="LENGTHY"))
    result = caller.ask("A LENGTHY matter.")
    assert result["stopReason"] == "max_tokens"
    assert result["reply"] == whole_reply("A LENGTHY matter.")[:15]
    asked_for, reply = caller.messages(result["sessionId"])
    assert (asked_for["truncated"], reply["truncated"]) == (False, True)
    assert reply["content"] == result["reply"]


def test_one_session_s_trouble_is_no_other_s(caller: Caller, stack: Stack) -> None:
    """Given a session that waits a minute for Claude, others are answered meanwhile."""
    stack.simulator.add_faults(Fault(kind="status", status=429, retry_after=60.0, match="STUCK"))
    stuck = caller.begin("STUCK")
    wait_for("the request to be asked", lambda: asked(stack, "STUCK"))
    assert caller.ask("Free")["status"] == "succeeded"
    assert as_object(caller.http.get(f"/api/chat/{stuck}"))["status"] == "queued"
