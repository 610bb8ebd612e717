"""The deployment's summaries on DynamoDB: those that are due, and those being made."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Final

from shared.clock import from_ms
from shared.errors import UnknownSession
from shared.ids import SessionRef
from shared.storage.dynamodb.actions import Item, put, query, update
from shared.storage.dynamodb.base import SUMMARY
from shared.storage.dynamodb.client import Client, ConditionFailed
from shared.storage.dynamodb.scheduling import account_of, falls_due
from shared.storage.dynamodb.schema import COLD, FLIGHTS, flight_key, session_in, session_key, shard_of
from shared.storage.dynamodb.summaries import FLIGHT_KEPT_SECONDS, DynamoSummaries
from shared.storage.jobs import DueSummary
from shared.storage.limits import Limits

# How far one look goes: one tenant's backlog hides nobody's, unless it is longer than that.
PAGES: Final = 4
PAGE: Final = 500
# How many times its limit a tenant's candidates may be: those found too early make room for those that are due.
EARLY: Final = 10
AT_ONCE: Final = 16


class SummaryWork:
    """Finds sessions through the index, which may be early, and judges each by the table."""

    _client: Client
    limits: Limits

    async def due_summaries(self, bucket: str, limit: int) -> list[DueSummary]:
        """See `Store.due_summaries`."""
        now = await self._client.now()
        asked = query("due", "#due_pk = :partition AND #due_at <= :now", partition=f"sum/{shard_of(bucket)}", now=now)
        candidates: list[Item] = []
        of: Counter[str] = Counter()
        looked = 0
        async for page in self._client.pages(asked, PAGE):
            for item in page:
                tenant, _ = session_in(item["pk"])
                of[tenant] += 1
                if of[tenant] <= EARLY * limit:
                    candidates.append(item)
            looked += 1
            if looked == PAGES:
                break
        gate = asyncio.Semaphore(AT_ONCE)

        async def judge(item: Item) -> DueSummary | None:
            async with gate:
                return await self._judged(item, now)

        judged = await asyncio.gather(*map(judge, candidates))
        due = sorted((each for each in judged if each is not None), key=lambda due: (due.since, str(due.ref)))
        return _of_each_tenant(due, limit)

    async def launch_summary(self, ref: SessionRef) -> bool:
        """See `Store.launch_summary`."""
        now = await self._client.now()
        ends = now + self.limits.summary_lease_ms
        launched = update(
            session_key(ref.tenant, ref.session_id, SUMMARY),
            "SET #due_at = :ends",
            "#due_at <= :now",
            now=now,
            ends=ends,
        )
        flight = {**flight_key(ref.tenant, ref.session_id), "ends": ends, "ttl": ends // 1000 + FLIGHT_KEPT_SECONDS}
        try:
            await self._client.transact([launched, put(flight)])
        except ConditionFailed as failed:
            # Done already, by a try whose answer was lost.
            return failed.again and (failed.items[0] or {}).get("due_at") == ends
        return True

    async def summaries_in_flight(self) -> list[SessionRef]:
        """See `Store.summaries_in_flight`."""
        now = await self._client.now()
        found = await self._client.all(query(None, "#pk = :pk", pk=FLIGHTS))
        flying = sorted((item["ends"], item["sk"]) for item in found if item["ends"] > now)
        return [SessionRef.parse(name) for _, name in flying]

    async def cold_sessions(self) -> AsyncIterator[SessionRef]:
        """See `Store.cold_sessions`."""
        async for page in self._client.pages(query(None, "#pk = :pk", pk=COLD), PAGE):
            for item in page:
                yield SessionRef.parse(item["sk"])

    async def _judged(self, item: Item, now: int) -> DueSummary | None:
        """Return a session that was found, if it is due; else let the index find it when it is."""
        ref = SessionRef(*session_in(item["pk"]))
        own = DynamoSummaries(self._client, ref.tenant, self.limits)
        try:
            state = await own.found(ref.session_id, now)
        except UnknownSession:
            await self._put_off(ref, now)
            return None
        account = account_of(state)
        if account.found is None or account.found > now:  # it was moved since
            return None
        reason, since = falls_due(account, self.limits, now)
        if reason is not None and since is not None:
            return DueSummary(ref, from_ms(since))
        with suppress(ConditionFailed):  # it changed meanwhile, and is looked at again
            await own.move(state, now)
        return None

    async def _put_off(self, ref: SessionRef, now: int) -> None:
        """Look again later at what is past its retention, or not whole yet; the index may also be late to forget."""
        key, later = session_key(ref.tenant, ref.session_id, SUMMARY), now + self.limits.summary_lease_ms
        with suppress(ConditionFailed):
            await self._client.write(update(key, "SET #due_at = :later", "#due_at <= :now", now=now, later=later))


def _of_each_tenant(due: Iterable[DueSummary], limit: int) -> list[DueSummary]:
    of: Counter[str] = Counter()
    found = []
    for each in due:
        of[each.ref.tenant] += 1
        if of[each.ref.tenant] <= limit:
            found.append(each)
    return found
