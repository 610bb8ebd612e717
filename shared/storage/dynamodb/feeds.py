"""Hearing of changes on DynamoDB, which publishes nothing: asking the index, several times a second.

The index lags, and a write may be older than its place in it; so each look goes some seconds back and passes over what
was told before. Now and then everybody is told to look for themselves, which heals what came later still.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

import structlog

from shared.errors import StoreError
from shared.storage.dynamodb.actions import query
from shared.storage.dynamodb.client import Client
from shared.storage.dynamodb.schema import FEEDS

LOOK_SECONDS: Final = 0.25
OVERLAP_MS: Final = 5_000
LOOK_YOURSELVES_SECONDS: Final = 10.0

FINISHED: Final = tuple(f"feed/{number}" for number in range(FEEDS))
LISTEN: Final = ("listen",)

log = structlog.get_logger()


class Feed:
    """What was told, and what is new."""

    def __init__(self, client: Client, partitions: Sequence[str]) -> None:
        self._client = client
        self._partitions = partitions
        self._told: dict[tuple[str, str, int], None] = {}
        self._since: int | None = None

    async def look(self) -> list[str]:
        """Return ids of requests that changed since the last look."""
        now = await self._client.now()
        since = now if self._since is None else self._since
        pages = await asyncio.gather(*(self._after(partition, since - OVERLAP_MS) for partition in self._partitions))
        places = [place for page in pages for place in page]
        new = [place for place in places if place not in self._told]
        self._told = dict.fromkeys(places)
        self._since = now
        return list(dict.fromkeys(pk.rpartition("/")[2] for pk, _, _ in new))

    async def _after(self, partition: str, time: int) -> list[tuple[str, str, int]]:
        asked = query("due", "#due_pk = :partition AND #due_at > :time", partition=partition, time=time)
        return [(item["pk"], item["sk"], item["due_at"]) for item in await self._client.all(asked)]


async def follow(client: Client, partitions: Sequence[str]) -> AsyncGenerator[str, None]:
    """Yield ids of requests that changed; an empty string when some may have been missed."""
    feed = Feed(client, partitions)
    loop = asyncio.get_running_loop()
    told = 0.0
    while True:
        try:
            changed = await feed.look()
        except StoreError as error:
            if told >= 0:  # told once, not each time it is looked in vain
                log.warning("feed.lost", error=str(error))
            told, changed = -LOOK_YOURSELVES_SECONDS, []
        else:
            if told <= 0 or loop.time() - told >= LOOK_YOURSELVES_SECONDS:
                told = loop.time()
                yield ""
        for request_id in changed:
            yield request_id
        await asyncio.sleep(LOOK_SECONDS)
