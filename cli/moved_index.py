"""Moving what is listed of tenants as a whole, and finding it anew where there is no index yet."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from typing import Final

from shared.clock import to_ms
from shared.errors import UnknownSession
from shared.models import FINISHED
from shared.storage.contract import Store, TenantStore
from shared.storage.portable import Portable
from shared.storage.tenant_index import USAGE_KEPT_DAYS, KnownCustomer, ListedRequest, Notes

PAGE: Final = 200
TOGETHER: Final = 500


async def move_index(source: Store, target: Store, tenants: Collection[str]) -> int:
    """Let the target list what the source lists; return how many customers. Again, it changes nothing."""
    moved = 0
    for tenant in await source.tenants():
        if tenants and tenant not in tenants:
            continue
        origin, aim = source.tenant(tenant), target.tenant(tenant)
        moved += await _move_customers(origin, aim)
        await _move_requests(origin, aim)
        await aim.salt(await origin.salt(secrets.token_hex(32)))
        since = (await source.now()).date() - timedelta(days=USAGE_KEPT_DAYS)
        for row in await origin.usage(since):
            await aim.put_usage(row)
        await _move_actions(origin, aim)
    return moved


async def list_anew(store: Store, portable: Portable, tenants: Collection[str]) -> int:
    """List customers by their sessions as they stand; return how many sessions were looked at."""
    looked, heard = 0, dict[tuple[str, str], int]()
    async for unit in portable.units(tenants, exact=True):
        if unit.kind != "session":
            continue
        try:
            session = await store.tenant(unit.tenant).session(unit.name)
        except UnknownSession:
            continue
        looked, name = looked + 1, (unit.tenant, session.customer_id)
        heard[name] = max(to_ms(session.last_message_at or session.created_at), heard.get(name, 0))
        if len(heard) >= TOGETHER:
            await _note(store, heard)
            heard.clear()
    await _note(store, heard)
    return looked


async def _note(store: Store, heard: dict[tuple[str, str], int]) -> None:
    for tenant in {tenant for tenant, _ in heard}:
        active = {customer: at for (its, customer), at in heard.items() if its == tenant}
        await store.tenant(tenant).note(Notes(active=active))


async def _move_customers(origin: TenantStore, aim: TenantStore) -> int:
    moved = 0
    async for page in _customers(origin):
        active = {known.id: to_ms(known.last_activity_at) for known in page if known.last_activity_at}
        await aim.note(Notes(active=active))
        moved += len(page)
    return moved


async def _move_requests(origin: TenantStore, aim: TenantStore) -> None:
    async for page in _requests(origin):
        opened = {each.id: to_ms(each.accepted_at) for each in page if each.status not in FINISHED}
        ended = {
            each.id: (to_ms(each.accepted_at), each.status)
            for each in page
            if each.status == "succeeded" or each.status == "failed"  # noqa: PLR1714 - mypy narrows no membership
        }
        await aim.note(Notes(opened, ended))


async def _move_actions(origin: TenantStore, aim: TenantStore) -> None:
    cursor = None
    while True:
        page = await origin.actions(PAGE, cursor)
        for action in page.items:
            await aim.act(action)
        cursor = page.cursor
        if cursor is None:
            return


async def _customers(own: TenantStore) -> AsyncIterator[tuple[KnownCustomer, ...]]:
    cursor = None
    while True:
        page = await own.customers("", PAGE, cursor)
        yield page.items
        cursor = page.cursor
        if cursor is None:
            return


async def _requests(own: TenantStore) -> AsyncIterator[tuple[ListedRequest, ...]]:
    cursor = None
    while True:
        page = await own.listed_requests(None, PAGE, cursor)
        yield page.items
        cursor = page.cursor
        if cursor is None:
            return
