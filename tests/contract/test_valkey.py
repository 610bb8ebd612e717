"""The contract, on a real Valkey server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from redis.asyncio import Redis

from shared.storage.redis import store
from tests.contract.redis_desk import assert_no_stray_keys, make_desk
from tests.contract.store import Desk, limits_of
from tests.contract.suite import *  # noqa: F403 - one list of contracts for every store
from tests.support.valkey import Valkey


@pytest.fixture
async def desk(valkey: Valkey, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    redis = Redis.from_url(valkey.url(3), decode_responses=True)
    await redis.flushdb()
    yield make_desk(redis, limits_of(request))
    await assert_no_stray_keys(redis)
    await redis.aclose()


async def test_a_subscription_that_hears_nothing_is_kept_while_the_server_answers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("QUIET_SECONDS", 0.2), ("ANSWER_SECONDS", 0.3), ("RESUBSCRIBE_SECONDS", 0.05)):
        monkeypatch.setattr(store, name, seconds)
    async with aclosing(desk.store.finished()) as finished:  # type: ignore[type-var]  # it is a generator
        assert await anext(finished) == ""
        with pytest.raises(TimeoutError):  # begun anew, it would say that something may have been missed
            await asyncio.wait_for(anext(finished), 1.5)
