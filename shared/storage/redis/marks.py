"""Which buckets are known to have work, so that sweeps visit only those.

The note of a bucket lives outside its hash tag, so no script can write it with the work itself. It is written before
the work, at most once in ten minutes by each process, and forgotten only when the bucket is empty and the note older
than any process's memory of it. It is a hint all the same: a sweep of every bucket, now and then, heals a lost one.
"""

from __future__ import annotations

import time

from shared.storage.keys import BUCKETS
from shared.storage.redis.client import Client

MARK_SECONDS = 600.0
FORGET_SECONDS = 3600.0


class BucketMarks:
    """One process's notes of buckets with work."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._marked: dict[str, float] = {}

    async def mark(self, bucket: str) -> None:
        """Note that the bucket is about to have work."""
        now = time.monotonic()
        if now - self._marked.get(bucket, -MARK_SECONDS) < MARK_SECONDS:
            return
        await self._client.call(lambda: self._client.redis.zadd(BUCKETS, {bucket: time.time()}))
        self._marked[bucket] = now

    async def forget(self, bucket: str) -> None:
        """Forget a bucket that was found empty, if its note is old."""

        async def ask() -> None:
            score = await self._client.redis.zscore(BUCKETS, bucket)
            if score is not None and time.time() - float(score) > FORGET_SECONDS:
                await self._client.redis.zrem(BUCKETS, bucket)

        await self._client.call(ask)
