"""Beginning deliveries, and beginning them anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from shared.callbacks.delivery import Delivery
from shared.errors import StoreUnavailable, UnknownDelivery
from shared.storage.contract import Store, TenantStore
from shared.storage.deliveries import DeliveryRef, DeliveryStatus
from shared.storage.types import OutboxRow

TRIES: Final = 8
PAGE: Final = 50
AT_ONCE: Final = 10

Wake = Callable[[DeliveryRef], Awaitable[bool]]


class CallbackDesk:
    """Turns outbox rows that say where they are posted into deliveries. Doing so again changes nothing."""

    def __init__(self, store: Store, wake: Wake | None = None) -> None:
        self._store = store
        self._wake = wake

    async def begin(self, row: OutboxRow) -> None:
        """See to it that a row's delivery stands in the store; then it cannot be lost any more. Raises StoreError."""
        if row.callback is None or row.request_id is None:
            return
        delivery = Delivery.begun(row, await self._store.now())
        own = self._store.tenant(row.tenant)
        begun = await own.put_delivery(row.request_id, delivery.model_dump_json(), 0, delivery.facts)
        if begun and self._wake is not None:
            await self._wake(DeliveryRef(row.tenant, row.request_id))


async def replay(own: TenantStore, request_id: str) -> Delivery:
    """Begin a delivery anew, under the same id; return it. Raises UnknownDelivery."""
    for _ in range(TRIES):
        kept = await own.delivery(request_id)
        if kept is None:
            raise UnknownDelivery
        again = Delivery.read(kept).replayed(kept.now)
        if await own.put_delivery(request_id, again.model_dump_json(), kept.version, again.facts):
            await own.count("callback.replayed")
            return again
    raise StoreUnavailable("the delivery changed each time it was looked at")


async def replay_page(
    own: TenantStore, status: DeliveryStatus, since: datetime, cursor: str | None
) -> tuple[int, str | None]:
    """Begin deliveries anew that stand so and began no earlier; return how many, and where to go on, if anywhere."""
    page = await own.deliveries(status, PAGE, cursor)
    found = [kept.request_id for kept in page.items if Delivery.read(kept).created_at >= since]
    gate = asyncio.Semaphore(AT_ONCE)

    async def again(request_id: str) -> int:
        async with gate:
            try:
                await replay(own, request_id)
            except UnknownDelivery:  # deleted meanwhile
                return 0
            return 1

    replayed = sum(await asyncio.gather(*map(again, found)))
    return replayed, page.cursor if len(found) == len(page.items) else None
