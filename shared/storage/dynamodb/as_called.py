"""Customers who were merged into others, as they are still called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shared.errors import (
    CustomerMerged,
    UnknownSession,
)
from shared.models import MemoryEntry, Message, Scope, Session
from shared.storage.dynamodb.base import INBOX, is_gone
from shared.storage.dynamodb.indexes import NOTHING
from shared.storage.dynamodb.merging import DynamoMerging
from shared.storage.dynamodb.schema import (
    session_key,
)
from shared.storage.dynamodb.tenant_index import DynamoTenantIndex
from shared.storage.memory import NO_FACTS, EntryFacts, IndexChanges
from shared.storage.tenant_index import CustomerAccount
from shared.storage.types import IndexMark, KeptDigest, NewRequest, NewSession, Page


class DynamoAsCalled(DynamoMerging, DynamoTenantIndex):
    """What is asked of a customer by an id that was merged into another, is asked of that one.

    A merged customer has nothing of their own: so only where nothing is found, somebody looks whether they were merged.
    """

    async def accept(self, request: NewRequest, new_session_id: str) -> str:
        """See `Turns.accept`."""
        try:
            return await super().accept(request, new_session_id)
        except CustomerMerged as merged_:
            return await self.accept(replace(request, customer_id=merged_.into), new_session_id)
        except UnknownSession:
            owner = await self._owner(request)
            if owner is None:
                raise
            return await self.accept(replace(request, customer_id=owner), new_session_id)

    async def _owner(self, request: NewRequest) -> str | None:
        """Return whose the request's session is, where that is another id of the same customer."""
        inbox = await self._client.get(session_key(self.tenant, str(request.session_id), INBOX))
        if inbox is None or is_gone(inbox, await self._client.now()) or inbox["customer"] == request.customer_id:
            return None
        owner = str(inbox["customer"])
        return owner if await self._now_called(owner) == await self._now_called(request.customer_id) else None

    async def create_session(self, session_id: str, new: NewSession) -> Session:
        """See `Sessions.create_session`."""
        try:
            return await super().create_session(session_id, new)
        except CustomerMerged as merged_:
            return await self.create_session(session_id, replace(new, customer_id=merged_.into))

    async def bound_session(self, customer_id: str, conversation_id: str) -> Session | None:
        """See `Sessions.bound_session`."""
        found = await super().bound_session(customer_id, conversation_id)
        other = None if found else await self._other(customer_id)
        return found if other is None else await super().bound_session(other, conversation_id)

    async def approve_memory(self, customer_id: str, key: str) -> MemoryEntry:
        """See `Memories.approve_memory`."""
        other = await self._other(customer_id)
        return await super().approve_memory(other or customer_id, key)

    async def customer(self, customer_id: str) -> CustomerAccount:
        """See `TenantIndex.customer`."""
        other = await self._other(customer_id)
        return await super().customer(other or customer_id)

    async def sessions(self, customer_id: str, limit: int, cursor: str | None) -> Page[Session]:
        """See `Sessions.sessions`."""
        found = await super().sessions(customer_id, limit, cursor)
        other = None if found.items else await self._other(customer_id)
        return found if other is None else await super().sessions(other, limit, cursor)

    async def put_memory(
        self, customer_id: str, key: str, value: Any, scope: Scope, facts: EntryFacts = NO_FACTS
    ) -> tuple[MemoryEntry, bool]:
        """See `Memories.put_memory`."""
        try:
            return await super().put_memory(customer_id, key, value, scope, facts)
        except CustomerMerged as merged_:
            return await self.put_memory(merged_.into, key, value, scope, facts)

    async def memories(
        self, customer_id: str, scope: Scope | None, key: str | None, limit: int, cursor: str | None
    ) -> Page[MemoryEntry]:
        """See `Memories.memories`."""
        found = await super().memories(customer_id, scope, key, limit, cursor)
        other = None if found.items else await self._other(customer_id)
        return found if other is None else await super().memories(other, scope, key, limit, cursor)

    async def delete_memory(self, customer_id: str, key: str) -> None:
        """See `Memories.delete_memory`."""
        other = await self._other(customer_id)
        await super().delete_memory(other or customer_id, key)

    async def digests(self, customer_id: str, limit: int, before: KeptDigest | None = None) -> tuple[KeptDigest, ...]:
        """See `Summaries.digests`."""
        found = await super().digests(customer_id, limit, before)
        other = None if found else await self._other(customer_id)
        return found if other is None else await super().digests(other, limit, before)

    async def index_changes(self, customer_id: str, since: IndexMark | None) -> IndexChanges:
        """See `RecallIndex.index_changes`."""
        found = await super().index_changes(customer_id, since)
        other = None if found.mark != NOTHING else await self._other(customer_id)
        return found if other is None else await super().index_changes(other, since)

    async def turns(
        self, customer_id: str, places: Sequence[tuple[str, int]], most_tokens: int
    ) -> list[tuple[str, Message]]:
        """See `RecallIndex.turns`."""
        found = await super().turns(customer_id, places, most_tokens)
        other = None if found or not places else await self._other(customer_id)
        return found if other is None else await super().turns(other, places, most_tokens)

    async def _other(self, customer_id: str) -> str | None:
        """Return whom a customer was merged into; None: into nobody."""
        called = await self._now_called(customer_id)
        return None if called == customer_id else called
