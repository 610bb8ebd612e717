"""`customer-memory replay`, over a stand-in of the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from tests.cli.fake_api import USAGE, FakeApi

pytestmark = pytest.mark.usefixtures("clean_environment")


def _file(folder: Path, *rows: dict[str, Any] | str) -> str:
    path = folder / "conversations.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path)


def _replay(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["replay", *arguments])


def _report(result: Result) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_each_conversation_goes_in_order(fake_api: FakeApi, tmp_path: Path) -> None:
    """Given messages of many customers mixed, then each customer's go one after the other, and all are counted."""
    rows = [{"customerId": f"c{n % 10}", "message": f"m{n}"} for n in range(60)]

    result = _replay(_file(tmp_path, *rows), "--url", fake_api.url, "--json", "--concurrency", "8")

    assert result.exit_code == 0, result.output
    assert dict(fake_api.seen) == {f"c{c}": [f"m{n}" for n in range(60) if n % 10 == c] for c in range(10)}
    assert not fake_api.overlaps
    report = _report(result)
    assert (report["turns"], report["conversations"], report["failures"]) == (60, 10, {})
    assert report["tokens"] == {"input": 60 * USAGE["input"], "output": 60 * USAGE["output"]}
    latency = report["latencyMs"]
    assert 0 <= latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]
    assert len({headers["Idempotency-Key"] for headers in fake_api.headers}) == 60


def test_a_conversation_is_held_together(fake_api: FakeApi, tmp_path: Path) -> None:
    """Given a conversation's own id, it is named each time; without one, the first session is resumed."""
    rows = [
        {"customerId": "a", "conversationId": "k", "message": "1"},
        {"customerId": "a", "conversationId": "k", "message": "2"},
        {"customerId": "b", "message": "1"},
        {"customerId": "b", "message": "2"},
    ]

    _replay(_file(tmp_path, *rows), "--url", fake_api.url, "--prefix", "x-", "--concurrency", "1")

    assert fake_api.bodies == [
        {"customerId": "x-a", "conversationId": "x-k", "message": "1"},
        {"customerId": "x-a", "conversationId": "x-k", "message": "2"},
        {"customerId": "x-b", "message": "1"},
        {"customerId": "x-b", "message": "2", "sessionId": "ses_x-b"},
    ]


def test_later_is_asked_again_under_the_same_key(fake_api: FakeApi, tmp_path: Path) -> None:
    """Given a service that says 429, then 503, then 202, the turn is still counted once, and nothing failed."""
    fake_api.refusals = [(429, "0"), (503, "Mon, 01 Jan 2001 00:00:00 GMT")]
    fake_api.late = True

    result = _replay(_file(tmp_path, {"customerId": "a", "message": "1"}), "--url", fake_api.url, "--json")

    assert result.exit_code == 0, result.output
    assert _report(result)["turns"] == 1
    assert fake_api.seen == {"a": ["1"]}


def test_failures_are_counted_by_type(fake_api: FakeApi, tmp_path: Path) -> None:
    """Given turns that fail, then their types are told and the exit is 1."""
    fake_api.failure = "claude-unavailable"
    rows = [{"customerId": "a", "message": "1"}, {"customerId": "b", "message": "1"}]

    result = _replay(_file(tmp_path, *rows), "--url", fake_api.url)

    assert result.exit_code == 1
    assert "2 x claude-unavailable" in result.stdout


def test_a_refusal_is_counted_by_its_type(fake_api: FakeApi, tmp_path: Path) -> None:
    """Given a 422 with a problem type, then the end of that type is the failure's name."""
    fake_api.refusals = [(422, "0")]

    result = _replay(_file(tmp_path, {"customerId": "a", "message": "1"}), "--url", fake_api.url, "--json")

    assert _report(result)["failures"] == {"busy": 1}


def test_without_a_key_it_stops(fake_api: FakeApi, tmp_path: Path) -> None:
    """Given a service that lets nobody in, then it stops at once, and says what to give."""
    fake_api.refusals = [(401, "0")]
    rows = [{"customerId": f"c{n}", "message": "1"} for n in range(5)]

    result = _replay(_file(tmp_path, *rows), "--url", fake_api.url, "--concurrency", "1")

    assert result.exit_code == 1
    assert "Give --key, or set CUSTOMER_MEMORY_KEY." in result.stderr
    assert not fake_api.seen


def test_record_only_stores(fake_api: FakeApi, tmp_path: Path) -> None:
    """Given --record, then sessions are opened and every row is stored with its role, author and time."""
    rows = [
        {"customerId": "a", "conversationId": "k", "message": "hi", "at": "2026-01-02T03:04:05Z"},
        {"customerId": "a", "conversationId": "k", "message": "hello", "role": "assistant", "author": "Ann"},
        {"customerId": "b", "message": "hi", "at": "2026-01-02T03:04:05"},
    ]

    result = _replay(_file(tmp_path, *rows), "--url", fake_api.url, "--record", "--json")

    assert result.exit_code == 0, result.output
    assert fake_api.sessions == {
        "ses_a_k": [
            {"role": "user", "content": "hi", "at": "2026-01-02T03:04:05+00:00"},
            {"role": "assistant", "content": "hello", "author": "Ann"},
        ],
        "ses_b_": [{"role": "user", "content": "hi", "at": "2026-01-02T03:04:05+00:00"}],
    }
    assert _report(result)["turns"] == 3
    assert not fake_api.seen


def test_without_record_only_customers_speak(fake_api: FakeApi, tmp_path: Path) -> None:
    """Given rows of both roles, then only the customers' are sent; a limit takes the first conversations."""
    rows = [
        {"customerId": "a", "message": "1"},
        {"customerId": "a", "message": "an answer", "role": "assistant"},
        {"customerId": "b", "message": "2"},
        {"customerId": "c", "message": "3"},
    ]

    _replay(_file(tmp_path, *rows), "--url", fake_api.url, "--limit", "2")

    assert fake_api.seen == {"a": ["1"], "b": ["2"]}


def test_bad_lines_are_told_before_anything_is_sent(fake_api: FakeApi, tmp_path: Path) -> None:
    """Given lines that will not do, then each is named by line and field, and nothing is sent."""
    path = _file(
        tmp_path,
        {"customerId": "a", "message": "1"},
        {"message": "1"},
        "",
        "not json",
        {"customerId": "", "message": 5, "at": "yesterday"},
    )

    result = _replay(path, "--url", fake_api.url)

    assert result.exit_code == 1
    told = result.stderr.splitlines()
    assert told[0] == "line 2: customerId: Field required"
    assert told[1].startswith("line 4: Invalid JSON")
    assert [line.split(": ")[:2] for line in told[2:]] == [
        ["line 5", "customerId"],
        ["line 5", "message"],
        ["line 5", "at"],
    ]
    assert not fake_api.bodies


def test_without_a_service_it_says_how_to_start_one(tmp_path: Path) -> None:
    """Given no --url and nothing that runs, then it says so."""
    result = _replay(_file(tmp_path, {"customerId": "a", "message": "1"}))

    assert result.exit_code == 1
    assert "Start it first (customer-memory up), or give --url." in result.stderr
