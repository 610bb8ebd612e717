"""`customer-memory events`: what it refuses, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from cli.embedded import free_port
from cli.events import line_of, routing_pattern
from cli.main import main
from shared.events import envelope
from tests.unit.test_rules import ROW

pytestmark = pytest.mark.usefixtures("clean_environment")


def tail(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["events", "tail", *arguments])


def test_where_the_broker_is_sqs_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "sqs://")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    done = tail()
    assert done.exit_code == 1
    for word in ("EVENTS_TOPIC_ARN", "aws sns subscribe", "aws sqs receive-message", "subscribe-to-events.md"):
        assert word in done.stderr


def test_where_no_broker_is_named_and_none_runs_it_says_so() -> None:
    done = tail()
    assert done.exit_code == 1
    assert "customer-memory up" in done.stderr


def test_a_broker_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", f"redis://:secret-word@127.0.0.1:{free_port()}/1")
    done = tail()
    assert done.exit_code == 1, done.output
    assert "The broker did not answer" in done.stderr
    assert "secret-word" not in done.output


@pytest.mark.parametrize("pattern", ["", "chat.", "chat..reply", "Chat.#", "chat reply", "acme.chat.reply.completed!"])
def test_a_pattern_that_can_match_nothing_is_refused(pattern: str) -> None:
    done = tail(pattern)
    assert done.exit_code == 2
    assert "matches no event" in done.stderr


def test_a_tenant_with_a_dot_is_refused() -> None:
    done = tail("--tenant", "acme.chat")
    assert done.exit_code == 2
    assert "no tenant's name" in done.stderr


def test_a_pattern_is_that_of_types_behind_the_tenants() -> None:
    assert routing_pattern("#", None) == "*.#"
    assert routing_pattern("chat.reply.*", "acme") == "acme.chat.reply.*"


def test_a_line_holds_nothing_that_moves_the_cursor() -> None:
    event = envelope(ROW)
    event["data"]["customerId"] = "eva\x1b[2J\n"
    event["data"]["failure"] = {"type": "deadline", "detail": "late\r"}
    line = line_of(event)
    assert "customer eva?[2J?" in line
    assert line.endswith("late?")


def test_an_event_that_is_of_no_session_is_a_line_too() -> None:
    line = line_of(envelope(replace(ROW, type="memory.updated", session_id="")))
    assert f"customer {ROW.customer_id}" in line
    assert "/api/memory?customerId=" in line


def test_help_teaches() -> None:
    told = CliRunner().invoke(main, ["events", "tail", "--help"]).stdout
    for word in ("'chat.#'", "--tenant", "--json", "Ctrl-C", "docs/reference/events.md"):
        assert word in told
