"""A desk over the fake store, and an office over the desk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import fakeredis
import pytest

from tests.contract.redis_desk import make_desk
from tests.contract.store import Desk
from tests.unit.turns import Office, open_office


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    redis = fakeredis.FakeAsyncRedis(decode_responses=True, version=(7,))
    yield make_desk(redis)
    await redis.aclose()


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def office(desk: Desk, executor: ThreadPoolExecutor) -> Office:
    return open_office(desk, executor)
