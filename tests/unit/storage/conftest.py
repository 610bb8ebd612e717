"""A desk over a fresh table, with a client that can be killed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.store import Desk
from tests.support.moto import Moto
from tests.unit.storage.desks import Killable, make_desk


@pytest.fixture
async def pair(moto: Moto) -> AsyncIterator[tuple[Desk, Killable]]:
    desk, client = make_desk(moto.table())
    yield desk, client
    await client.close()


@pytest.fixture
def desk(pair: tuple[Desk, Killable]) -> Desk:
    return pair[0]


@pytest.fixture
def client(pair: tuple[Desk, Killable]) -> Killable:
    return pair[1]
