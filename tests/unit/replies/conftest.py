"""A desk over each kind of store, and Chatwoot opposite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import fakeredis
import pytest

from tests.contract import dynamodb_desk, redis_desk
from tests.contract.store import Desk
from tests.support.moto import Moto
from tests.support.platforms.chatwoot import Chatwoot
from tests.support.platforms.standin import playing
from tests.unit.replies.post import Post, open_post


@pytest.fixture(params=["redis", "dynamodb"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """A desk over each kind of store."""
    if request.param == "redis":
        redis = fakeredis.FakeAsyncRedis(decode_responses=True, version=(7,))
        yield redis_desk.make_desk(redis)
        await redis.aclose()
    else:
        moto: Moto = request.getfixturevalue("moto")
        made = dynamodb_desk.make_desk(moto.table())
        yield made
        await made.store.close()


@pytest.fixture
def chatwoot() -> Iterator[Chatwoot]:
    with playing(Chatwoot) as platform:
        assert isinstance(platform, Chatwoot)
        yield platform


@pytest.fixture
def post(desk: Desk, chatwoot: Chatwoot) -> Post:
    return open_post(desk, chatwoot)
