"""Hearing of changes by asking the index: each is told once, late ones too; after trouble, that some may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import pytest

from shared.errors import StoreUnavailable
from shared.storage.dynamodb import feeds
from shared.storage.dynamodb.feeds import FINISHED, LISTEN, OVERLAP_MS, Feed, follow
from tests.contract.store import HOUR, MINUTE, SECOND, Desk
from tests.unit.storage.desks import Killable


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "LOOK_SECONDS", 0.001)


async def test_a_request_is_told_of_when_it_ends_well_or_badly_or_with_its_session(
    desk: Desk, client: Killable
) -> None:
    feed = Feed(client, FINISHED)
    good, bad, gone, waits = [await desk.accept() for _ in range(4)]
    assert await feed.look() == []
    await desk.answer(await desk.claim(good))
    claim = await desk.claim(bad)
    await desk.own.commit(claim, desk.failed(claim))
    await desk.own.delete_session(str(gone.session_id))
    assert sorted(await feed.look()) == sorted([good.request_id, bad.request_id, gone.request_id])
    assert await feed.look() == []
    assert (await desk.own.request(waits.request_id)).status == "queued"


async def test_each_piece_of_a_reply_is_told_of(desk: Desk, client: Killable) -> None:
    feed = Feed(client, FINISHED)
    request = await desk.accept()
    claim = await desk.claim(request)
    offset = 0
    for text in ("One", ", two", ", three"):
        offset = await desk.own.append_delta(claim, offset, text)
        assert await feed.look() == [request.request_id]
    await desk.answer(claim)
    assert await feed.look() == [request.request_id]


async def test_many_changes_of_one_request_are_one(desk: Desk, client: Killable) -> None:
    request = await desk.accept()
    claim = await desk.claim(request)
    await desk.own.append_delta(claim, await desk.own.append_delta(claim, 0, "One"), ", two")
    assert await Feed(client, FINISHED).look() == [request.request_id]


async def test_who_begins_or_goes_on_to_listen_is_told(desk: Desk, client: Killable) -> None:
    feed = Feed(client, LISTEN)
    request = await desk.accept()
    await desk.own.listen(request.request_id)
    assert await feed.look() == [request.request_id]
    assert await feed.look() == []
    desk.clock.pass_(20 * SECOND)
    await desk.own.listen(request.request_id)
    assert await feed.look() == [request.request_id]


async def test_a_change_that_comes_late_into_the_index_is_told(desk: Desk, client: Killable) -> None:
    feed = Feed(client, LISTEN)
    early, late = await desk.accept(), await desk.accept()
    desk.clock.pass_(MINUTE)
    await desk.own.listen(early.request_id)
    assert await feed.look() == [early.request_id]
    desk.clock.pass_(1 - OVERLAP_MS)
    await desk.own.listen(late.request_id)
    desk.clock.pass_(OVERLAP_MS - 1)
    assert await feed.look() == [late.request_id]
    assert await feed.look() == []


async def test_what_was_before_one_began_to_look_is_not_told(desk: Desk, client: Killable) -> None:
    await desk.turn("Hello")
    desk.clock.pass_(HOUR)
    assert await Feed(client, FINISHED).look() == []


async def test_followers_are_told_to_look_for_themselves_at_first_and_now_and_then(
    desk: Desk, client: Killable, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with aclosing(follow(client, LISTEN)) as told:
        assert await anext(told) == ""
        request = await desk.accept()
        await desk.own.listen(request.request_id)
        assert await anext(told) == request.request_id
        monkeypatch.setattr(feeds, "LOOK_YOURSELVES_SECONDS", 0.0)
        assert [await anext(told) for _ in range(2)] == ["", ""]


async def test_a_feed_that_was_lost_goes_on_and_says_that_some_may_have_been_missed(
    desk: Desk, client: Killable, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await desk.accept()
    once = client._once
    faults = ["throttled", "throttled"]

    async def throttled(operation: str, arguments: Mapping[str, Any]) -> Any:
        if operation == "query" and faults:
            raise StoreUnavailable(faults.pop())
        return await once(operation, arguments)

    async with aclosing(follow(client, LISTEN)) as told:
        assert await anext(told) == ""
        monkeypatch.setattr(client, "_once", throttled)
        await desk.own.listen(request.request_id)
        assert [await anext(told), await anext(told)] == ["", request.request_id]
        assert faults == []


async def test_the_store_tells_of_both(desk: Desk) -> None:
    async with aclosing(desk.store.finished()) as finished, aclosing(desk.store.listeners()) as listeners:  # type: ignore[type-var]  # both are generators
        assert [await anext(finished), await anext(listeners)] == ["", ""]
        request = await desk.accept()
        await desk.own.listen(request.request_id)
        assert await anext(listeners) == request.request_id
        await desk.answer(await desk.claim(request))
        assert await anext(finished) == request.request_id
