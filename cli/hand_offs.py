"""What `doctor` says of hand-offs that did not arrive: people who were to be called to a conversation, and were not."""

from __future__ import annotations

from typing import Final

from cli.checks import Finding, Patient, need_store
from shared.callbacks.delivery import Delivery
from shared.errors import StoreError
from shared.storage import open_store
from shared.storage.contract import TenantStore

ANSWER_SECONDS: Final = 2.0
LOOKED_AT: Final = 200  # dead letters of a tenant, the newest
MEND: Final = "see why, and replay: customer-memory deliveries list --status dead"


async def check_hand_offs(patient: Patient) -> Finding:
    """Whether each person who was to be called was, as far as the newest dead letters tell."""
    try:
        async with open_store(need_store(patient), patience=ANSWER_SECONDS) as store:
            missed = {tenant: await _missed(store.tenant(tenant)) for tenant in await store.tenants()}
    except StoreError as error:
        return Finding("warn", f"not looked at: {error}")
    told = [f"{count} of tenant {tenant}" for tenant, count in sorted(missed.items()) if count]
    if told:
        return Finding("warn", f"nobody was called, who was to be: {', '.join(told)}", MEND)
    return Finding("ok", "each person who was to be called was")


async def _missed(own: TenantStore) -> int:
    page = await own.deliveries("dead", LOOKED_AT, None)
    return sum(Delivery.read(kept).missed for kept in page.items)
