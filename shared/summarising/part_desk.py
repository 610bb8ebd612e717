"""One part of a batch while somebody goes on with it."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Final

from shared import tasks
from shared.models import TokenUsage
from shared.storage.contract import Store, TenantStore
from shared.storage.jobs import KeptPart
from shared.summarising.batch import BatchItem, BatchPart, ItemState, added

LEASE: Final = timedelta(seconds=120)


class Overtaken(Exception):
    """Somebody else goes on with this part."""


class PartDesk:
    """One part while it is gone on with: what stands in the store, and what has been learned since."""

    def __init__(self, store: Store, own: TenantStore, batch_id: str, kept: KeptPart) -> None:
        self._store = store
        self._own = own
        self._batch_id = batch_id
        self._number = kept.number
        self._version = kept.version
        self._writing = asyncio.Lock()
        self.part = BatchPart.model_validate_json(kept.value)

    @property
    def batch_id(self) -> str:
        """Whose part it is."""
        return self._batch_id

    def held(self) -> AbstractAsyncContextManager[None]:
        """Hold the part while the block runs, however long one step of it takes.

        Raises:
            Overtaken: somebody else goes on with it; the block was cancelled.

        """
        return tasks.held(self._renew, LEASE.total_seconds(), Overtaken)

    async def _renew(self) -> bool:
        try:
            await self.save()
        except Overtaken:
            return False
        return True

    async def take(self) -> bool:
        """Take the part's lease, if nobody has it and it has not ended."""
        if self.part.state == "ended":
            await self.save()  # its name may still be among those that run
            return False
        now = await self._store.now()
        if self.part.leased_until is not None and self.part.leased_until > now:
            return False
        await self.save()
        return True

    async def save(self, **changes: Any) -> None:
        """Write the part down, and hold it for another while.

        Raises:
            Overtaken: somebody else has changed it.

        """
        until = await self._store.now() + LEASE
        async with self._writing:
            self.part = self.part.model_copy(update={"leased_until": until, **changes})
            await self._put()

    async def release(self) -> None:
        """Let others go on with it."""
        async with self._writing:
            self.part = self.part.model_copy(update={"leased_until": None})
            await self._put()

    async def end_as(self, state: ItemState, cause: str | None = None) -> None:
        """End the part, and every session of it that nothing has become of."""
        changed = {"state": state, "cause": cause}
        items = [
            each.model_copy(update=changed) if each.state in {"waiting", "submitted"} else each
            for each in self.part.items
        ]
        await self.save(items=tuple(items), state="ended")

    def put(self, index: int, item: BatchItem) -> None:
        """Note what became of a session; it is written with the next `save`."""
        items = (*self.part.items[:index], item, *self.part.items[index + 1 :])
        self.part = self.part.model_copy(update={"items": items})

    def spend(self, batched: TokenUsage, direct: TokenUsage) -> None:
        """Note what it took."""
        self.part = self.part.model_copy(
            update={"batched": added(self.part.batched, batched), "direct": added(self.part.direct, direct)}
        )

    async def _put(self) -> None:
        value, running = self.part.model_dump_json(), self.part.state != "ended"
        if not await self._own.put_part(self._batch_id, self._number, value, self._version, running=running):
            raise Overtaken
        self._version += 1
