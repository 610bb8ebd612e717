"""Moving what belongs to callbacks: tenants' accounts, and deliveries with what was tried so far."""

from __future__ import annotations

from typing import Final

from shared.callbacks.delivery import Delivery
from shared.storage.contract import Store, TenantStore
from shared.storage.deliveries import KeptDelivery

PAGE: Final = 100


async def move_callbacks(source: Store, target: Store, tenants: tuple[str, ...]) -> int:
    """Let the target hold the source's accounts and deliveries; return how many deliveries it holds of them.

    One whose request was not moved, because it ended before REQUEST_RETENTION_HOURS, stays behind.
    """
    moved = 0
    for tenant in await source.callback_tenants():
        if tenants and tenant not in tenants:
            continue
        origin, aim = source.tenant(tenant), target.tenant(tenant)
        kept, there = await origin.callbacks(), await aim.callbacks()
        if kept.value != there.value:
            await aim.put_callbacks(kept.value, there.version)
        moved += await _move_deliveries(origin, aim)
    return moved


async def _move_deliveries(origin: TenantStore, aim: TenantStore) -> int:
    moved, cursor = 0, None
    while True:
        page = await origin.deliveries(None, PAGE, cursor)
        for kept in page.items:
            moved += await _move(kept, aim)
        cursor = page.cursor
        if cursor is None:
            return moved


async def _move(kept: KeptDelivery, aim: TenantStore) -> bool:
    there = await aim.delivery(kept.request_id)
    if there is not None and there.value == kept.value:
        return True
    version = there.version if there is not None else 0
    return await aim.put_delivery(kept.request_id, kept.value, version, Delivery.read(kept).facts)
