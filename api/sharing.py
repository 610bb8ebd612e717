"""One read for all who want the same at once: two hundred listeners of a reply ask the store once, not each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

Found = TypeVar("Found")


class Shared:
    """Shares reads on one event loop.

    Only a read that has not begun is joined: one under way may have passed what a listener was just woken for.
    """

    def __init__(self) -> None:
        self._coming: dict[Hashable, asyncio.Task[Any]] = {}

    async def read(self, key: Hashable, read: Callable[[], Awaitable[Found]]) -> Found:
        """Return what `read` finds, or what the read under the same key finds that is about to begin.

        Raises:
            whatever `read` raises, to each who waits for it.

        """
        task: asyncio.Task[Found] | None = self._coming.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._begin(key, read))
            task.add_done_callback(_seen)
            self._coming[key] = task
        # One who leaves does not take the answer away from the others.
        return await asyncio.shield(task)

    async def _begin(self, key: Hashable, read: Callable[[], Awaitable[Found]]) -> Found:
        del self._coming[key]
        return await read()


def _seen(task: asyncio.Task[Any]) -> None:
    # All may have left before it failed: that is no error of anybody's.
    if not task.cancelled():
        task.exception()
