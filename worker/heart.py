"""A worker process's heartbeat: that it lives, in which role, and how it asks Claude."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from shared.errors import StoreError
from shared.storage.contract import Store
from shared.storage.tenant_index import HEARD_MS, Heartbeat

BEAT_SECONDS: Final = HEARD_MS / 3_000

log = structlog.get_logger()

Breakers = Callable[[], Awaitable[dict[str, str]]]


async def beat(store: Store, role: str, breakers: Breakers) -> None:
    """Tell that this process lives, until cancelled. While the store is away nothing is told, and nothing is wrong."""
    name = f"{role}@{socket.gethostname()}:{os.getpid()}"
    while True:
        try:
            await store.beat(Heartbeat(name, role, await breakers()))
        except StoreError as error:
            log.debug("heartbeat.lost", error=str(error))
        await asyncio.sleep(BEAT_SECONDS)
