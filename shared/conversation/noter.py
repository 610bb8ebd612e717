"""Feeding the tenant index: notes of what happens, gathered for a moment and taken together, beside every path.

Outbox rows that were announced are struck only after they were noted, so a process that is killed in between announces
and notes them again; nothing is counted twice. Other notes may be lost with their process: a request's beginning is
noted by whoever accepts it and by whoever claims it, and its end by its row.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from shared.clock import to_ms
from shared.context.prices import MILLION, price_of, spent
from shared.errors import StoreError, StoreUnavailable, UnknownRequest, UnknownSession
from shared.models import FINISHED, Result, TokenUsage
from shared.storage.contract import Store
from shared.storage.tenant_index import Ended, Notes, Purpose, Spent, Topic, UsageKind
from shared.storage.types import Claim, OutboxRow, Outcome

PAUSE_SECONDS: Final = 0.3
CLOSE_SECONDS: Final = 5.0
AT_ONCE: Final = 16
MOST_WAITING: Final = 5_000  # notes of a tenant that are kept while the store is away
BATCH_SHARE: Final = 0.5
NANO: Final = 1_000_000_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a claimed request ended, for whoever announces it."""

    claim: Claim
    outcome: Outcome


@dataclass(slots=True)
class Draft:
    """Notes of one tenant that wait.

    `unread`: requests that ended, of which no more is known here. `heard`: when something was said in sessions.
    """

    opened: dict[str, int] = field(default_factory=dict)
    ended: dict[str, tuple[int, Ended]] = field(default_factory=dict)
    active: dict[str, int] = field(default_factory=dict)
    spent: dict[str, Spent] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    changed: set[Topic] = field(default_factory=set)
    unread: dict[str, datetime] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)

    def hear(self, customer_id: str, at: int) -> None:
        """Note that a customer was heard of."""
        if customer_id:
            self.active[customer_id] = max(at, self.active.get(customer_id, 0))

    def take(self, other: Draft) -> None:
        """Take in what an earlier draft holds."""
        self.opened = {**other.opened, **self.opened}
        self.ended = {**other.ended, **self.ended}
        self.spent = {**other.spent, **self.spent}
        self.unread = {**other.unread, **self.unread}
        self.heard = {**other.heard, **self.heard}
        self.faults.update(other.faults)
        self.changed |= other.changed
        for customer_id, at in other.active.items():
            self.hear(customer_id, at)

    @property
    def size(self) -> int:
        """How much there is."""
        return len(self.opened) + len(self.ended) + len(self.active) + len(self.spent) + len(self.unread)

    def notes(self) -> Notes:
        """Return them as the store takes them."""
        opened = {request_id: at for request_id, at in self.opened.items() if request_id not in self.ended}
        return Notes(opened, self.ended, self.active, self.spent, dict(self.faults), changed=frozenset(self.changed))


class Noter:
    """One process's notes. To be called on the event loop; nothing of it waits for the store."""

    def __init__(self, store: Store, *, simulated: bool = False, pause: float = PAUSE_SECONDS) -> None:
        self._store = store
        self._simulated = simulated
        self._pause = pause
        self._drafts: defaultdict[str, Draft] = defaultdict(Draft)
        self._rows: list[OutboxRow] = []
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def opened(self, tenant: str, request_id: str, customer_id: str, at: datetime) -> None:
        """Note that a request was accepted."""
        draft = self._draft(tenant)
        draft.opened[request_id] = to_ms(at)
        draft.hear(customer_id, to_ms(at))

    def claimed(self, claim: Claim) -> None:
        """Note the same of what was claimed: whoever accepted it may have died since."""
        for request in claim.requests:
            self.opened(claim.ref.tenant, request.id, request.customer_id, request.accepted_at)

    def active(self, tenant: str, customer_id: str, at: datetime) -> None:
        """Note that a customer was heard of."""
        self._draft(tenant).hear(customer_id, to_ms(at))

    def heard_in(self, tenant: str, session_id: str, at: datetime) -> None:
        """Note that something was said in a session; whose it is, is looked up."""
        heard = self._draft(tenant).heard
        heard[session_id] = max(to_ms(at), heard.get(session_id, 0))

    def failed(self, tenant: str, cause: str) -> None:
        """Note that Claude failed."""
        self._draft(tenant).faults[cause] += 1

    def spent(self, tenant: str, one: Spent) -> None:
        """Note what was used."""
        if one.usage.total:
            self._draft(tenant).spent[one.id] = one

    def job(self, tenant: str, name: str, use: tuple[Purpose, str], usage: TokenUsage, at: datetime) -> None:
        """Note what a job used of a model, as (purpose, model); it is counted once by its name."""
        self.spent(tenant, priced(name, UsageKind(_day(at), use[1], use[0], self._simulated), usage))

    def changed(self, tenant: str, *topics: Topic) -> None:
        """Note that something of these topics has changed."""
        self._draft(tenant).changed.update(topics)

    def announced(self, row: OutboxRow, ending: Ending | None, *, strike: bool) -> None:
        """Note what a row tells; then `strike` it, where it was announced."""
        draft = self._draft(row.tenant)
        draft.hear(row.customer_id, to_ms(row.at))
        if row.request_id is not None:
            if ending is not None and ending.claim.request.id == row.request_id:
                accepted, result = to_ms(ending.claim.request.accepted_at), ending.outcome.result
                self._end(draft, row.request_id, accepted, result, row.at)
            else:
                draft.unread[row.request_id] = row.at
        if strike:
            self._rows.append(row)

    async def flush(self) -> None:
        """Write what waits; what cannot be written now waits on."""
        async with self._writing:
            drafts, self._drafts = self._drafts, defaultdict(Draft)
            rows, self._rows = self._rows, []
            away = {tenant for tenant, draft in drafts.items() if not await self._write(tenant, draft)}
            struck: defaultdict[str, list[str]] = defaultdict(list)
            for row in rows:
                if row.tenant not in away:
                    struck[row.bucket].append(row.id)
            await self._strike(struck)

    async def close(self) -> None:
        """Write what waits, once more."""
        if self._task is not None:
            self._task.cancel()
        with suppress(TimeoutError):  # what was not struck comes back
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.flush()

    def _draft(self, tenant: str) -> Draft:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        return self._drafts[tenant]

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            await asyncio.shield(self.flush())
            if not self._drafts and not self._rows:
                return

    async def _write(self, tenant: str, draft: Draft) -> bool:
        """Write a tenant's notes; return False where the store is away. Whatever else is wrong must stop no row."""
        try:
            await self._read(tenant, draft)
            await self._store.tenant(tenant).note(draft.notes())
        except StoreUnavailable as error:
            log.warning("notes.store_away", tenant=tenant, error=str(error))
            waits = self._drafts[tenant]
            if draft.size + waits.size <= MOST_WAITING:
                waits.take(draft)
            return False
        except Exception:
            log.exception("notes.lost", tenant=tenant)
        return True

    async def _read(self, tenant: str, draft: Draft) -> None:
        """Look up how requests ended of which only that is known, and whose sessions are."""
        own, gate = self._store.tenant(tenant), asyncio.Semaphore(AT_ONCE)

        async def look(request_id: str, at: datetime) -> None:
            async with gate:
                try:
                    record = await own.request(request_id)
                except UnknownRequest:
                    return
            if record.status in FINISHED:
                self._end(draft, request_id, to_ms(record.accepted_at), record.result, at)

        async def whose(session_id: str, at: int) -> None:
            async with gate:
                with suppress(UnknownSession):
                    draft.hear((await own.session(session_id)).customer_id, at)

        await asyncio.gather(*(look(request_id, at) for request_id, at in draft.unread.items()))
        await asyncio.gather(*(whose(session_id, at) for session_id, at in draft.heard.items()))

    def _end(self, draft: Draft, request_id: str, accepted: int, result: Result | None, at: datetime) -> None:
        draft.ended[request_id] = (accepted, "succeeded" if result else "failed")
        if result is not None and result.token_usage.total:
            # Requests that were answered together have one result, which names the first of them.
            kind = UsageKind(_day(at), result.model, "reply", result.simulated)
            draft.spent[result.request_id] = priced(result.request_id, kind, result.token_usage)

    async def _strike(self, struck: Mapping[str, Sequence[str]]) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def strike(bucket: str, row_ids: Sequence[str]) -> None:
            async with gate:
                try:
                    await self._store.strike(bucket, row_ids)
                except StoreError as error:
                    log.warning("announce.not_struck", rows=row_ids, error=str(error))

        await asyncio.gather(*(strike(bucket, row_ids) for bucket, row_ids in struck.items()))


def priced(identifier: str, kind: UsageKind, usage: TokenUsage) -> Spent:
    """Return what was used with its price, 0 where that is not known; a batch takes half of it."""
    price = price_of(kind.model)
    if price is None:
        return Spent(identifier, kind, usage)
    fresh = usage.input - usage.cache_read - usage.cache_write
    dollars = spent(price, fresh, usage.cache_read, usage.cache_write) + price.output * usage.output / MILLION
    return Spent(identifier, kind, usage, round(dollars * NANO * (BATCH_SHARE if kind.purpose == "batch" else 1)))


def _day(at: datetime) -> str:
    return at.date().isoformat()
