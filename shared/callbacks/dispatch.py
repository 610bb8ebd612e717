"""Finding deliveries that are due, and waking workers for them."""

from __future__ import annotations

import asyncio
from typing import Final

from shared.callbacks.desk import Wake
from shared.storage.contract import Store

AT_ONCE: Final = 16
PER_BUCKET: Final = 100


async def dispatch(store: Store, wake: Wake) -> int:
    """Wake a worker for each delivery that is due; return for how many. Two rounds at once do no harm."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def visit(bucket: str) -> int:
        async with gate:
            due = await store.due_deliveries(bucket, PER_BUCKET)
            return sum([await wake(ref) for ref in due])

    return sum(await asyncio.gather(*map(visit, await store.active_buckets())))
