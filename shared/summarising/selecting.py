"""Which sessions a batch takes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from shared.storage.contract import TenantStore
from shared.summarising.batch import BatchSelection

PAGE = 200


async def selected(own: TenantStore, wanted: BatchSelection) -> AsyncIterator[str]:
    """Yield the sessions that were asked for; one may come twice."""
    if wanted.customer_id is not None:
        cursor = None
        while True:
            page = await own.sessions(wanted.customer_id, PAGE, cursor)
            for session in page.items:
                yield session.id
            cursor = page.cursor
            if cursor is None:
                return
    if wanted.idle_since is not None:
        async for session_id in own.unsummarised(wanted.idle_since):
            yield session_id
    for session_id in wanted.session_ids:
        yield session_id
