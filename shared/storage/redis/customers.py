"""Customers as a whole on Redis: erasing one, with all who were merged into them; and who was merged into whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar
from urllib.parse import unquote

from shared.errors import CustomerMerged, StoreUnavailable
from shared.ids import bucket_in, bucket_of
from shared.models import MemoryEntry, Message, Scope, Session
from shared.storage.keys import encode, index_key
from shared.storage.memory import NO_FACTS, EntryFacts, IndexChanges
from shared.storage.redis.indexes import RedisIndexes
from shared.storage.redis.memories import RedisMemories
from shared.storage.redis.merging import RedisMerging
from shared.storage.redis.places import forget
from shared.storage.redis.sessions import DELETED, RedisSessions
from shared.storage.redis.summaries import RedisSummaries
from shared.storage.types import IndexMark, KeptDigest, NewSession, Page

Told = TypeVar("Told")

AT_ONCE: Final = 10  # sessions that one script removes, and merged customers that one step erases
MOST_CHAIN: Final = 64


class RedisCustomers(RedisMerging):
    """Implements `shared.storage.contract.Customers`."""

    async def erase_customer(self, customer_id: str) -> bool:
        """See `Customers.erase_customer`."""
        await self._marks.mark(bucket_of(self.tenant, customer_id))
        return await self._erase(customer_id, begin=True)

    async def go_on_erasing(self, customer_key: str) -> bool:
        """Go on where an erasure was cut off; return whether anything is left."""
        return await self._erase(unquote(customer_key), begin=False)

    async def forget_unbegun(self, source: str, into: str) -> None:
        """Forget a merge that was announced, and whose caller died before it began."""
        if (await self._merges(source)).into != into:
            await self._at(into, "end_merge", **{"from": source, "from_key": encode(source)}, undone=True)

    async def _erase(self, customer_id: str, *, begin: bool) -> bool:
        answer = await self._erased(customer_id, begin=begin or None)
        if answer[0] == "merged":
            raise CustomerMerged(answer[1])
        if answer[0] == "aliases":
            for alias in answer[1][:AT_ONCE]:
                await self._erase_alias(alias, customer_id)
            return len(answer[1]) > AT_ONCE or await self._erase(customer_id, begin=False)
        return bool(answer[0] == "more")

    async def _erase_alias(self, alias: str, customer_id: str) -> None:
        """Erase one who was merged into a customer, or was about to be; but not who has only got the same id since."""
        of = await self._merges(alias)
        stale = of.into != customer_id and f"done/{alias}" in (await self._merges(customer_id)).coming
        for other in () if stale else of.merged:
            await self._erase_alias(other, alias)
        while not stale and (await self._erased(alias, begin=True, alias=True))[0] == "more":
            pass
        await self._at(customer_id, "forget_alias", **{"from": alias, "from_key": encode(alias)})

    async def _erased(self, customer_id: str, **how: Any) -> list[Any]:
        failure = DELETED.model_dump_json()
        answer = await self._at(customer_id, "erase_customer", limit=AT_ONCE, failure=failure, **how)
        bucket = bucket_of(self.tenant, customer_id)
        for session_id in answer[1] if answer[0] in {"more", "erased"} and len(answer) > 1 else ():
            if bucket_in(session_id, "ses") != bucket:
                await self._forget_point(session_id)
        # The bucket's mark hides them already; what a note brings later is checked when it has come.
        await forget(self._client, index_key(self.tenant, "customers"), [customer_id])
        return answer


class RedisAsCalled(RedisCustomers, RedisSessions, RedisMemories, RedisSummaries, RedisIndexes):
    """What is asked of a customer by an id that was merged into another, is asked of that one."""

    async def create_session(self, session_id: str, new: NewSession) -> Session:
        """See `Sessions.create_session`."""
        ask = super().create_session

        async def begin(name: str) -> Session:
            if name == new.customer_id:
                return await ask(session_id, new)
            moved = f"ses_{bucket_of(self.tenant, name)}{session_id[6:]}"
            return await ask(moved, replace(new, customer_id=name))

        return await self._as_called(new.customer_id, begin)

    async def bound_session(self, customer_id: str, conversation_id: str) -> Session | None:
        """See `Sessions.bound_session`."""
        ask = super().bound_session
        return await self._as_called(customer_id, lambda name: ask(name, conversation_id))

    async def approve_memory(self, customer_id: str, key: str) -> MemoryEntry:
        """See `Memories.approve_memory`."""
        ask = super().approve_memory
        return await self._as_called(customer_id, lambda name: ask(name, key))

    async def sessions(self, customer_id: str, limit: int, cursor: str | None) -> Page[Session]:
        """See `Sessions.sessions`."""
        ask = super().sessions
        return await self._as_called(customer_id, lambda name: ask(name, limit, cursor))

    async def put_memory(
        self, customer_id: str, key: str, value: Any, scope: Scope, facts: EntryFacts = NO_FACTS
    ) -> tuple[MemoryEntry, bool]:
        """See `Memories.put_memory`."""
        ask = super().put_memory
        return await self._as_called(customer_id, lambda name: ask(name, key, value, scope, facts))

    async def memories(
        self, customer_id: str, scope: Scope | None, key: str | None, limit: int, cursor: str | None
    ) -> Page[MemoryEntry]:
        """See `Memories.memories`."""
        ask = super().memories
        return await self._as_called(customer_id, lambda name: ask(name, scope, key, limit, cursor))

    async def delete_memory(self, customer_id: str, key: str) -> None:
        """See `Memories.delete_memory`."""
        ask = super().delete_memory
        await self._as_called(customer_id, lambda name: ask(name, key))

    async def digests(self, customer_id: str, limit: int, before: KeptDigest | None = None) -> tuple[KeptDigest, ...]:
        """See `Summaries.digests`."""
        ask = super().digests
        return await self._as_called(customer_id, lambda name: ask(name, limit, before))

    async def index_changes(self, customer_id: str, since: IndexMark | None) -> IndexChanges:
        """See `RecallIndex.index_changes`."""
        ask = super().index_changes
        return await self._as_called(customer_id, lambda name: ask(name, since))

    async def turns(
        self, customer_id: str, places: Sequence[tuple[str, int]], most_tokens: int
    ) -> list[tuple[str, Message]]:
        """See `RecallIndex.turns`."""
        ask = super().turns
        return await self._as_called(customer_id, lambda name: ask(name, places, most_tokens))

    async def _as_called(self, customer_id: str, ask: Callable[[str], Awaitable[Told]]) -> Told:
        """Return what is told of a customer, or of whoever they were merged into."""
        for _ in range(MOST_CHAIN):
            try:
                return await ask(customer_id)
            except CustomerMerged as merged:
                await self._renew_merge(customer_id, merged.into)
                customer_id = merged.into
        raise StoreUnavailable("the customer was merged too often")
