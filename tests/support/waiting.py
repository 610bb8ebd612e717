"""Waiting for a described condition: no test sleeps to make time pass."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")

PAUSE_SECONDS = 0.02


def wait_for(what: str, look: Callable[[], Found | None], seconds: float = 60.0) -> Found:
    """Return what `look` finds once it finds something; fail, naming `what`, when it does not in time."""
    until = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(PAUSE_SECONDS)


async def wait_until(what: str, look: Callable[[], Awaitable[Found | None]], seconds: float = 60.0) -> Found:
    """Do what `wait_for` does, for an asynchronous look."""
    until = time.monotonic() + seconds
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        await asyncio.sleep(PAUSE_SECONDS)
