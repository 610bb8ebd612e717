"""Gathering what was left to batches: of each tenant one batch, of the sessions that are in none yet.

Two who gather at once may both take a session; it goes into the prompt of one of their batches only, see
`memory_single`. Whoever is cut off has written down whole batches, or none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from shared.ids import Ids
from shared.storage.contract import Store
from shared.storage.jobs import RunningPart
from shared.summarising.batch import BatchHead, BatchSelection, head_of, parts_of

MOST: Final = 10_000  # sessions of one batch

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Makes batches of cold sessions. `model`: the one that reads them; `wake`: for whoever goes on with a batch."""

    store: Store
    ids: Ids
    model: str
    wake: Callable[[RunningPart], Awaitable[bool]]

    async def run(self) -> int:
        """Gather what is in no batch; return how many sessions that is. Raises StoreError."""
        left: defaultdict[str, list[str]] = defaultdict(list)
        async for ref in self.store.cold_sessions():
            left[ref.tenant].append(ref.session_id)
        if not left:
            return 0
        taken = await self._taken()
        gathered = 0
        for tenant, session_ids in sorted(left.items()):
            fresh = sorted(session_id for session_id in session_ids if (tenant, session_id) not in taken)
            for at in range(0, len(fresh), MOST):
                await self._batch(tenant, fresh[at : at + MOST])
            gathered += len(fresh)
        return gathered

    async def _batch(self, tenant: str, session_ids: list[str]) -> None:
        batch_id = self.ids.batch()
        selection = BatchSelection(session_ids=tuple(session_ids))
        head = BatchHead(created_at=await self.store.now(), selection=selection, model=self.model, kind="memory")
        await self.store.tenant(tenant).put_part(batch_id, 0, head.model_dump_json(), 0, running=True)
        log.info("batch.gathered", tenant=tenant, batch=batch_id, sessions=len(session_ids))
        await self.wake(RunningPart(tenant, batch_id, 0))  # else the next round finds it

    async def _taken(self) -> set[tuple[str, str]]:
        """Return the sessions that batches have: they are named in one, and nothing has become of them yet."""
        found: set[tuple[str, str]] = set()
        for tenant, batch_id in {(part.tenant, part.batch_id) for part in await self.store.running_parts()}:
            kept = await self.store.tenant(tenant).batch(batch_id)
            if not kept or kept[0].number != 0 or head_of(kept).kind != "memory":
                continue
            if not head_of(kept).collected:
                found |= {(tenant, session_id) for session_id in head_of(kept).selection.session_ids}
            for part in parts_of(kept):
                found |= {(tenant, each.session_id) for each in part.items if each.state in {"waiting", "submitted"}}
        return found
