"""Telling open pages what changed: one look for all, and none while nobody listens."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import pytest

from api.hub import Hub
from api.live import Live
from shared.errors import StoreUnavailable
from shared.storage.contract import Store
from shared.storage.tenant_index import TOPICS, Notes
from tests.contract.store import Desk

LOOK_SECONDS = 0.02


class CountingStore:
    """A store that counts how often it is asked for changes, by tenant."""

    def __init__(self, real: Store) -> None:
        self._real = real
        self.asked: Counter[str] = Counter()
        self.away = False

    def tenant(self, tenant: str) -> Any:
        own, outer = self._real.tenant(tenant), self

        class Counting:
            async def changes(self) -> dict[str, int]:
                outer.asked[tenant] += 1
                if outer.away:
                    raise StoreUnavailable("away")
                return await own.changes()

        return Counting()


@pytest.fixture
def store(desk: Desk) -> CountingStore:
    return CountingStore(desk.store)


@pytest.fixture
def live(store: CountingStore) -> Live:
    return Live(cast("Store", store), Hub(), look_seconds=LOOK_SECONDS)


async def topics(events: AsyncIterator[bytes]) -> set[str]:
    """Return the topics of the next event."""
    while True:
        event = (await asyncio.wait_for(anext(events), 10)).decode()
        if event.startswith("event: change"):
            return set(json.loads(event.split("data: ")[1])["topics"])


async def change(desk: Desk, *names: Any) -> None:
    await desk.own.note(Notes(changed=frozenset(names)))


async def test_the_first_event_names_everything_and_the_next_what_changed(live: Live, desk: Desk) -> None:
    async with aclosing(cast("Any", live.events("acme"))) as events:
        assert await topics(events) == set(TOPICS)
        await change(desk, "requests", "usage")
        assert await topics(events) == {"requests", "usage"}
        await desk.of("other").own.note(Notes(changed=frozenset({"batches"})))
        await change(desk, "deliveries")
        assert await topics(events) == {"deliveries"}


async def test_a_change_right_after_the_beginning_is_not_missed(live: Live, desk: Desk) -> None:
    async with aclosing(cast("Any", live.events("acme"))) as events:
        await anext(events)
        first = asyncio.ensure_future(topics(events))
        await asyncio.sleep(0)
        await change(desk, "requests")
        assert await first == set(TOPICS)
        assert await topics(events) == {"requests"}


async def test_all_pages_of_a_tenant_share_one_look(live: Live, store: CountingStore, desk: Desk) -> None:
    pages = [cast("Any", live.events("acme")) for _ in range(50)]
    for page in pages:
        assert await topics(page) == set(TOPICS)
    before = store.asked["acme"]
    await change(desk, "requests")
    assert [await topics(page) for page in pages] == [{"requests"}] * 50
    assert store.asked["acme"] - before <= 25
    for page in pages:
        await page.aclose()


async def test_nobody_is_asked_while_nobody_listens(live: Live, store: CountingStore) -> None:
    async with aclosing(cast("Any", live.events("acme"))) as events:
        await topics(events)
        looking = live._looking
        assert looking is not None
    await asyncio.wait_for(looking, 5)
    asked = store.asked.total()
    await asyncio.sleep(3 * LOOK_SECONDS)
    assert store.asked.total() == asked
    async with aclosing(cast("Any", live.events("acme"))) as events:
        assert await topics(events) == set(TOPICS)
        assert live._looking is not looking


async def test_a_store_that_is_away_for_a_while_ends_nothing(live: Live, store: CountingStore, desk: Desk) -> None:
    async with aclosing(cast("Any", live.events("acme"))) as events:
        await topics(events)
        store.away = True
        await change(desk, "requests")
        await asyncio.sleep(3 * LOOK_SECONDS)
        store.away = False
        assert await topics(events) == {"requests"}


async def test_pages_are_let_go_when_the_process_stops(store: CountingStore) -> None:
    hub = Hub()
    live = Live(cast("Store", store), hub, look_seconds=LOOK_SECONDS)
    events = live.events("acme")
    await topics(events)
    hub.drain()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(anext(events), 5)
