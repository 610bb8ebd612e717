"""Telling open pages that something has changed: one look a second for all of them, none while nobody listens."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Final

from api.hub import Hub
from shared.errors import StoreError
from shared.storage.contract import Store
from shared.storage.tenant_index import TOPICS, Topic

LOOK_SECONDS: Final = 1.0
KEEP_ALIVE_SECONDS: Final = 15.0
# Then the page asks again, and whether its key still opens anything is looked at anew.
LONGEST_SECONDS: Final = 600.0
RETRY_MS: Final = 2_000


class Live:
    """The pages of this process that are open, by tenant."""

    def __init__(self, store: Store, hub: Hub, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._store = store
        self._hub = hub
        self._look_seconds = look_seconds
        self._pages: defaultdict[str, list[set[Topic]]] = defaultdict(list)
        self._known: dict[str, dict[str, int]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def events(self, tenant: str) -> AsyncIterator[bytes]:
        """Yield server-sent events until this process stops, or it is time to ask again."""
        loop, news = asyncio.get_running_loop(), set[Topic](TOPICS)
        until = loop.time() + LONGEST_SECONDS
        yield f"retry: {RETRY_MS}\n\n".encode()
        self._pages[tenant].append(news)
        try:
            if tenant not in self._known:
                self._known[tenant] = await self._changes(tenant) or {}
            if self._looking is None or self._looking.done():
                self._looking = loop.create_task(self._look())
            spoke = loop.time()
            with self._hub.waiting(_name(tenant)) as waiter:
                while not waiter.draining and loop.time() < until:
                    if news:
                        told = _change(news)
                        news.clear()  # now: what changes while this is sent is told next
                        yield told
                        spoke = loop.time()
                        continue
                    if loop.time() - spoke >= KEEP_ALIVE_SECONDS:
                        yield b": nothing new\n\n"
                        spoke = loop.time()
                    await waiter.changed(KEEP_ALIVE_SECONDS)
        finally:
            # By identity: what two pages have not heard yet may be the same.
            self._pages[tenant] = [page for page in self._pages[tenant] if page is not news]
            if not self._pages[tenant]:
                del self._pages[tenant]
                self._known.pop(tenant, None)

    async def _look(self) -> None:
        """Look at each tenant of whom a page is open, until none is."""
        while self._pages:
            await asyncio.sleep(self._look_seconds)
            await asyncio.gather(*map(self._look_at, tuple(self._pages)))

    async def _look_at(self, tenant: str) -> None:
        now, before = await self._changes(tenant), self._known.get(tenant)
        if now is None or before is None or tenant not in self._pages:
            return
        changed: set[Topic] = {topic for topic in TOPICS if now.get(topic) != before.get(topic)}
        self._known[tenant] = now
        if changed:
            for news in self._pages[tenant]:
                news.update(changed)
            self._hub.wake(_name(tenant))

    async def _changes(self, tenant: str) -> dict[str, int] | None:
        try:
            return await self._store.tenant(tenant).changes()
        except StoreError:
            return None


def _name(tenant: str) -> str:
    return f"live/{tenant}"


def _change(topics: set[Topic]) -> bytes:
    told = json.dumps({"topics": [topic for topic in TOPICS if topic in topics]})
    return f"event: change\ndata: {told}\n\n".encode()
