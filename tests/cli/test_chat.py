"""`customer-memory chat`, over a stand-in of the API and its event streams."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from cli.sse import Event, Parser
from cli.talk import RECONNECTS
from tests.cli.fake_api import USAGE, FakeApi

pytestmark = pytest.mark.usefixtures("clean_environment")

RESULT = {"sessionId": "ses_1", "reply": "Hello, Ann!", "tokenUsage": USAGE, "simulated": True}


def _delta(identifier: str, text: str) -> tuple[str, str, dict[str, Any]]:
    return identifier, "delta", {"text": text}


def _chat(fake: FakeApi, typed: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["chat", "--url", fake.url, *arguments], input=typed)


def test_the_reply_is_shown_as_it_is_written(fake_api: FakeApi) -> None:
    """Given deltas and a result, then the text is shown once, with its tokens, and how to go on later."""
    fake_api.scripts = [[_delta("1.0", "Hello, "), _delta("1.7", "Ann!"), ("1.11", "result", RESULT)]]

    result = _chat(fake_api, "hi\n", "--customer", "ann")

    assert result.exit_code == 0, result.output
    assert result.stdout.count("Hello, Ann!") == 1
    assert "[350 tokens in, 120 out; 470 so far]" in result.stdout
    assert "Claude is SIMULATED" in result.stdout
    assert "Resume with: customer-memory chat --customer ann --session ses_ann" in result.stdout


def test_the_session_goes_on(fake_api: FakeApi) -> None:
    """Given two messages, then the second names the session; after /new the third does not."""
    fake_api.scripts = [[("1", "result", RESULT)], [("1", "result", RESULT)], [("1", "result", RESULT)]]

    result = _chat(fake_api, "one\ntwo\n/session\n/new\n/session\nthree\n/quit\nnever\n")

    assert [body.get("sessionId") for body in fake_api.bodies] == [None, "ses_demo", None]
    assert result.stdout.count("Hello, Ann!") == 3
    assert "\nses_demo\n" in result.stdout
    assert "No session yet" in result.stdout


def test_a_reset_begins_the_reply_again(fake_api: FakeApi) -> None:
    """Given a reset, then what follows is the reply, and nothing is lost of it."""
    script = [_delta("1.0", "Good m"), ("2.0", "reset", {}), _delta("2.0", "Hello, "), ("2.7", "result", RESULT)]
    fake_api.scripts = [script]

    result = _chat(fake_api, "hi\n")

    assert "Good m\n(beginning again)\nHello, Ann!" in result.stdout


def test_a_cut_connection_is_taken_up_again(fake_api: FakeApi) -> None:
    """Given a stream that is cut, then it is read on from the last event."""
    fake_api.scripts = [[_delta("1.0", "Hello, ")], [], [_delta("1.7", "Ann!"), ("1.11", "result", RESULT)]]

    result = _chat(fake_api, "hi\n")

    assert result.exit_code == 0, result.output
    assert "Hello, Ann!" in result.stdout
    assert fake_api.last_ids == [None, "1.0", "1.0"]


def test_a_stream_that_never_comes_is_given_up(fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a stream that always ends without a result, then the message is called failed, and why."""
    monkeypatch.setattr("cli.talk.FIRST_WAIT_SECONDS", 0)
    fake_api.scripts = [[] for _ in range(RECONNECTS + 1)]

    result = _chat(fake_api, "hi\n")

    assert result.exit_code == 1
    assert "without a result" in result.stderr


def test_a_failure_says_why(fake_api: FakeApi) -> None:
    """Given a turn that failed, then its reason is shown, the talk goes on, and a script learns of it."""
    fake_api.scripts = [
        [("1", "failed", {"status": "failed", "failure": {"type": "x", "detail": "Claude was away"}})],
        [("1", "result", RESULT)],
    ]

    result = _chat(fake_api, "hi\nagain\n")

    assert "Claude was away" in result.stderr
    assert "Hello, Ann!" in result.stdout
    assert result.exit_code == 1


def test_memory_and_help(fake_api: FakeApi) -> None:
    """The commands show what is remembered, and which there are."""
    result = _chat(fake_api, "/memory\n/what\n")

    assert 'preference language: "en"' in result.stdout
    assert result.stdout.count("/new begins a new session") == 2


def test_nobody_there(fake_api: FakeApi) -> None:
    """Given an address where nothing answers, then it says so, without a traceback."""
    result = CliRunner().invoke(main, ["chat", "--url", "http://127.0.0.1:1"])

    assert result.exit_code == 1
    assert "http://127.0.0.1:1 did not answer" in result.stderr
    assert not fake_api.bodies


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_may_be_cut_anywhere(size: int) -> None:
    """However the bytes come, the same events come out."""
    data = ': comment\r\nid: 1\nevent: delta\ndata: {"text":\ndata: "é"}\n\n\ndata: x\n\nid: 2\n\n'.encode()
    parser = Parser()

    events = [event for start in range(0, len(data), size) for event in parser.feed(data[start : start + size])]

    assert events == [Event("delta", '{"text":\n"é"}', "1"), Event("message", "x", "1")]
    assert events[0].json() == {"text": "é"}
    assert events[1].json() == {}
