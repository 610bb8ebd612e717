"""Memory entries and the tenant's instructions on DynamoDB."""

from __future__ import annotations

import json
import secrets
from typing import Any, Final

from shared.errors import BadCursor, MemoryFull, StoreUnavailable, UnknownMemory
from shared.models import AgentInstructions, MemoryEntry, Scope
from shared.storage import records
from shared.storage.dynamodb.accepting import refuse_erasing
from shared.storage.dynamodb.actions import ABSENT, Action, Item, check, delete, put, query
from shared.storage.dynamodb.base import SUMMARY
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.entries import ENTRIES, VERSIONS_KEPT, DynamoEntries
from shared.storage.dynamodb.instructions import agent_key, instructions_in
from shared.storage.dynamodb.schema import ERASING, customer_key, digest, session_key
from shared.storage.jobs import SummaryClaim
from shared.storage.memory import NO_FACTS, EntryFacts, Remembered
from shared.storage.types import Page

TRIES: Final = 8


class DynamoMemories(DynamoEntries):
    """Implements `shared.storage.contract.Memories`."""

    async def put_memory(
        self, customer_id: str, key: str, value: Any, scope: Scope, facts: EntryFacts = NO_FACTS
    ) -> tuple[MemoryEntry, bool]:
        """See `Memories.put_memory`."""
        op = secrets.token_hex(8)
        written = {"key": key, "raw": records.dump(value), "scope": scope, "source": "api", "op": op}
        written |= records.fact_fields(facts)
        full = False
        for _ in range(TRIES):
            now = await self._client.now()
            current, old = await self._entry(customer_id, key)
            if old is not None and old["op"] == op:  # an earlier try's answer was lost
                return await self._told(customer_id, old), old["version"] == 1
            entry = _next(written, old, now)
            try:
                await self._client.transact(await self._putting(customer_id, entry, (current, old), full=full))
            except ConditionFailed as failed:
                refuse_erasing(failed)
                full = old is None and self._is_full(failed)
                continue
            return await self._told(customer_id, entry), old is None
        raise StoreUnavailable("the entry changed each time it was looked at")

    async def extract_memory(
        self, claim: SummaryClaim, key: str, value: Any, scope: Scope, facts: EntryFacts
    ) -> Remembered:
        """See `Memories.extract_memory`."""
        customer_id = claim.session.customer_id
        written = {"key": key, "raw": records.dump(value), "scope": scope, "source": "extraction", "op": ""}
        written |= records.fact_fields(facts)
        full = False
        for _ in range(TRIES):
            now = await self._client.now()
            current, old = await self._entry(customer_id, key)
            verdict = await self._refused(customer_id, written, old)
            if verdict is not None:
                return verdict
            try:
                putting = await self._putting(customer_id, _next(written, old, now), (current, old), full=full)
                await self._client.transact([*putting, self._fenced(claim)])
            except MemoryFull:
                return "full"
            except ConditionFailed as failed:
                kept = await self._client.get(session_key(self.tenant, claim.ref.session_id, SUMMARY))
                if not _is_current(claim, kept):
                    return "stale"
                full = old is None and self._is_full(failed)
                continue
            return "replaced" if old else "created"
        raise StoreUnavailable("the entry changed each time it was looked at")

    async def _refused(self, customer_id: str, written: Item, old: Item | None) -> Remembered | None:
        """Return why an extracted entry is not written; None where it is."""
        gone = await self._client.get(customer_key(self.tenant, customer_id, f"gone/{digest(written['key'])}"))
        if gone is not None and gone["at"] >= written["said"]:
            return "older"
        if old is None:
            return None
        if (old.get("said") or old["updated"]) > written["said"]:
            return "older"
        same = all(old.get(name) == written.get(name) for name in ("raw", "scope", "status"))
        return "same" if same else None

    async def _putting(
        self, customer_id: str, entry: Item, stands: tuple[str | None, Item | None], *, full: bool
    ) -> list[Action]:
        """Return the actions that write an entry; where there is no room, another gives way. Raises MemoryFull."""
        current, old = stands
        full = full and old is None  # it may have been written since: then it needs no room of its own
        giving = await self._giving_way(customer_id, entry["updated"]) if full else []
        if full and not giving:
            raise MemoryFull
        more = 0 if old or giving else 1
        written_by_caller = entry["updated"] if entry["source"] == "api" else None
        actions = self._written_actions(
            customer_id, entry, current, old, self._counter(customer_id, more, written_by_caller)
        )
        if entry["source"] == "api":
            actions.append(delete(customer_key(self.tenant, customer_id, f"gone/{digest(entry['key'])}")))
            actions.append(check(customer_key(self.tenant, customer_id, ERASING), ABSENT))
        return [*actions, *giving]

    def _is_full(self, failed: ConditionFailed) -> bool:
        counter = failed.items[0]
        return counter is not None and counter.get("count", 0) >= self._limits.memory_max_entries

    def _fenced(self, claim: SummaryClaim) -> Action:
        return check(
            session_key(self.tenant, claim.ref.session_id, SUMMARY),
            "#token = :token AND #nonce = :nonce",
            token=claim.token.number,
            nonce=claim.token.nonce,
        )

    async def memories(
        self, customer_id: str, scope: Scope | None, key: str | None, limit: int, cursor: str | None
    ) -> Page[MemoryEntry]:
        """See `Memories.memories`."""
        before = _read_cursor(cursor)
        if key is not None:
            _, entry = await self._entry(customer_id, key)
            fits = entry is not None and scope in {None, entry["scope"]}
            return Page((await self._told(customer_id, entry),) if entry is not None and fits else (), None)
        asked = query(
            None,
            "#pk = :pk AND #sk BETWEEN :first AND :before",
            pk=customer_key(self.tenant, customer_id, "")["pk"],
            first=ENTRIES,
            before=before,
        )
        found: list[tuple[str, Item]] = []
        async for page in self._client.pages(asked, limit + 1, forward=False):
            entries = [(item["sk"], json.loads(item["text"])) for item in page if item["sk"] != before]
            found += [(name, entry) for name, entry in entries if scope in {None, entry["scope"]}]
            if len(found) > limit:
                break
        items = tuple([await self._told(customer_id, entry) for _, entry in found[:limit]])
        return Page(items, _cursor(found[limit - 1][0]) if len(found) > limit else None)

    async def delete_memory(self, customer_id: str, key: str) -> None:
        """See `Memories.delete_memory`."""
        asked_before = False
        for _ in range(TRIES):
            current, entry = await self._entry(customer_id, key)
            if current is None or entry is None:
                if asked_before:  # and an earlier try's answer was lost
                    return
                raise UnknownMemory
            now = await self._client.now()
            retention = self._limits.memory_retention_ms
            gone = {
                **customer_key(self.tenant, customer_id, f"gone/{digest(key)}"),
                "at": now,
                "ttl": (now + retention) // 1000 if retention else None,
            }
            actions = [self._counter(customer_id, -1), *self._dropped(customer_id, entry, current), put(gone)]
            try:
                await self._client.transact(actions)
            except ConditionFailed as failed:
                asked_before = asked_before or failed.again
                continue
            return
        raise StoreUnavailable("the entry changed each time it was looked at")

    async def approve_memory(self, customer_id: str, key: str) -> MemoryEntry:
        """See `Memories.approve_memory`."""
        for _ in range(TRIES):
            now = await self._client.now()
            current, old = await self._entry(customer_id, key)
            if current is None or old is None:
                raise UnknownMemory
            if not old.get("quarantined"):  # or an earlier try's answer was lost
                return await self._told(customer_id, old)
            approved = records.known({**old, "quarantined": None, "source": "api", "op": ""})
            entry = {**approved, "said": now, "version": old["version"] + 1, "updated": now}
            counted = self._counter(customer_id, 0, now)
            actions = self._written_actions(customer_id, entry, current, old, counted)
            try:
                await self._client.transact([*actions, check(customer_key(self.tenant, customer_id, ERASING), ABSENT)])
            except ConditionFailed as failed:
                refuse_erasing(failed)
                continue
            return await self._told(customer_id, entry)
        raise StoreUnavailable("the entry changed each time it was looked at")

    async def instructions(self) -> AgentInstructions | None:
        """See `Memories.instructions`."""
        kept = await self._client.get(agent_key(self.tenant))
        return instructions_in(kept) if kept else None

    async def put_instructions(
        self, text: str, *, extraction: bool | None = None, handoff: bool | None = None
    ) -> AgentInstructions:
        """See `Memories.put_instructions`."""
        key, op = agent_key(self.tenant), secrets.token_hex(8)
        for _ in range(TRIES):
            now = await self._client.now()
            kept = await self._client.get(key)
            if kept is not None and kept["op"] == op:
                return instructions_in(kept)
            version = kept["version"] + 1 if kept else 1
            item = {**key, "text": text, "version": version, "updated": now, "op": op}
            told = records.known({"extraction": extraction, "handoff": handoff})
            item |= {name: int(value) for name, value in told.items()}
            condition = "#version = :seen" if kept else ABSENT
            actions = [
                put(item, condition, seen=version - 1),
                put({**item, "sk": _version(version)}),
            ]
            if version > VERSIONS_KEPT:
                actions.append(delete({**key, "sk": _version(version - VERSIONS_KEPT)}))
            try:
                await self._client.transact(actions)
            except ConditionFailed:
                continue
            return instructions_in(item)
        raise StoreUnavailable("the instructions changed each time they were looked at")


def _next(written: Item, old: Item | None, now: int) -> Item:
    """Return an entry as it is written in place of `old`."""
    return {
        "said": now,
        **written,
        "version": old["version"] + 1 if old else 1,
        "created": old["created"] if old else now,
        "updated": now,
    }


def _is_current(claim: SummaryClaim, kept: Item | None) -> bool:
    return kept is not None and (kept.get("token"), kept.get("nonce")) == (claim.token.number, claim.token.nonce)


def _version(version: int) -> str:
    return f"v/{version:08d}"


def _cursor(name: str) -> str:
    return name.removeprefix("e/").replace("/", "-")


def _read_cursor(cursor: str | None) -> str:
    if cursor is None:
        return "e/~"
    updated, dash, name = cursor.partition("-")
    if not (dash and updated.isascii() and updated.isdigit() and name.isascii() and name.isalnum()):
        raise BadCursor
    return f"e/{updated}/{name}"
