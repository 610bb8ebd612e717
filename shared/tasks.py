"""Tasks of the event loop: ending them, and holding something while one works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog

AGAIN_SECONDS = 0.1

log = structlog.get_logger()


async def end(task: asyncio.Future[Any]) -> None:
    """Cancel a task and return when it has ended, whatever it raised.

    On Python 3.11 `asyncio.wait_for`, through which the Redis client sends its commands, can swallow a cancellation
    that comes just as the command goes out; so one is not always enough.
    Source: https://github.com/python/cpython/issues/86296
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_SECONDS)
    if not task.cancelled():
        task.exception()


@asynccontextmanager
async def held(
    renew: Callable[[], Awaitable[bool]], lease_seconds: float, lost: type[Exception]
) -> AsyncIterator[None]:
    """Renew a lease, once in each third of it, while the block runs.

    A lease only spares work: correctness rests on the fencing token of what is written at the end. So a store that is
    away is no reason to stop, but a claim that is no longer current is.

    Args:
        renew: returns False when the claim is no longer current.
        lease_seconds: how long one renewal lasts.
        lost: raised then; the block is cancelled.

    """
    block = asyncio.current_task()
    gone = False

    async def go_on() -> None:
        nonlocal gone
        while True:
            await asyncio.sleep(lease_seconds / 3)
            try:
                current = await renew()
            except Exception as error:  # noqa: BLE001 - a lease that lapses costs less than the work
                log.warning("lease.not_renewed", error=type(error).__name__)
                continue
            if not current:
                gone = True
                if block is not None:
                    block.cancel()
                return

    renewing = asyncio.get_running_loop().create_task(go_on())
    try:
        yield
    except asyncio.CancelledError:
        if gone and block is not None and block.uncancel() == 0:
            raise lost from None
        raise
    finally:
        await end(renewing)
