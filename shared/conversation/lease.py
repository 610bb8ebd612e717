"""Holding a session while its turn runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from shared.storage.contract import TenantStore
from shared.storage.types import Claim
from shared.tasks import end

log = structlog.get_logger()


class LeaseLost(Exception):
    """Another claim holds the session since: this turn's work is void and must not be continued."""


@asynccontextmanager
async def held(
    store: TenantStore, claim: Claim, lease_seconds: float, on_listener: Callable[[], None]
) -> AsyncIterator[None]:
    """Renew the claim's lease, once in each third of it, while the block runs; tell when somebody listens.

    The lease only spares work: correctness rests on the fencing token of the commit. So a store that is away is no
    reason to stop, but a lost claim is.

    Raises:
        LeaseLost: the claim is no longer current; the block was cancelled.

    """
    block = asyncio.current_task()
    lost = False

    async def renew() -> None:
        nonlocal lost
        while True:
            await asyncio.sleep(lease_seconds / 3)
            try:
                listening = await store.renew(claim)
            except Exception as error:  # noqa: BLE001 - a lease that lapses costs less than the turn
                log.warning("lease.not_renewed", error=type(error).__name__)
                continue
            if listening is None:
                lost = True
                if block is not None:
                    block.cancel()
                return
            if listening:
                on_listener()

    renewing = asyncio.get_running_loop().create_task(renew())
    try:
        yield
    except asyncio.CancelledError:
        if lost and block is not None and block.uncancel() == 0:
            raise LeaseLost from None
        raise
    finally:
        await end(renewing)
