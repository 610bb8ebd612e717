"""Waking a session when its burst is due. A hint, as every wake: where it is lost, the reconciler finds the session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from shared.ids import SessionRef

MOST: Final = 10_000  # sessions that one process remembers; the reconciler finds the others


class LaterWaker:
    """Wakes sessions some time later, each once, however often it is asked. It lives on one event loop.

    `wake` publishes, and blocks meanwhile.
    """

    def __init__(self, wake: Callable[[SessionRef], bool], most: int = MOST) -> None:
        self._wake = wake
        self._most = most
        self._waiting: dict[SessionRef, asyncio.Task[None]] = {}

    async def after(self, ref: SessionRef, seconds: float) -> None:
        """See to it that the session is woken so many seconds from now, or before that."""
        if ref not in self._waiting and len(self._waiting) < self._most:
            self._waiting[ref] = asyncio.get_running_loop().create_task(self._later(ref, seconds))

    async def _later(self, ref: SessionRef, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            del self._waiting[ref]
        await asyncio.to_thread(self._wake, ref)
