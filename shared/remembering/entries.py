"""All memory entries of a customer, and those that matter for a text. They are bounded in number."""

from __future__ import annotations

from typing import Final

from shared.memory.keys import shown
from shared.models import MemoryEntry, Scope
from shared.recall.ranking import relevance
from shared.storage.contract import TenantStore

PAGE: Final = 200


async def all_entries(
    own: TenantStore, customer_id: str, scope: Scope | None = None, key: str | None = None
) -> list[MemoryEntry]:
    """Return the entries of a customer, by rank. Raises StoreError."""
    page = await own.memories(customer_id, scope, key, PAGE, None)
    found = [*page.items]
    while page.cursor is not None:
        page = await own.memories(customer_id, scope, key, PAGE, page.cursor)
        found += page.items
    return found


async def find_entries(
    own: TenantStore, customer_id: str, text: str, scope: Scope | None = None, key: str | None = None
) -> list[MemoryEntry]:
    """Return the entries that have something in common with a text, most first. Raises StoreError."""
    entries = await all_entries(own, customer_id, scope, key)
    scores = relevance(text, [f"{entry.key} {shown(entry.value)}" for entry in entries])
    order = sorted((place for place, score in enumerate(scores) if score > 0), key=lambda place: -scores[place])
    return [entries[place] for place in order]
