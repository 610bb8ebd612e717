"""Summaries, digests and batches, as callers meet them."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from simulator.schema import Fault
from tests.api.caller import Caller, as_object
from tests.api.problem import assert_problem
from tests.support.stack import EventLog, Stack
from tests.support.waiting import wait_for

WORDS = "I have been waiting for my parcel for quite a while, and nobody has told me anything about it. "


def talk(caller: Caller, *texts: str, customer: str = "cust-1") -> str:
    """Record a conversation, customer and agent in turn; return its session."""
    session = str(caller.new_session(customer)["id"])
    for number, text in enumerate(texts):
        message = {"role": "assistant" if number % 2 else "user", "content": text}
        response = caller.http.post(f"/api/sessions/{session}/messages", json=message)
        assert response.status_code == 201, response.text
    return session


def summary(caller: Caller, session: str) -> dict[str, Any]:
    """Wait for a session's summary."""

    def look() -> dict[str, Any] | None:
        response = caller.http.get(f"/api/sessions/{session}/summary")
        return as_object(response) if response.status_code == 200 else None

    return wait_for(f"a summary of {session}", look, 60)


def ended(caller: Caller, batch: str) -> dict[str, Any]:
    """Wait for the end of a batch."""

    def look() -> dict[str, Any] | None:
        view = as_object(caller.http.get(f"/api/summaries/batch/{batch}"))
        return view if view["status"] == "ended" else None

    return wait_for(f"the end of {batch}", look, 90)


def submit(caller: Caller, **selection: Any) -> str:
    """Submit a batch; return its id."""
    response = caller.http.post("/api/summaries/batch", json=selection)
    assert response.status_code == 202, response.text
    assert response.headers["Location"] == f"/api/summaries/batch/{response.json()['batchId']}"
    return str(response.json()["batchId"])


def test_a_summary_that_is_asked_for_is_made_and_announced(caller: Caller, events: EventLog) -> None:
    session = talk(caller, f"Where is order #W4711? It was $12.50. {WORDS}", "I look into it.")
    assert_problem(caller.http.get(f"/api/sessions/{session}/summary"), 404, "unknown-summary")
    response = caller.http.post(f"/api/sessions/{session}/summary")
    assert response.status_code == 202
    assert response.json() == {"sessionId": session, "status": "queued"}
    made = summary(caller, session)
    assert (made["sessionId"], made["coversFrom"], made["coversThrough"], made["version"]) == (session, 1, 2, 1)
    assert "#W4711" in made["text"]
    assert "$12.50" in made["text"]
    assert made["model"] == "claude-haiku-5-5"
    assert made["cost"]["tokenUsage"]["total"] > 0
    assert made["cost"]["estimatedCost"] > 0
    assert caller.http.get(f"/api/sessions/{session}/summaries").json() == [made]
    told = wait_for("the event", lambda: [event for event in events.events if event.get("subject") == session])
    assert [(event["type"], event["data"]["summaryUrl"]) for event in told] == [
        ("session.summarized", f"/api/sessions/{session}/summary")
    ]


def test_a_closed_session_is_summarised_too_when_it_is_asked_for(caller: Caller) -> None:
    session = talk(caller, f"Where is order #W4712? {WORDS}", "I look into it.")
    caller.http.patch(f"/api/sessions/{session}", json={"status": "closed"})
    assert caller.http.post(f"/api/sessions/{session}/summary").status_code == 202
    assert "#W4712" in summary(caller, session)["text"]


def test_a_message_that_is_taken_out_takes_along_what_was_made_of_it(caller: Caller) -> None:
    session = talk(caller, f"My order is #W4713. {WORDS}", "I look into it.", "My card is 4242 4242 4242 4242.")
    caller.http.post(f"/api/sessions/{session}/summary")
    assert "4242 4242" in summary(caller, session)["text"]
    assert caller.http.delete(f"/api/sessions/{session}/messages/3").status_code == 204
    assert_problem(caller.http.get(f"/api/sessions/{session}/summary"), 404, "unknown-summary")
    told = caller.http.get(f"/api/sessions/{session}/messages").json()[2]
    assert (told["content"], told["redacted"], told["seq"]) == ("", True, 3)
    caller.http.post(f"/api/sessions/{session}/summary")
    again = summary(caller, session)
    assert "4242" not in again["text"]
    assert (again["version"] > 1, "#W4713" in again["text"]) == (True, True)
    assert_problem(caller.http.delete(f"/api/sessions/{session}/messages/9"), 404, "unknown-message")
    assert_problem(caller.http.delete(f"/api/sessions/{session}/messages/none"), 400, "invalid-request")


def test_a_session_that_is_closed_leaves_a_digest_which_the_next_one_is_given(caller: Caller) -> None:
    session = talk(caller, "Where is order #W4711?", "It has arrived.", "Thanks, that's all!", "You are welcome.")
    assert caller.http.patch(f"/api/sessions/{session}", json={"status": "closed"}).status_code == 200
    query = {"customerId": "cust-1"}
    found: list[dict[str, Any]] = wait_for(
        "the digest", lambda: caller.http.get("/api/digests", params=query).json(), 60
    )
    assert [(each["sessionId"], each["messages"]) for each in found] == [(session, 4)]
    assert "#W4711" in found[0]["identifiers"]
    result = caller.ask("What about #W4711?")
    receipt = as_object(caller.http.get(f"/api/chat/{result['requestId']}/receipt"))
    part = next(part for part in receipt["parts"] if part["name"] == "digests")
    assert part["included"] == [f"{session}/4"]
    assert "#W4711" in result["reply"]


def test_strangers_have_no_part_in_it(caller: Caller, stranger: Caller) -> None:
    session = talk(caller, "Where is order #W4711?", "It has arrived.")
    batch = submit(caller, sessionIds=[session])
    assert ended(caller, batch)["counts"] == {"done": 1}
    assert_problem(stranger.http.get(f"/api/sessions/{session}/summary"), 404, "unknown-session")
    assert_problem(stranger.http.post(f"/api/sessions/{session}/summary"), 404, "unknown-session")
    assert_problem(stranger.http.get(f"/api/summaries/batch/{batch}"), 404, "unknown-batch")
    assert_problem(stranger.http.post(f"/api/summaries/batch/{batch}/cancel"), 404, "unknown-batch")
    assert stranger.http.get("/api/summaries/batch").json() == []
    mine = submit(stranger, sessionIds=[session])
    assert ended(stranger, mine)["counts"] == {"gone": 1}


def test_a_batch_summarises_each_session_once_at_half_price(caller: Caller, stack: Stack) -> None:
    sessions = [talk(caller, f"Where is order #W{4700 + n}? {WORDS}", "I look.", customer=f"c{n}") for n in range(5)]
    batch = submit(caller, sessionIds=[*sessions, sessions[0], "ses_none"])
    view = ended(caller, batch)
    assert (view["total"], view["counts"], view["failures"]) == (6, {"done": 5, "gone": 1}, {})
    assert view["batched"]["batch"]
    assert view["batched"]["estimatedCost"] == pytest.approx(view["batched"]["directCost"] / 2, rel=0.01)
    results = caller.http.get(f"/api/summaries/batch/{batch}/results").json()
    assert {each["sessionId"]: each["state"] for each in results} == {
        **dict.fromkeys(sessions, "done"),
        "ses_none": "gone",
    }
    for number, session in enumerate(sessions):
        made = summary(caller, session)
        assert f"#W{4700 + number}" in made["text"]
        assert made["version"] == 1
        assert made["cost"]["batch"]
    again = ended(caller, submit(caller, sessionIds=sessions))
    assert again["counts"] == {"nothing": 5}
    assert [each["batchId"] for each in caller.http.get("/api/summaries/batch").json()][-1] == batch


def test_a_batch_takes_what_is_idle_or_a_customers(caller: Caller) -> None:
    sessions = {talk(caller, f"Where is order #W{n}? {WORDS}", "I look.", customer="c") for n in range(4700, 4703)}
    talk(caller, f"Hello {WORDS}", "Hi.", customer="other")
    of_customer = ended(caller, submit(caller, customerId="c"))
    assert (of_customer["total"], of_customer["counts"]) == (3, {"done": 3})
    idle = ended(caller, submit(caller, idleHours=0))
    assert (idle["total"], idle["counts"]) == (1, {"done": 1})
    assert ended(caller, submit(caller, idleHours=0))["total"] == 0
    assert all(summary(caller, session)["version"] == 1 for session in sessions)


def test_a_batch_reads_sessions_for_memory(caller: Caller) -> None:
    sessions = [talk(caller, f"Please call me Lotte. {WORDS}", "I look.", customer=f"c{n}") for n in range(2)]
    view = ended(caller, submit(caller, kind="memory", sessionIds=sessions))
    assert (view["kind"], view["counts"], view["batched"]["batch"]) == ("memory", {"done": 2}, True)
    remembered = caller.http.get("/api/memory", params={"customerId": "c1"}).json()
    assert [(entry["key"], entry["source"]) for entry in remembered] == [("name", "extraction")]
    assert caller.http.get(f"/api/sessions/{sessions[0]}/summary").status_code == 404


def test_a_request_of_a_batch_that_fails_is_told_and_the_others_are_done(caller: Caller, stack: Stack) -> None:
    stack.simulator.add_faults(Fault(kind="status", status=400, match="#W4666"))
    sessions = [talk(caller, f"Where is order #W{n}? {WORDS}", "I look.", customer=f"c{n}") for n in (4665, 4666)]
    view = ended(caller, submit(caller, sessionIds=sessions))
    assert view["counts"] == {"done": 1, "failed": 1}
    assert view["failures"] == {"invalid-request": 1}


def test_a_batch_is_canceled(caller: Caller, stack: Stack) -> None:
    stack.simulator.pace(batch_seconds=600)
    session = talk(caller, f"Where is order #W4711? {WORDS}", "I look.")
    batch = submit(caller, sessionIds=[session])
    wait_for(
        "the batch to be with Claude",
        lambda: caller.http.get(f"/api/summaries/batch/{batch}").json()["counts"].get("submitted"),
        60,
    )
    response = caller.http.post(f"/api/summaries/batch/{batch}/cancel")
    assert response.status_code == 202
    assert response.json()["status"] == "canceling"
    assert ended(caller, batch)["counts"] == {"canceled": 1}
    assert_problem(caller.http.get(f"/api/sessions/{session}/summary"), 404, "unknown-summary")


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"customerId": "c", "idleHours": 1}, {"sessionIds": []}),
        *({"idleHours": -1}, {"sessionIds": ["x"] * 10_001}),
    ],
)
def test_a_batch_of_nothing_or_of_two_things_is_refused(caller: Caller, body: dict[str, Any]) -> None:
    assert_problem(caller.http.post("/api/summaries/batch", json=body), 400, "invalid-request")


def command(stack: Stack, caller: Caller, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["summaries", *arguments, "--url", stack.url, "--key", caller.key])


def test_the_command_runs_a_batch_to_its_end(caller: Caller, stack: Stack) -> None:
    session = talk(caller, f"Where is order #W4711? {WORDS}", "I look.")
    result = command(stack, caller, "run", "--session", session)
    assert result.exit_code == 0, result.output
    assert "1 sessions: 1 done" in result.output
    assert "if asked directly" in result.output
    batch = result.output.split()[0]
    assert "1 done" in command(stack, caller, "status", batch).output
    assert "is ended" in command(stack, caller, "cancel", batch).output
    assert "1 done" in command(stack, caller, "run", "--memory", "--session", session).output
    assert command(stack, caller, "run").exit_code == 2
    assert "write 30m, 24h or 7d" in command(stack, caller, "run", "--idle", "soon").output


def test_outcomes_are_counted_for_their_tenant(caller: Caller, stranger: Caller) -> None:
    session = talk(caller, f"Where is order #W4711? {WORDS}", "I look.")
    assert ended(caller, submit(caller, sessionIds=[session]))["counts"] == {"done": 1}
    caller.http.post(f"/api/sessions/{talk(caller, f'Where is #W4712? {WORDS}', 'I look.')}/summary")

    def told() -> set[str]:
        response = caller.http.get("/metrics")
        assert response.headers["Content-Type"].startswith("text/plain")
        return {line for line in response.text.splitlines() if not line.startswith("#")}

    labels = f'tenant="{caller.tenant}"'
    wanted = {
        f'customer_memory_batch_total{{outcome="done",{labels}}} 1.0',
        f'customer_memory_summary_total{{outcome="first-try",{labels}}} 1.0',
    }
    wait_for("the summaries to be counted", lambda: wanted <= told(), 60)
    assert caller.tenant not in stranger.http.get("/metrics").text
