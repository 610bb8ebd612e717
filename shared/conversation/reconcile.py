"""Healing: what the broker lost is published again, what was not announced is announced."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

from shared.conversation.announce import Announcer
from shared.ids import SessionRef
from shared.storage.contract import Store

AT_ONCE = 16
PER_BUCKET = 100
SWEEP_SECONDS = 60.0


class Wake(Protocol):
    """Publishes a session that has work."""

    async def __call__(self, ref: SessionRef, *, quarantine: bool) -> bool:
        """Return False when the broker is away."""


@dataclass(slots=True)
class Round:
    """What one round of the reconciler found."""

    buckets: int = 0
    woken: int = 0
    announced: int = 0
    swept: int = 0


class Reconciler:
    """Publishes overdue sessions again, each less and less often, and announces rows that are due."""

    def __init__(self, store: Store, announcer: Announcer, wake: Wake) -> None:
        self._store = store
        self._announcer = announcer
        self._wake = wake

    async def run(self, *, every: bool) -> Round:
        """Visit the buckets known to have work, or `every` bucket, and sweep it then; return what was found."""
        buckets = await self._store.active_buckets(every=every)
        found = Round(buckets=len(buckets))
        gate = asyncio.Semaphore(AT_ONCE)

        async def visit(bucket: str) -> None:
            async with gate:
                await self._visit(bucket, found, every=every)

        await asyncio.gather(*(visit(bucket) for bucket in buckets))
        return found

    async def _visit(self, bucket: str, found: Round, *, every: bool) -> None:
        for ref, quarantine in await self._store.overdue(bucket, PER_BUCKET):
            found.woken += await self._wake(ref, quarantine=quarantine)
        rows = await self._store.take_rows(bucket, PER_BUCKET)
        found.announced += await self._announcer.announce(rows)
        if every:
            found.swept += await self._sweep(bucket)

    async def _sweep(self, bucket: str) -> int:
        """Sweep a bucket until nothing is left to do, or a minute is over: then the next round goes on."""
        until, swept = time.monotonic() + SWEEP_SECONDS, 0
        while True:
            found = await self._store.sweep(bucket, PER_BUCKET)
            swept += found
            if found < PER_BUCKET or time.monotonic() >= until:
                return swept
