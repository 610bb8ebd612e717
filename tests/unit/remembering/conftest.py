"""A customer's memory without processes: turns, and the jobs that read them, over one store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import fakeredis
import pytest

from tests.contract.redis_desk import assert_no_stray_keys, make_desk
from tests.contract.store import MEMORY_LIMITS, Desk
from tests.unit.remembering.shop import Shop, open_shop


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    redis = fakeredis.FakeAsyncRedis(decode_responses=True, version=(7,))
    yield make_desk(redis, MEMORY_LIMITS)
    await assert_no_stray_keys(redis)
    await redis.aclose()


@pytest.fixture
def shop(desk: Desk, executor: ThreadPoolExecutor) -> Shop:
    return open_shop(desk, executor)
