"""Reads that many want at once: shared, never stale, and nobody's failure is another's."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from api.holds import Holds
from api.hub import Hub
from api.sharing import Shared
from api.waiting import Hold
from shared.errors import StoreUnavailable
from shared.storage.contract import Store
from tests.contract.redis_desk import make_desk
from tests.support.valkey import Valkey
from tests.support.waiting import wait_until

LISTENERS = 50
PIECES = [f"piece {number} " for number in range(5)]


async def test_who_asks_at_once_shares_and_who_asks_later_does_not() -> None:
    """Given a read under way, then one who comes now is given a newer answer, not that one's."""
    shared, begun, gate = Shared(), 0, asyncio.Event()

    async def read() -> int:
        nonlocal begun
        begun += 1
        mine = begun
        await gate.wait()
        return mine

    first = [asyncio.ensure_future(shared.read("key", read)) for _ in range(3)]
    other = asyncio.ensure_future(shared.read("other", read))
    for _ in range(3):
        await asyncio.sleep(0)
    late = asyncio.ensure_future(shared.read("key", read))
    for _ in range(3):
        await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*first) == [1, 1, 1]
    assert await other == 2
    assert await late == 3


async def test_one_who_leaves_takes_the_answer_from_nobody() -> None:
    shared, gate = Shared(), asyncio.Event()

    async def read() -> str:
        await gate.wait()
        return "found"

    leaves, stays = (asyncio.ensure_future(shared.read("key", read)) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    gate.set()
    assert await stays == "found"
    assert leaves.cancelled()


async def test_each_who_waits_is_told_the_failure_and_none_is_lost() -> None:
    shared = Shared()

    async def read() -> str:
        raise StoreUnavailable("away")

    waiting = [asyncio.ensure_future(shared.read("key", read)) for _ in range(2)]
    for each in waiting:
        with pytest.raises(StoreUnavailable):
            await each


class Counted:
    """A store, or one tenant's part of it, that counts what is asked of it."""

    def __init__(self, real: Any, counts: Counter[str]) -> None:
        self._real = real
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        if name in {"read_deltas", "request"}:
            self._counts[name] += 1
        found = getattr(self._real, name)
        return (lambda tenant: Counted(found(tenant), self._counts)) if name == "tenant" and callable(found) else found


async def test_many_listeners_of_one_reply_ask_the_store_about_as_often_as_one(valkey: Valkey) -> None:
    """Given fifty listeners of a reply in five pieces, then all hear it, and reads go with the pieces."""
    redis = Redis.from_url(valkey.url(3), decode_responses=True)
    await redis.flushdb()
    desk, counts, hub = make_desk(redis), Counter[str](), Hub()
    following = asyncio.ensure_future(hub.follow(desk.store.finished()))
    held = Holds(cast("Store", Counted(desk.store, counts)), hub)
    request = await desk.accept("Where is it?")
    claim = await desk.claim(request)
    heard: dict[int, bytes] = dict.fromkeys(range(LISTENERS), b"")

    async def listen(number: int) -> None:
        hold = Hold(kind="stream", tenant=desk.tenant, request_id=request.request_id)
        async for event in held.events(hold):
            heard[number] += event

    listening = [asyncio.ensure_future(listen(number)) for number in range(LISTENERS)]
    offset = 0
    for piece in PIECES:
        offset = await desk.own.append_delta(claim, offset, piece)
        told = f'"text": "{piece}"'.encode()

        async def everybody(told: bytes = told) -> bool:
            return all(told in each for each in heard.values())

        await wait_until(f"everybody to hear {piece}", everybody)
    await desk.answer(claim, "".join(PIECES))
    await asyncio.gather(*listening)
    following.cancel()
    await redis.aclose()
    assert all(b"event: result" in each for each in heard.values())
    most = 4 * (len(PIECES) + 2)
    assert counts["read_deltas"] <= most, counts
    assert counts["request"] <= most, counts
