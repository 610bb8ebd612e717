"""Ending tasks."""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_SECONDS = 0.1


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
