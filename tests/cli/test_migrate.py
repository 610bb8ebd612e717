"""`customer-memory migrate`: what it says, and how it ends. What it moves is tested beside the stores' contract."""

from __future__ import annotations

import asyncio

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from shared.ids import SessionRef
from shared.storage.redis.client import connect
from shared.storage.redis.store import RedisStore
from tests.contract.store import LIMITS, Desk, StoreClock
from tests.support.valkey import Valkey


@pytest.fixture
def ways(valkey: Valkey) -> tuple[str, str]:
    """Two empty stores, the first with a session of one turn, and one that waits."""
    for database in (8, 9):
        valkey.client(database).flushdb()
    asyncio.run(_fill(valkey.url(8)))
    return valkey.url(8), valkey.url(9)


async def _fill(url: str) -> None:
    async with RedisStore(connect(url, 5.0, 4), LIMITS) as store:
        desk = Desk(store, StoreClock(), None)  # type: ignore[arg-type]  # nobody looks inside
        request = await desk.turn("one")
        await desk.accept("two", session_id=request.session_id)


async def _claim(url: str) -> None:
    async with RedisStore(connect(url, 5.0, 4), LIMITS) as store:
        (session,) = (await store.tenant("acme").sessions("cust-1", 10, None)).items
        await store.tenant("acme").claim(SessionRef("acme", session.id), "nonce", 4000, quarantine=False)


def run(*options: str) -> Result:
    return CliRunner().invoke(main, ["migrate", *options])


def test_it_says_what_to_do_next(ways: tuple[str, str]) -> None:
    result = run("--from", ways[0], "--to", ways[1])
    assert result.exit_code == 0, result.output
    assert "Pass 1: 1 copied, 0 removed, 0 were the same" in result.output
    assert "--final" in result.output.splitlines()[-1]


def test_the_last_pass_ends_with_a_table_of_what_both_hold(ways: tuple[str, str]) -> None:
    result = run("--from", ways[0], "--to", ways[1], "--final")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "Announcements that wait: 1 copied" in lines
    assert ["acme", "sessions", "1", "1"] in [line.split() for line in lines]
    assert ["messages", "2", "2"] in [line.split() for line in lines]
    assert ["requests", "2", "2"] in [line.split() for line in lines]
    assert lines[-1] == "Both stores hold the same."


def test_the_comparison_fails_when_they_differ_and_changes_nothing(ways: tuple[str, str]) -> None:
    result = run("--from", ways[0], "--to", ways[1], "--check")
    assert result.exit_code == 1
    assert "is not in the target" in result.output
    assert "1 differ." in result.output
    assert run("--from", ways[0], "--to", ways[1], "--check").output == result.output


def test_a_worker_that_still_answers_is_noticed(ways: tuple[str, str]) -> None:
    asyncio.run(_claim(ways[0]))
    result = run("--from", ways[0], "--to", ways[1], "--final")
    assert result.exit_code == 1
    assert "1 sessions are being answered on the source. Stop the workers" in result.output


def test_a_target_with_sessions_of_its_own_is_refused(ways: tuple[str, str]) -> None:
    asyncio.run(_fill(ways[1]))
    result = run("--from", ways[0], "--to", ways[1])
    assert result.exit_code == 1
    assert "is in the target, and not from here" in result.output


def test_a_password_need_not_stand_on_the_command_line(ways: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", ways[0])
    result = run("--from", "redis", "--to", ways[1])
    assert result.exit_code == 0, result.output


def test_where_no_redis_is_set_it_asks_for_one_and_for_nothing_else() -> None:
    result = run("--from", "redis", "--to", "dynamodb://t?region=r")
    assert result.exit_code == 1
    assert "--from: REDIS_URL is not set. Set it, or write redis://host:port/0" in result.output
    assert "AWS_REGION" not in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--from", "mysql://x", "--to", "dynamodb://t?region=r"), "--from: no such store"),
        (("--from", "redis://h/0", "--to", "redis://h/0"), "name the same store"),
        (("--from", "redis://h/0", "--to", "dynamodb"), "--to: which region?"),
        (("--from", "redis://h/0", "--to", "dynamodb://t?zone=b"), "zone is not known there"),
        (("--from", "redis://h/0", "--to", "redis://h/1", "--tenant", "Not One"), "is no tenant's name"),
    ],
)
def test_what_cannot_be_is_said_at_once(options: tuple[str, ...], said: str) -> None:
    result = run(*options)
    assert result.exit_code == 1
    assert said in result.output
