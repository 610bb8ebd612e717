"""Moving between stores: each kind into each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import fakeredis
import pytest
from redis.asyncio import Redis

from tests.contract import dynamodb_desk, redis_desk
from tests.contract.portable import Pair, PortableContract
from tests.contract.portable_beside import PortableBesideContract
from tests.contract.portable_handling import PortableHandlingContract
from tests.contract.portable_summaries import PortableSummaryContract
from tests.contract.store import Desk
from tests.support.moto import Moto
from tests.support.valkey import Valkey

WAYS = ("valkey-dynamodb", "dynamodb-valkey", "valkey-valkey", "dynamodb-dynamodb", "fakeredis-fakeredis")


@pytest.fixture(params=WAYS)
async def pair(request: pytest.FixtureRequest, valkey: Valkey, moto: Moto) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as closing:
        kinds = str(request.param).split("-")
        desks = [await _desk(kind, number, closing, valkey, moto) for number, kind in enumerate(kinds)]
        yield Pair(desks[0], desks[1])


async def _desk(kind: str, number: int, closing: AsyncExitStack, valkey: Valkey, moto: Moto) -> Desk:
    if kind == "dynamodb":
        desk = dynamodb_desk.make_desk(moto.table())
        closing.push_async_callback(desk.store.close)
        return desk
    redis: Redis = fakeredis.FakeAsyncRedis(decode_responses=True, version=(7,))
    if kind == "valkey":
        redis = Redis.from_url(valkey.url(4 + number), decode_responses=True)
        await redis.flushdb()
    closing.push_async_callback(redis.aclose)
    closing.push_async_callback(redis_desk.assert_no_stray_keys, redis)
    return redis_desk.make_desk(redis)


class TestMoving(PortableContract):
    """From one store into another."""


class TestMovingSummaries(PortableSummaryContract):
    """Summaries and digests."""


class TestMovingBeside(PortableBesideContract):
    """Announcements, and the progress bar."""


class TestMovingHandling(PortableHandlingContract):
    """Who handles a session, and bursts."""
