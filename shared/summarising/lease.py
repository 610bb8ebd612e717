"""Holding a session's summary job while it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared import tasks
from shared.storage.contract import TenantStore
from shared.storage.jobs import SummaryClaim


class SummaryLost(Exception):
    """Another job holds the session's summary since, or the session is gone: this one's work is void."""


@asynccontextmanager
async def held(store: TenantStore, claim: SummaryClaim, lease_seconds: float) -> AsyncIterator[None]:
    """Renew the job's lease while the block runs.

    Raises:
        SummaryLost: the claim is no longer current; the block was cancelled.

    """

    async def renew() -> bool:
        return await store.renew_summary(claim)

    async with tasks.held(renew, lease_seconds, SummaryLost):
        yield
