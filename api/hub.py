"""Waiting for requests: one subscription of a process, any number of waiters, no thread held.

A word from the store wakes the waiters of a request; a word may be lost, so each also looks by itself now and then.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

LOOK_SECONDS = 5.0


class Waiter:
    """One connection that waits; set when its request may have changed, or when the process stops."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.draining = False

    async def changed(self, seconds: float) -> None:
        """Return when something may have changed, or after `seconds`, or after a while anyway."""
        try:
            async with asyncio.timeout(min(seconds, LOOK_SECONDS)):
                await self._changed.wait()
        except TimeoutError:
            return
        if not self.draining:
            self._changed.clear()

    def wake(self) -> None:
        """Let the waiter look again."""
        self._changed.set()


class Hub:
    """The waiters of this process, by request."""

    def __init__(self) -> None:
        self._waiters: defaultdict[str, set[Waiter]] = defaultdict(set)
        self.draining = False

    @contextmanager
    def waiting(self, *names: str) -> Iterator[Waiter]:
        """Register a waiter for requests, or what else is waited for by a name, while the block runs."""
        waiter = Waiter()
        waiter.draining = self.draining
        if self.draining:
            waiter.wake()
        for name in names:
            self._waiters[name].add(waiter)
        try:
            yield waiter
        finally:
            for name in set(names):
                self._waiters[name].discard(waiter)
                if not self._waiters[name]:
                    del self._waiters[name]

    async def follow(self, announced: AsyncIterator[str]) -> None:
        """Wake waiters as requests change; all of them where some word may have been missed. Runs until cancelled."""
        async for request_id in announced:
            if request_id:
                self.wake(request_id)
            else:
                self._wake_all()

    def wake(self, request_id: str) -> None:
        """Wake the waiters of a request, or of what else is waited for by a name."""
        for waiter in tuple(self._waiters.get(request_id, ())):
            waiter.wake()

    def drain(self) -> None:
        """End every wait now: the process is about to stop."""
        self.draining = True
        for waiters in tuple(self._waiters.values()):
            for waiter in waiters:
                waiter.draining = True
        self._wake_all()

    def _wake_all(self) -> None:
        for waiters in tuple(self._waiters.values()):
            for waiter in tuple(waiters):
                waiter.wake()
