"""All of what a store lists, page by page, and single records, as plain functions of a store."""

from __future__ import annotations

from shared.models import ChatRequest, MemoryEntry, Message, Scope, Session
from shared.storage.contract import TenantStore
from shared.storage.types import KeptDigest, KeptSummary


async def sessions_of(store: TenantStore, customer: str, limit: int = 2) -> list[Session]:
    """Return all of a customer's sessions, page by page."""
    found: list[Session] = []
    cursor = None
    while True:
        page = await store.sessions(customer, limit, cursor)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found


async def memories_of(
    store: TenantStore, customer: str, scope: Scope | None = None, limit: int = 2
) -> list[MemoryEntry]:
    """Return all of a customer's entries, page by page."""
    found: list[MemoryEntry] = []
    cursor = None
    while True:
        page = await store.memories(customer, scope, None, limit, cursor)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found


async def messages_of(store: TenantStore, session_id: str, limit: int = 3) -> list[Message]:
    """Return all of a session's messages, page by page."""
    found: list[Message] = []
    after = 0
    while True:
        page = await store.messages(session_id, limit, after)
        found += page.items
        if page.cursor is None:
            return found
        after = int(page.cursor)


async def request_of(store: TenantStore, request_id: str) -> ChatRequest:
    """Return a request's record."""
    return await store.request(request_id)


async def summaries_of(store: TenantStore, session_id: str) -> tuple[KeptSummary, ...]:
    """Return a session's summaries."""
    return await store.summaries(session_id)


async def digests_of(store: TenantStore, customer: str) -> tuple[KeptDigest, ...]:
    """Return the digests of a customer's sessions."""
    return await store.digests(customer, 50)


async def heard(store: TenantStore, request_id: str, token: int, offset: int) -> tuple[int, int, str] | None:
    """Return what a listener hears beyond a place; None where that is nothing."""
    deltas = await store.read_deltas(request_id, token, offset)
    return (deltas.token, deltas.offset, deltas.text) if deltas.text else None


async def erased(store: TenantStore, customer: str) -> None:
    """Erase a customer, however many calls it takes: one that is longer kept may take more."""
    while await store.erase_customer(customer):
        pass
