"""Working on many things, several at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, TypeVar

Item = TypeVar("Item")

CONCURRENCY: Final = 24


async def each(units: AsyncGenerator[Item, None], act: Callable[[Item], Awaitable[None]]) -> None:
    """Do something with each unit, several at a time; the first fault ends it."""
    queue: asyncio.Queue[Item | None] = asyncio.Queue(CONCURRENCY)

    async def work() -> None:
        while (unit := await queue.get()) is not None:
            await act(unit)
            _heed_cancellation()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(work())
            async with aclosing(units):
                async for unit in units:
                    _heed_cancellation()
                    await queue.put(unit)
            for _ in range(CONCURRENCY):
                await queue.put(None)
    except* Exception as faults:  # noqa: BLE001 - told as what the first of them was
        first = faults.exceptions[0]
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        raise first from None


def _heed_cancellation() -> None:
    """End a task that was cancelled while a library took the cancellation for a fault of its own."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
