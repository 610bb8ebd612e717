"""Holding a session while its turn runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from shared import tasks
from shared.storage.contract import TenantStore
from shared.storage.types import Claim


class LeaseLost(Exception):
    """Another claim holds the session since: this turn's work is void and must not be continued."""


@asynccontextmanager
async def held(
    store: TenantStore, claim: Claim, lease_seconds: float, on_listener: Callable[[], None]
) -> AsyncIterator[None]:
    """Renew the claim's lease while the block runs; tell when somebody listens.

    Raises:
        LeaseLost: the claim is no longer current; the block was cancelled.

    """

    async def renew() -> bool:
        listening = await store.renew(claim)
        if listening:
            on_listener()
        return listening is not None

    async with tasks.held(renew, lease_seconds, LeaseLost):
        yield
