"""Moves what one store holds to another, in passes that can be taken again, and compares the two.

What is equal is passed over, so a run that was cut off is simply started again: how far it came is seen in the target.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from typing import Final, TypeVar

from cli.copies import LASTING, contents_of, is_there, refuse_changed, same, stamp
from cli.moved import Comparison, Passed, difference
from cli.side_by_side import each
from shared.storage.access import ApiKey
from shared.storage.portable import (
    Dump,
    Kept,
    MovedOn,
    Part,
    Portable,
    Row,
    Unit,
    Vanished,
)

Answer = TypeVar("Answer")

LOCKS: Final = 256
ROWS: Final = 100
# A request that is about to be let go of may be seen in one store, and a moment later not in the other.
MARGIN_MS: Final = 600_000


class Mover:
    """Moves the tenants named, or all, from one store to another.

    Attributes:
        on_session: called for each session that was dealt with.
        live: whether the service is at work on the source.

    """

    def __init__(self, source: Portable, target: Portable, tenants: Collection[str], *, live: bool) -> None:
        self._source = source
        self._target = target
        self._tenants = tenants
        self._locks = [asyncio.Lock() for _ in range(LOCKS)]
        self._passed = Passed()
        self._dealt_with: set[int] = set()
        self.live = live
        self.on_session: Callable[[], object] = lambda: None

    async def size(self) -> int:
        """Return about how many sessions there are to copy."""
        return await self._source.size(self._tenants)

    async def run_pass(self) -> Passed:
        """Remove from the target what is gone, and copy what it lacks.

        Raises:
            MovedOn: the target has changed what was copied to it, or has sessions of its own.

        """
        self._passed = Passed()
        self._dealt_with.clear()
        await self._keys()
        await each(self._target.units(self._tenants, exact=True), self._renew)
        await each(self._source.units(self._tenants, exact=not self.live), self._copy)
        return self._passed

    async def move_rows(self) -> int:
        """Let the target's outbox be the source's; return how many rows that has.

        What only the target holds was announced by the source since an earlier move. A row is announced once more than
        it would be, at most.
        """
        moved: set[tuple[str, str]] = set()
        async for rows in self._rows(self._source):
            await self._target.add_rows(rows)
            moved.update((row.bucket, row.id) for row in rows)
        async for rows in self._rows(self._target):
            await self._target.strike_rows([row for row in rows if (row.bucket, row.id) not in moved])
        return len(moved)

    async def _rows(self, store: Portable) -> AsyncGenerator[list[Row], None]:
        """Yield the outbox rows of the tenants that are moved, some at a time."""
        waiting: list[Row] = []
        async with aclosing(store.rows()) as rows:
            async for row in rows:
                if not self._tenants or row.tenant in self._tenants:
                    waiting.append(row)
                if len(waiting) == ROWS:
                    yield waiting
                    waiting = []
        yield waiting

    async def compare(self, retention_ms: int, *, mark: bool) -> Comparison:
        """Read both stores whole; `mark` in both what is the same, so that it can be moved back one day."""
        found = Comparison()
        seen: set[int] = set()
        since = max(await self._source.now(), await self._target.now()) - retention_ms + MARGIN_MS

        async def look(unit: Unit) -> None:
            if hash(unit) not in seen:
                seen.add(hash(unit))
                await self._compare(unit, found, since, mark=mark)
                self._told(unit)

        async def look_back(unit: Unit) -> None:
            if unit.kind in LASTING and hash(unit) not in seen:
                seen.add(hash(unit))
                await self._compare(unit, found, since, mark=False)

        await each(self._source.units(self._tenants, exact=True), look)
        await each(self._target.units(self._tenants, exact=True), look_back)
        return found

    async def _renew(self, unit: Unit) -> None:
        """Bring a unit of the target up to date; remove it when it is gone from the source."""
        if unit.kind in LASTING and self._begin(unit):
            async with self._lock(unit):
                await self._renew_locked(unit)
            self._told(unit)

    async def _renew_locked(self, unit: Unit) -> None:
        there = await self._target.look(unit, steady=False)
        kept = await self._source.look(unit, steady=self.live)
        if kept is not None and kept.dump is not None and is_there(kept):
            await self._bring(kept, kept.dump, there)
        elif there is None or not is_there(there):
            return
        elif there.untouched:
            await self._target.remove(unit)
            self._passed.removed += 1
        else:
            raise MovedOn(
                f"{unit} is in the target, and not from here: the service runs there, or has run there. Nothing was "
                "overwritten; move into an empty store, or into the one that was moved from."
            )

    async def _copy(self, unit: Unit) -> None:
        """Copy a unit that the target does not hold yet."""
        if not self._begin(unit):
            return
        kept = await self._source.look(unit, steady=self.live)
        if kept is not None and kept.dump is not None and is_there(kept):
            dump = kept.dump
            of = unit if unit.kind != "request" else Unit("session", unit.tenant, dump.fields["session"])
            async with self._lock(of):
                if unit.kind == "request":
                    # Its session was deleted; a copy of that must not keep it.
                    await self._renew_locked(of)
                await self._bring(kept, dump, await self._target.look(unit, steady=False))
        self._told(unit)

    def _told(self, unit: Unit) -> None:
        if unit.kind == "session":
            self.on_session()

    def _begin(self, unit: Unit) -> bool:
        """Return whether this pass has not met the unit yet; 64 bits of each are remembered."""
        known = hash(unit) in self._dealt_with
        self._dealt_with.add(hash(unit))
        return not known

    async def _bring(self, kept: Kept, dump: Dump, there: Kept | None) -> None:
        """Copy a unit in place of what is `there`, unless that is the same."""
        unit = dump.unit
        self._passed.busy += dump.busy
        if same(kept, there):
            self._passed.same += 1
            return
        refuse_changed(kept, there, unit)
        after = there.dump.messages if there is not None and there.dump is not None and there.whole else 0
        parts = self._source.parts(dump, after) if unit.kind == "session" else _nothing()
        try:
            async with aclosing(parts):
                await self._target.load(dump, parts, there)
        except Vanished:
            await self._target.remove(unit)
            self._passed.removed += 1
            return
        self._passed.copied += 1

    async def _compare(self, unit: Unit, found: Comparison, since: int, *, mark: bool) -> None:
        pair = await self._source.look(unit, steady=False), await self._target.look(unit, steady=False)
        if unit.kind not in LASTING:
            if pair[0] is not None and stamp(pair[0]) != stamp(pair[1]):
                found.differs(unit, "is not in the target")
            return
        read = [
            await contents_of(store, kept, since)
            for store, kept in zip((self._source, self._target), pair, strict=True)
        ]
        for held, one in zip(found.of(unit.tenant), read, strict=True):
            if one is not None:
                held.add(unit, one)
        if read[0] != read[1]:
            found.differs(unit, difference(*read))
        elif mark:
            for store, kept in zip((self._source, self._target), pair, strict=True):
                if kept is not None and kept.whole is not None and kept.copied != kept.whole:
                    await store.mark(unit, kept.whole)

    async def _keys(self) -> None:
        """Copy API keys. A key that is revoked in either store is revoked in the target."""
        for text in await self._source.vault.all():
            key = ApiKey.model_validate_json(text)
            if self._tenants and key.tenant not in self._tenants:
                continue
            there = await self._target.vault.read(key.key_id)
            if there is None or (key.revoked_at and not ApiKey.model_validate_json(there).revoked_at):
                await self._target.vault.write(key.key_id, text)

    def _lock(self, unit: Unit) -> asyncio.Lock:
        return self._locks[hash(unit) % LOCKS]


async def _nothing() -> AsyncGenerator[Part, None]:
    """Yield no part."""
    parts: tuple[Part, ...] = ()
    for part in parts:
        yield part
