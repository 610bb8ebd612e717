"""The contract, on a real Valkey server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.contract.lost import LostAnswerContract
from tests.contract.records import RecordContract
from tests.contract.store import Desk, assert_no_stray_keys, make_desk
from tests.contract.turns import TurnContract
from tests.support.valkey import Valkey


@pytest.fixture
async def desk(valkey: Valkey) -> AsyncIterator[Desk]:
    redis = Redis.from_url(valkey.url(3), decode_responses=True)
    await redis.flushdb()
    yield make_desk(redis)
    await assert_no_stray_keys(redis)
    await redis.aclose()


class TestTurns(TurnContract):
    """The path of a request."""


class TestRecords(RecordContract):
    """Everything else."""


class TestLostAnswers(LostAnswerContract):
    """Answers lost on the way."""
