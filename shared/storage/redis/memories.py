"""Memory entries and the tenant's instructions on Redis."""

from __future__ import annotations

import secrets
from typing import Any, cast

from shared.clock import from_ms
from shared.errors import BadCursor, CustomerErasing, MemoryFull, UnknownMemory
from shared.ids import bucket_of
from shared.models import AgentInstructions, MemoryEntry, Scope
from shared.storage import records
from shared.storage.jobs import SummaryClaim
from shared.storage.keys import agent_key
from shared.storage.memory import NO_FACTS, EntryFacts, Remembered
from shared.storage.redis import codec
from shared.storage.redis.turns import RedisScripts
from shared.storage.types import Page

VERSIONS_KEPT = 20
_INSTRUCTIONS = ("text", "version", "updated", "extraction", "handoff")


class RedisMemories(RedisScripts):
    """Implements `shared.storage.contract.Memories`."""

    async def put_memory(
        self, customer_id: str, key: str, value: Any, scope: Scope, facts: EntryFacts = NO_FACTS
    ) -> tuple[MemoryEntry, bool]:
        """See `Memories.put_memory`."""
        answer = await self._run_customer(
            "put_memory",
            bucket_of(self.tenant, customer_id),
            **codec.customer(customer_id),
            key=key,
            raw=records.dump(value),
            scope=scope,
            facts=records.fact_fields(facts),
            keep=VERSIONS_KEPT,
            max_entries=self._limits.memory_max_entries,
        )
        if answer[0] == "full":
            raise MemoryFull
        if answer[0] == "erasing":
            raise CustomerErasing
        history = answer[2] if len(answer) > 2 else None  # noqa: PLR2004 - absent where there is no history
        return records.memory(answer[1], history), answer[0] == "created"

    async def extract_memory(
        self, claim: SummaryClaim, key: str, value: Any, scope: Scope, facts: EntryFacts
    ) -> Remembered:
        """See `Memories.extract_memory`."""
        _, answer = await self._run_where(
            "extract_memory",
            claim.ref.session_id,
            claim.ref.bucket,
            session=claim.ref.session_id,
            token=claim.token.number,
            nonce=claim.token.nonce,
            key=key,
            raw=records.dump(value),
            scope=scope,
            facts=records.fact_fields(facts),
            keep=VERSIONS_KEPT,
            max_entries=self._limits.memory_max_entries,
        )
        verdict: Remembered = answer[0]
        return verdict

    async def memories(
        self, customer_id: str, scope: Scope | None, key: str | None, limit: int, cursor: str | None
    ) -> Page[MemoryEntry]:
        """See `Memories.memories`."""
        if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):  # noqa: PLR2004 - a plain offset
            raise BadCursor
        answer = await self._run_customer(
            "list_memory",
            bucket_of(self.tenant, customer_id),
            **codec.customer(customer_id),
            scope=scope,
            key=key,
            limit=limit,
            offset=int(cursor or 0),
        )
        items = tuple(records.memory(found[0], found[1] if len(found) > 1 else None) for found in answer[1])
        return Page(items, str(answer[2]) if int(answer[2]) >= 0 else None)

    async def delete_memory(self, customer_id: str, key: str) -> None:
        """See `Memories.delete_memory`."""
        answer = await self._run_customer(
            "delete_memory", bucket_of(self.tenant, customer_id), **codec.customer(customer_id), key=key
        )
        if answer[0] == "unknown":
            raise UnknownMemory

    async def approve_memory(self, customer_id: str, key: str) -> MemoryEntry:
        """See `Memories.approve_memory`."""
        answer = await self._run_customer(
            "approve_memory",
            bucket_of(self.tenant, customer_id),
            **codec.customer(customer_id),
            key=key,
            keep=VERSIONS_KEPT,
        )
        if answer[0] == "erasing":
            raise CustomerErasing
        if answer[0] == "unknown":
            raise UnknownMemory
        return records.memory(answer[1], answer[2] if len(answer) > 2 else None)  # noqa: PLR2004 - as above

    async def instructions(self) -> AgentInstructions | None:
        """See `Memories.instructions`."""
        redis = self._client.redis

        async def ask() -> list[str | None]:
            return cast("list[str | None]", await redis.hmget(agent_key(self.tenant), _INSTRUCTIONS))

        text, version, updated, extraction, handoff = await self._client.call(ask)
        if text is None or version is None or updated is None:
            return None
        return AgentInstructions(
            instructions=text,
            extraction=None if extraction is None else extraction == "1",
            handoff=None if handoff is None else handoff == "1",
            version=int(version),
            updated_at=from_ms(int(updated)),
        )

    async def put_instructions(
        self, text: str, *, extraction: bool | None = None, handoff: bool | None = None
    ) -> AgentInstructions:
        """See `Memories.put_instructions`."""
        answer = await self._client.run(
            "put_instructions",
            agent_key(self.tenant),
            op=secrets.token_hex(8),
            text=text,
            extraction=None if extraction is None else int(extraction),
            handoff=None if handoff is None else int(handoff),
            keep=VERSIONS_KEPT,
        )
        version, moment = int(answer[0]), from_ms(int(answer[1]))
        return AgentInstructions(
            instructions=text, extraction=extraction, handoff=handoff, version=version, updated_at=moment
        )
