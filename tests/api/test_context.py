"""What Claude would be sent, and what it was sent: the same, byte by byte, as long as its parts are there."""

from __future__ import annotations

from typing import Any

from click.testing import CliRunner

from cli.main import main
from tests.api.caller import Caller, as_object
from tests.api.problem import assert_problem
from tests.support.stack import Stack


def told(caller: Caller, path: str, **query: str) -> dict[str, Any]:
    """Return a context."""
    response = caller.http.get(path, params=query)
    assert response.status_code == 200, response.text
    return as_object(response)


def sent(caller: Caller, request_id: str) -> dict[str, Any]:
    """Return what Claude was sent for a request."""
    return told(caller, f"/api/chat/{request_id}/context")


def talked(caller: Caller, *messages: str) -> list[dict[str, Any]]:
    """Say something turn by turn in one session; return the results."""
    session = caller.new_session()["id"]
    return [caller.ask(message, sessionId=session) for message in messages]


def test_what_claude_was_sent_is_told_as_it_was(caller: Caller, stack: Stack) -> None:
    results = talked(caller, "My order is number 4711.", "What is my order's number?")
    view = sent(caller, results[-1]["requestId"])
    asked: Any = stack.simulator.requests()[-1].body
    assert view["system"] == (asked["system"] if isinstance(asked["system"], str) else asked["system"][0]["text"])
    assert [message["role"] for message in view["messages"]] == [message["role"] for message in asked["messages"]]
    texts = [[block["text"] for block in message["content"]] for message in asked["messages"]]
    assert [message["texts"] for message in view["messages"]] == texts
    receipt = as_object(caller.http.get(f"/api/chat/{results[-1]['requestId']}/receipt"))
    assert view["receipt"]["requestHash"] == receipt["requestHash"]


def test_claude_is_told_what_is_known_of_files(caller: Caller, stack: Stack) -> None:
    invoice = {
        "name": "invoice.pdf",
        "contentType": "application/pdf",
        "size": 182344,
        "url": "https://files.example/1",
    }
    result = caller.ask("Here is my invoice.", attachments=[invoice])
    asked: Any = stack.simulator.requests()[-1].body
    said = asked["messages"][-1]["content"][-1]["text"]
    assert said == "[Attached: invoice.pdf, application/pdf, 182 KB]\nHere is my invoice."
    path = f"/api/sessions/{result['sessionId']}/messages"
    recorded = caller.http.post(path, json={"role": "user", "content": "And one more.", "attachments": [{"name": "a"}]})
    assert as_object(recorded)["attachments"] == [{"name": "a"}]
    assert [message["attachments"] for message in caller.http.get(path).json()] == [[invoice], [], [{"name": "a"}]]
    assert sent(caller, result["requestId"])["messages"][-1]["texts"][-1] == said


def test_later_turns_change_nothing_of_what_was_sent(caller: Caller) -> None:
    results = talked(caller, "One.", "Two.", "Three.", "Four.")
    for result in results:
        receipt = as_object(caller.http.get(f"/api/chat/{result['requestId']}/receipt"))
        assert sent(caller, result["requestId"])["receipt"]["requestHash"] == receipt["requestHash"]


def test_what_is_gone_is_told_as_gone(caller: Caller) -> None:
    results = talked(caller, "One.", "Two.")
    instructions = {"instructions": "You are a new agent."}
    assert caller.http.put("/api/agent", json=instructions).status_code in {200, 201}
    response = caller.http.get(f"/api/chat/{results[-1]['requestId']}/context")
    assert_problem(response, 410, "context-gone")


def test_an_unanswered_request_has_no_context(caller: Caller) -> None:
    assert_problem(caller.http.get("/api/chat/req_0000000000000000000000000000000/context"), 404, "unknown-request")


def test_the_next_context_is_shown_and_nothing_happens(caller: Caller, stack: Stack) -> None:
    results = talked(caller, "My order is number 4711.")
    session = results[0]["sessionId"]
    before = len(stack.simulator.requests())
    view = told(caller, f"/api/sessions/{session}/context", message="Where is it?")
    assert view["messages"][-1]["role"] == "user"
    assert view["messages"][-1]["texts"][-1] == "Where is it?"
    assert "4711" in str(view["messages"])
    assert caller.session(session)["messageCount"] == 2
    assert len(stack.simulator.requests()) == before
    # The turn that follows is sent just that.
    result = caller.ask("Where is it?", sessionId=session)
    assert sent(caller, result["requestId"])["messages"] == view["messages"]


def test_the_command_draws_it(caller: Caller, stack: Stack) -> None:
    [*_, result] = talked(caller, "My order is number 4711.", "What is it?")
    address = ["--url", stack.url, "--key", caller.key]
    drawn = CliRunner().invoke(main, ["context", result["sessionId"], "--message", "And now?", "--text", *address])
    assert drawn.exit_code == 0, drawn.output
    for word in ("system", "window", "newest", "free", "messages 1 to 4", "And now?", "4711"):
        assert word in drawn.output
    again = CliRunner().invoke(main, ["context", result["requestId"], "--json", *address])
    assert again.exit_code == 0, again.output
    assert f'"requestHash": "{sent(caller, result["requestId"])["receipt"]["requestHash"]}"' in again.output


def test_the_command_tells_what_is_wrong(caller: Caller, stack: Stack) -> None:
    address = ["--url", stack.url, "--key", caller.key]
    unknown = CliRunner().invoke(main, ["context", "ses_none", *address])
    assert unknown.exit_code == 1
    assert "404" in unknown.output
    both = CliRunner().invoke(main, ["context", "req_x", "--message", "And?", *address])
    assert both.exit_code == 2
    assert "--message goes with a session" in both.output
