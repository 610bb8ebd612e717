"""Small rules: retries, events, settings, waiting, text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from api.hub import Hub
from shared.conversation.retry import RULES, wait_seconds
from shared.errors import ClaudeLater, SettingsError
from shared.events import envelope, routing_key
from shared.settings import load_settings
from shared.storage import open_store
from shared.storage.types import OutboxRow
from shared.text import find_control

ROW = OutboxRow(
    id="evt_req_1",
    type="chat.reply.completed",
    tenant="acme",
    bucket="7k",
    session_id="ses_1",
    customer_id="cust-1",
    at=datetime(2026, 11, 22, 9, 30, 0, 123_000, UTC),
    request_id="req_1",
    metadata={"channel": "web"},
)


def test_waits_double_up_to_a_limit_and_spread() -> None:
    later = ClaudeLater("overloaded", "busy")
    assert [wait_seconds(later, tries, lambda: 0.0) for tries in (1, 2, 3, 6, 60)] == [2, 4, 8, 60, 60]
    assert wait_seconds(later, 1, lambda: 1.0) == 1.5


def test_claudes_own_time_comes_first() -> None:
    assert wait_seconds(ClaudeLater("overloaded", "busy", after=7), 3) == 7


def test_some_faults_have_a_last_try() -> None:
    limited = {cause: rule.tries for cause, rule in RULES.items() if rule.tries}
    assert limited == {"empty-reply": 3, "internal-error": 3}
    assert wait_seconds(ClaudeLater("empty-reply", "nothing"), 3) is None


def test_an_event_is_a_cloud_event_that_only_refers() -> None:
    event = envelope(ROW)
    assert event == {
        "specversion": "1.0",
        "id": "evt_req_1",
        "source": "/customer-memory/acme",
        "type": "chat.reply.completed",
        "subject": "ses_1",
        "time": "2026-11-22T09:30:00.123Z",
        "datacontenttype": "application/json",
        "data": {
            "sessionId": "ses_1",
            "customerId": "cust-1",
            "requestId": "req_1",
            "resultUrl": "/api/chat/req_1",
            "metadata": {"channel": "web"},
        },
    }
    assert routing_key(ROW) == "acme.chat.reply.completed"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"token_budget_max": 600, "token_budget_reserve": 600}, "TOKEN_BUDGET_RESERVE must be smaller"),
        ({"chat_model": "gpt"}, "CHAT_MODEL names gpt"),
        ({"fallback_model": "gpt"}, "FALLBACK_MODEL names gpt"),
        ({"chat_default_wait_seconds": 50, "max_wait_seconds": 10}, "CHAT_DEFAULT_WAIT_SECONDS"),
        ({"redis_url": "redis://h/1", "broker_url": "redis://h:6379/1"}, "BROKER_URL names the store's own database"),
        ({"redis_url": "redis://h", "broker_url": "redis://h/0"}, "BROKER_URL names the store's own database"),
        ({"store": "dynamodb"}, "STORE=dynamodb needs AWS_REGION"),
        ({"aws_access_key_id": "x"}, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together"),
        ({"aws_region": "eu-central-1", "max_message_chars": 600_000}, "MAX_MESSAGE_CHARS must not be above 500000"),
        ({"compression_strategy": "forget"}, "COMPRESSION_STRATEGY:"),
        ({"event_queues": "crm"}, "EVENT_QUEUES: write each queue as name=routing.pattern"),
        ({"port": 0}, "PORT:"),
        ({"lease_seconds": "soon"}, "LEASE_SECONDS:"),
    ],
)
def test_settings_that_cannot_serve_name_the_variable_and_the_mend(given: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(**given)
    assert said in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(port=0, token_budget_max=1, log_level="LOUD")
    assert {line.partition(":")[0] for line in str(caught.value).splitlines()} == {
        "PORT",
        "TOKEN_BUDGET_MAX",
        "LOG_LEVEL",
    }


@pytest.mark.parametrize(
    ("store", "broker"),
    [("redis://h", "redis://h/1"), ("redis://h:7/0", "redis://h:7/1"), ("rediss://u:p@h/1", "rediss://u:p@h/2")],
)
def test_the_broker_is_never_the_stores_own_database(store: str, broker: str) -> None:
    assert load_settings(redis_url=store).broker_address == broker


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, "redis"),
        ({"redis_url": "redis://h"}, "redis"),
        ({"aws_region": "eu-central-1"}, "dynamodb"),
        ({"aws_access_key_id": "x", "aws_secret_access_key": "y"}, "redis"),
        ({"redis_url": "redis://h", "aws_region": "eu-central-1"}, "redis"),
        ({"store": "redis", "aws_region": "eu-central-1"}, "redis"),
        ({"store": "dynamodb", "redis_url": "redis://h", "aws_region": "eu-central-1"}, "dynamodb"),
    ],
)
def test_redis_is_primary_and_credentials_alone_choose_nothing(given: dict[str, Any], kind: str) -> None:
    assert load_settings(**given).store_kind == kind


def test_dynamodb_is_no_broker() -> None:
    with pytest.raises(SettingsError, match="BROKER_URL is not set"):
        _ = load_settings(aws_region="eu-central-1").broker_address


def test_each_store_is_opened_by_the_settings_that_mean_it() -> None:
    table = open_store(load_settings(aws_region="eu-central-1", dynamodb_table_name="mine"))
    assert type(table).__name__ == "DynamoStore"
    assert type(open_store(load_settings(redis_url="redis://h"))).__name__ == "RedisStore"


def test_without_a_store_the_mend_is_told() -> None:
    with pytest.raises(SettingsError, match="customer-memory up"):
        _ = load_settings().store_url


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("plain", None),
        ("tab\tand\nlines\r", None),
        ("a\0b", 1),
        ("\x1b[31m", 0),
        ("\ud800", 0),
        ("x\x85", 1),
        ("Grüße 👩‍👧", None),
    ],
)
def test_control_characters_are_found(text: str, where: int | None) -> None:
    assert find_control(text) == where


async def test_a_waiter_is_woken_by_its_own_request_only() -> None:
    hub = Hub()

    async def words() -> AsyncIterator[str]:
        yield "req_other"
        yield "req_mine"

    with hub.waiting("req_mine") as mine, hub.waiting("req_third") as third:
        await hub.follow(words())
        await asyncio.wait_for(mine.changed(60), 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(third.changed(60), 0.05)


async def test_when_words_may_have_been_missed_everybody_looks() -> None:
    hub = Hub()

    async def words() -> AsyncIterator[str]:
        yield ""

    with hub.waiting("req_1") as one:
        await hub.follow(words())
        await asyncio.wait_for(one.changed(60), 1)


async def test_a_stopping_process_lets_nobody_wait() -> None:
    hub = Hub()
    with hub.waiting("req_1") as early:
        hub.drain()
        await asyncio.wait_for(early.changed(60), 1)
        assert early.draining
    with hub.waiting("req_1") as late:
        await asyncio.wait_for(late.changed(60), 1)
        assert late.draining
