"""A customer's message and its reply: accepted, awaited, polled, told once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from simulator.schema import Fault
from tests.api.asked import asked
from tests.api.caller import Caller, as_object, frozen
from tests.api.problem import assert_problem
from tests.support.stack import EventLog, Stack
from tests.support.waiting import wait_for


def assert_result(result: dict[str, Any]) -> None:
    """Hold a finished result against the contract."""
    assert result["sessionId"].startswith("ses_")
    assert result["reply"].strip()
    usage = result["tokenUsage"]
    assert usage["input"] > 0
    assert usage["output"] > 0
    assert usage["total"] == usage["input"] + usage["output"]
    assert result["memoryUpdated"] is True


def test_a_message_is_accepted_and_its_reply_polled(caller: Caller) -> None:
    response = caller.post("Where is my parcel?")
    assert response.status_code == 202
    accepted = as_object(response)
    assert accepted.keys() == {"requestId", "sessionId", "status", "statusUrl", "eventsUrl"}
    assert accepted["status"] == "queued"
    assert response.headers["Location"] == accepted["statusUrl"] == f"/api/chat/{accepted['requestId']}"
    assert accepted["eventsUrl"] == f"{accepted['statusUrl']}/events"
    assert int(response.headers["Retry-After"]) >= 1

    result = caller.result(accepted["requestId"])
    assert result["status"] == "succeeded"
    assert result["sessionId"] == accepted["sessionId"]
    assert_result(result)
    assert caller.transcript(result["sessionId"]) == [("user", "Where is my parcel?"), ("assistant", result["reply"])]


def test_a_caller_who_prefers_to_wait_gets_the_reply(caller: Caller) -> None:
    response = caller.post("Where is my parcel?", headers={"Prefer": "respond-async, wait=30"})
    assert response.status_code == 200
    assert response.headers["Preference-Applied"] == "wait=30"
    assert response.headers["Content-Type"] == "application/json"
    assert_result(as_object(response))
    assert as_object(response) == caller.result(response.json()["requestId"])


def test_a_wait_that_is_too_short_ends_in_202(caller: Caller, stack: Stack) -> None:
    with frozen(stack, "chat"):
        response = caller.post("Take your time", headers={"Prefer": "wait=1"})
    assert response.status_code == 202
    assert response.headers["Preference-Applied"] == "wait=1"
    assert response.headers["Location"] == response.json()["statusUrl"]
    assert_result(caller.result(response.json()["requestId"]))


def test_a_wait_ends_in_202_while_claude_is_slow(caller: Caller, stack: Stack) -> None:
    stack.simulator.add_faults(Fault(kind="hang", match="HANGING"))
    response = caller.post("HANGING", headers={"Prefer": "wait=1"})
    assert response.status_code == 202
    (request,) = asked(stack, "HANGING")
    assert request.newest == "HANGING"
    status = as_object(caller.http.get(response.headers["Location"]))
    assert (status["status"], "reply" in status) == ("running", False)
    assert caller.http.delete(f"/api/sessions/{status['sessionId']}").status_code == 204


def test_a_poll_may_wait_for_the_end(caller: Caller, stack: Stack) -> None:
    with frozen(stack, "chat"):
        request_id = caller.begin("Take your time")
        at_once = as_object(caller.http.get(f"/api/chat/{request_id}"))
        too_short = as_object(caller.http.get(f"/api/chat/{request_id}", params={"wait": 1}))
    assert at_once == too_short
    assert too_short["status"] == "queued"
    assert "reply" not in too_short
    long = as_object(caller.http.get(f"/api/chat/{request_id}", params={"wait": 30}))
    assert long["status"] == "succeeded"
    assert_result(long)


def test_the_same_key_and_body_give_the_same_answer(caller: Caller) -> None:
    key = {"Idempotency-Key": "order-4711"}
    first = caller.post("Where is my parcel?", headers=key)
    again = caller.post("Where is my parcel?", headers=key)
    assert (again.status_code, again.json()) == (202, first.json())
    result = caller.result(first.json()["requestId"])

    later = caller.post("Where is my parcel?", headers=key)
    waited = caller.post("Where is my parcel?", headers={**key, "Prefer": "wait=30"})
    assert (later.status_code, later.json()) == (202, first.json())
    assert (waited.status_code, waited.json()) == (200, result)
    assert len(caller.transcript(result["sessionId"])) == 2


def test_the_same_key_with_another_body_is_refused(caller: Caller) -> None:
    key = {"Idempotency-Key": "order-4711"}
    accepted = caller.post("Where is my parcel?", headers=key)
    for other in ({"metadata": {"a": 1}}, {"customerId": "cust-2"}, {"sessionId": accepted.json()["sessionId"]}):
        assert_problem(caller.post("Where is my parcel?", headers=key, **other), 422, "idempotency-key-reused")
    assert_problem(caller.post("And my bill?", headers=key), 422, "idempotency-key-reused")


def test_a_key_belongs_to_its_tenant(caller: Caller, stranger: Caller) -> None:
    key = {"Idempotency-Key": "order-4711"}
    mine = caller.post("Where is my parcel?", headers=key)
    theirs = stranger.post("An altogether different body", headers=key)
    assert (mine.status_code, theirs.status_code) == (202, 202)
    assert mine.json()["requestId"] != theirs.json()["requestId"]


def test_twenty_at_once_with_one_key_are_one_request(caller: Caller, stack: Stack) -> None:
    def post(_: int) -> dict[str, Any]:
        return as_object(caller.post("ONCE only", headers={"Idempotency-Key": "burst"}))

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(post, range(20)))
    assert all(answer == answers[0] for answer in answers)
    result = caller.result(answers[0]["requestId"])
    assert caller.transcript(result["sessionId"]) == [("user", "ONCE only"), ("assistant", result["reply"])]
    assert len(caller.http.get("/api/sessions", params={"customerId": "cust-1"}).json()) == 1
    assert len(asked(stack, "ONCE only")) == 1


def test_a_session_is_resumed_by_its_id(caller: Caller, stack: Stack) -> None:
    first = caller.ask("My order is A-1234.")
    second = caller.ask("Where is RESUMED order?", sessionId=first["sessionId"])
    assert second["sessionId"] == first["sessionId"]
    (request,) = asked(stack, "RESUMED")
    assert request.turns == [
        ("user", ["My order is A-1234."]),
        ("assistant", [first["reply"]]),
        ("user", ["Where is RESUMED order?"]),
    ]


def test_a_conversation_is_resumed_by_the_caller_s_own_id(caller: Caller) -> None:
    first = caller.ask("Hello", conversationId="ticket/7")
    second = caller.ask("Hello again", conversationId="ticket/7")
    other = caller.ask("Hello", conversationId="ticket/8")
    assert first["sessionId"] == second["sessionId"] != other["sessionId"]
    assert caller.session(first["sessionId"])["conversationId"] == "ticket/7"

    mixed = caller.post("Which?", conversationId="ticket/8", sessionId=first["sessionId"])
    assert_problem(mixed, 409, "conversation-mismatch")

    caller.http.patch(f"/api/sessions/{first['sessionId']}", json={"status": "closed"})
    after = caller.ask("Hello once more", conversationId="ticket/7")
    assert after["sessionId"] != first["sessionId"]


def test_a_conversation_belongs_to_its_customer(caller: Caller) -> None:
    mine = caller.ask("Hello", conversationId="ticket/7")
    theirs = caller.ask("Hello", conversationId="ticket/7", customerId="cust-2")
    assert mine["sessionId"] != theirs["sessionId"]


def test_a_session_of_someone_else_is_unknown(caller: Caller, stranger: Caller) -> None:
    session_id = caller.new_session()["id"]
    assert_problem(caller.post("Let me in", sessionId=session_id, customerId="cust-2"), 404, "unknown-session")
    assert_problem(stranger.post("Let me in", sessionId=session_id), 404, "unknown-session")
    assert caller.session(session_id)["openRequests"] == 0
    assert caller.messages(session_id) == []


def test_a_closed_session_takes_no_message(caller: Caller) -> None:
    session_id = caller.new_session()["id"]
    assert caller.http.patch(f"/api/sessions/{session_id}", json={"status": "closed"}).status_code == 200
    assert_problem(caller.post("One more thing", sessionId=session_id), 409, "session-closed")
    assert caller.messages(session_id) == []


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-sonnet-5"])
def test_another_model_reaches_claude(model: str, caller: Caller, stack: Stack) -> None:
    result = caller.ask("OVERRIDE", model=model)
    assert result["model"] == model
    assert [request.model for request in asked(stack, "OVERRIDE")] == [model]


def test_a_session_s_model_holds_until_a_message_names_another(caller: Caller, stack: Stack) -> None:
    session_id = caller.new_session(model="claude-opus-4-6")["id"]
    caller.ask("CHOICE one", sessionId=session_id)
    caller.ask("CHOICE two", sessionId=session_id, model="claude-haiku-4-5")
    assert [request.model for request in asked(stack, "CHOICE")] == ["claude-opus-4-6", "claude-haiku-4-5"]


def test_metadata_is_carried_through_to_the_event(caller: Caller, events: EventLog) -> None:
    metadata = {"ticket": "№ 7", "tags": ["a", {"b": None}], "big": 2**70, "price": 12.50, "yes": True, "none": {}}
    result = caller.ask("With metadata", metadata=metadata)
    assert result["metadata"] == metadata
    (event,) = wait_for("the event", lambda: events.of(result["requestId"]))
    assert event["type"] == "chat.reply.completed"
    assert event["id"] == f"evt_{result['requestId']}"
    assert event["source"] == f"/customer-memory/{caller.tenant}"
    assert event["data"]["metadata"] == metadata
    assert event["data"]["resultUrl"] == f"/api/chat/{result['requestId']}"
    assert result["reply"] not in str(event)


def test_a_receipt_tells_what_claude_was_given(caller: Caller, stack: Stack) -> None:
    caller.remember("cust-1", "language", "Esperanto", scope="preference")
    first = caller.ask("My order is A-1234.")
    second = caller.ask("RECEIPT, please", sessionId=first["sessionId"])
    receipt = as_object(caller.http.get(f"/api/chat/{second['requestId']}/receipt"))

    assert 0 < receipt["tokens"] <= receipt["budget"]["max"] - receipt["budget"]["reserve"]
    assert sum(part["tokens"] for part in receipt["parts"]) == receipt["tokens"]
    parts = {part["name"]: part["included"] for part in receipt["parts"]}
    assert parts["memory"] == ["language"]
    assert parts["window"] == [message["id"] for message in caller.messages(first["sessionId"])[:2]]
    assert parts["newest"] == [second["requestId"]]
    (request,) = asked(stack, "RECEIPT")
    assert receipt["requestHash"] == request.digest
    assert "A-1234" not in str(receipt)
    assert "Esperanto" not in str(receipt)


def test_twenty_messages_at_once_are_answered_in_order(caller: Caller, stack: Stack) -> None:
    session_id = caller.new_session()["id"]
    said = [f"ORDERLY {number}" for number in range(20)]
    request_ids = [caller.begin(message, sessionId=session_id) for message in said]
    replies = [caller.result(request_id)["reply"] for request_id in request_ids]

    turns = [turn for pair in zip(said, replies, strict=True) for turn in (("user", pair[0]), ("assistant", pair[1]))]
    assert caller.transcript(session_id) == turns
    requests = asked(stack, "ORDERLY")
    assert len(requests) == 20
    for number, request in enumerate(requests):
        expected = [*turns[: 2 * number], ("user", said[number])]
        assert request.turns == [(role, [text]) for role, text in expected]
