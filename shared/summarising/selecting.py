"""Which sessions a batch takes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from shared.storage.contract import TenantStore
from shared.summarising.batch import BatchHead

PAGE = 200


async def selected(own: TenantStore, head: BatchHead) -> AsyncIterator[str]:
    """Yield the sessions that were asked for; one may come twice."""
    wanted = head.selection
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
        looked_for = own.unread if head.kind == "memory" else own.unsummarised
        async for session_id in looked_for(wanted.idle_since):
            yield session_id
    for session_id in wanted.session_ids:
        yield session_id
