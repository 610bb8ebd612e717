"""Whose summary is made next: what is due, longest due first, tenants in turn, never more at once than is allowed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from shared.ids import SessionRef
from shared.storage.contract import Store
from shared.storage.jobs import DueSummary, RunningPart
from shared.summaries.due import choose

AT_ONCE: Final = 16
PER_BUCKET: Final = 20

Wake = Callable[[SessionRef], Awaitable[bool]]
WakeBatch = Callable[[RunningPart], Awaitable[bool]]


class Dispatcher:
    """Launches jobs, and wakes batches. Two at once do no harm: what one launched is not due for the other."""

    def __init__(self, store: Store, wake: Wake, wake_batch: WakeBatch, most: int) -> None:
        self._store = store
        self._wake = wake
        self._wake_batch = wake_batch
        self._most = most

    async def run(self) -> int:
        """Launch what is due, up to the bound; return how many jobs were."""
        for part in await self._store.running_parts():
            await self._wake_batch(part)
        flying = Counter(ref.tenant for ref in await self._store.summaries_in_flight())
        if flying.total() >= self._most:
            return 0
        launched = 0
        for due in choose(await self._waiting(), flying, self._most):
            if await self._store.launch_summary(due.ref):
                launched += await self._wake(due.ref)
        return launched

    async def _waiting(self) -> list[DueSummary]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def look(bucket: str) -> list[DueSummary]:
            async with gate:
                return await self._store.due_summaries(bucket, PER_BUCKET)

        found = await asyncio.gather(*map(look, await self._store.active_buckets(every=True)))
        return [due for bucket in found for due in bucket]
