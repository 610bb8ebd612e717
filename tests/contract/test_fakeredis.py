"""The contract, on the fake that fast unit tests use: it must not drift."""

from __future__ import annotations

from collections.abc import AsyncIterator

import fakeredis
import pytest

from tests.contract.lost import LostAnswerContract
from tests.contract.records import RecordContract
from tests.contract.store import Desk, assert_no_stray_keys, make_desk
from tests.contract.turns import TurnContract


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    redis = fakeredis.FakeAsyncRedis(decode_responses=True, version=(7,))
    yield make_desk(redis)
    await assert_no_stray_keys(redis)
    await redis.aclose()


class TestTurns(TurnContract):
    """The path of a request."""


class TestRecords(RecordContract):
    """Everything else."""


class TestLostAnswers(LostAnswerContract):
    """Answers lost on the way."""
