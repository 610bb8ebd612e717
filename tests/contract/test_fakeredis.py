"""The contract, on the fake that fast unit tests use: it must not drift."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import cast

import fakeredis
import pytest

from shared.ids import bucket_of
from shared.storage.deliveries import DeliveryFacts
from shared.storage.keys import BUCKETS
from shared.storage.redis.store import RedisStore
from shared.storage.types import OF_TENANT
from tests.contract.merging import ANON, MARIA, merge
from tests.contract.redis_desk import assert_no_stray_keys, make_desk
from tests.contract.store import Desk, limits_of
from tests.contract.suite import *  # noqa: F403 - one list of contracts for every store


@pytest.fixture
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    redis = fakeredis.FakeAsyncRedis(decode_responses=True, version=(7,))
    yield make_desk(redis, limits_of(request))
    await assert_no_stray_keys(redis)
    await redis.aclose()


async def test_the_sweep_is_told_where_a_callback_waits_whose_request_has_moved(desk: Desk) -> None:
    asked = await desk.turn("Call me", customer=ANON, callback=OF_TENANT)
    await desk.turn("Hello", customer=MARIA)
    await merge(desk)
    store = cast("RedisStore", desk.store)
    await store._client.redis.delete(BUCKETS)  # forgotten, since all was still for long
    store._marks._marked.clear()
    now = datetime.fromtimestamp(desk.clock.ms / 1000, UTC)
    facts = DeliveryFacts(status="pending", created_at=now, due_at=now + timedelta(seconds=1))
    assert await desk.own.put_delivery(asked.request_id, "{}", 0, facts)
    assert bucket_of(desk.tenant, MARIA) in await store.active_buckets()
