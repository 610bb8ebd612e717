"""Lists outside the buckets: members by a time, read from the newest on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from shared.storage.keys import index_key
from shared.storage.redis.client import Client
from shared.storage.tenant_index import Topic

VERSIONS_KEPT_MS: Final = 86_400_000


async def places_below(client: Client, name: str, limit: int, before: tuple[int, str] | None) -> list[tuple[int, str]]:
    """Return places (time, member) of a list below one of them, the highest first."""
    most = before[0] if before else "+inf"
    start, found = 0, list[tuple[int, str]]()
    while True:
        offset = start

        async def ask(offset: int = offset) -> Any:
            return await client.redis.zrevrangebyscore(name, most, "-inf", start=offset, num=limit, withscores=True)

        read = await client.call(ask)
        places = [(int(score), str(member)) for member, score in read]
        found += [place for place in places if before is None or place < before]
        start += limit
        if len(found) >= limit or len(places) < limit:
            return found[:limit]


async def forget(client: Client, name: str, members: Sequence[str]) -> None:
    """Take members out of a list."""
    await client.call(lambda: client.redis.zrem(name, *members))


async def changed(client: Client, tenant: str, topic: Topic) -> None:
    """Tell pages that are open that something of a topic has changed."""
    name = index_key(tenant, "versions")

    async def ask() -> None:
        async with client.redis.pipeline(transaction=False) as pipe:
            pipe.hincrby(name, topic, 1)
            pipe.pexpire(name, VERSIONS_KEPT_MS)
            await pipe.execute()

    await client.call(ask)
