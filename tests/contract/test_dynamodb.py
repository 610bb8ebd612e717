"""The contract, on DynamoDB as moto's server plays it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from shared.storage.dynamodb.merging import DynamoMerging
from tests.contract.dynamodb_desk import make_desk
from tests.contract.erasure import erase
from tests.contract.merging import ANON, MARIA, MergingContract
from tests.contract.store import Desk, limits_of
from tests.contract.suite import *  # noqa: F403 - one list of contracts for every store
from tests.support.moto import Moto


@pytest.fixture
async def desk(moto: Moto, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    desk = make_desk(moto.table(), limits_of(request))
    yield desk
    await desk.store.close()


class TestMerging(MergingContract):  # type: ignore[no-redef]  # in the place of the one of the list
    """Customers who turn out to be others."""

    cut_every = 7  # moto is slow
    stand_every = 4  # among them the first write of pieces


async def test_what_was_deleted_does_not_follow_to_one_who_is_erased_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.turn("Hello", customer=ANON)
    await desk.turn("Hello", customer=MARIA)
    await desk.own.put_memory(ANON, "city", "Rome", "note")
    await desk.own.delete_memory(ANON, "city")
    own = cast("DynamoMerging", desk.own)
    await own._begin_merge(ANON, MARIA)
    read, begun = own._client.all, False

    async def erased_then(asked: Any) -> Any:
        nonlocal begun
        found, first, begun = await read(asked), not begun, True
        if first:
            await erase(desk, MARIA)
        return found

    monkeypatch.setattr(own._client, "all", erased_then)
    await own._move_deleted(ANON, MARIA)
    assert MARIA not in await desk.inside.contents()
