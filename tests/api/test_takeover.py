"""People who take conversations over, agents that hand off, as callers see it."""

from __future__ import annotations

from simulator.schema import Fault
from tests.api.asked import asked
from tests.api.caller import Caller, as_object
from tests.api.problem import assert_problem
from tests.api.test_stream import SILENCE_MS, listen
from tests.support.stack import Stack
from tests.support.waiting import wait_for


def test_the_agent_hands_off_when_it_may_and_a_person_hands_back(caller: Caller) -> None:
    kept = as_object(caller.http.put("/api/agent", json={"instructions": "Be kind.", "handoff": True}))
    assert (kept["handoff"], as_object(caller.http.get("/api/agent"))["handoff"]) == (True, True)
    told = caller.ask("Please let me talk to a human.")
    session_id = told["sessionId"]
    assert told["handoff"] == 'The customer asked for a person: "Please let me talk to a human."'
    assert told["stopReason"] == "tool_use"
    receipt = as_object(caller.http.get(f"/api/chat/{told['requestId']}/receipt"))
    assert next(part["included"] for part in receipt["parts"] if part["name"] == "system") == ["handoff"]
    context = as_object(caller.http.get(f"/api/chat/{told['requestId']}/context"))
    assert context["tools"] == ["handoff"]
    assert caller.session(session_id)["handler"] == "human"

    waited = caller.post("Anybody there?", sessionId=session_id, headers={"Prefer": "wait=30"})
    assert waited.status_code == 409
    assert as_object(waited)["type"] == "/problems/taken-over"
    caller.http.patch(f"/api/sessions/{session_id}", json={"handler": "agent"})
    answered = caller.ask("My order is 4711. Which order is it?", sessionId=session_id)
    assert "handoff" not in answered
    page = caller.http.get(f"/api/sessions/{session_id}/messages").json()
    assert [(message["role"], message["unanswered"]) for message in page] == [
        ("user", False),
        ("assistant", False),
        ("user", True),
        ("user", False),
        ("assistant", False),
    ]


def test_nobody_is_handed_off_where_the_agent_may_not(caller: Caller) -> None:
    assert "handoff" not in caller.ask("Please let me talk to a human.")


def test_a_budget_without_room_for_the_tool_is_refused(caller: Caller) -> None:
    asked_for = {"instructions": "Be kind. " * 1500, "handoff": True}
    assert_problem(caller.http.put("/api/agent", json=asked_for), 400, "invalid-request", "/instructions")


def test_a_listener_hears_that_a_person_took_over(caller: Caller, stack: Stack) -> None:
    message = "TAKEN where is it?"
    stack.simulator.add_faults(Fault(kind="slow", delay_ms=4 * SILENCE_MS, match=message))
    request_id = caller.begin(message)
    wait_for("Claude to be asked", lambda: asked(stack, message))
    session_id = as_object(caller.http.get(f"/api/chat/{request_id}"))["sessionId"]
    caller.http.patch(f"/api/sessions/{session_id}", json={"handler": "human"})
    *_, last = listen(caller, request_id)
    assert (last.name, last.data["failure"]["type"]) == ("failed", "taken-over")
    caller.counted('customer_memory_takeover_total{outcome="wasted"')
