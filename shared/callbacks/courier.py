"""One attempt at a delivery, from the lease to the strike.

    read ─▶ open its channel ─▶ lease ─▶ attempt ─▶ strike, or a later due time

A process that dies between the last two lets the lease end: then it is tried again, under the same id.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import random
from typing import Final

import structlog

from shared.callbacks.channel import Channel, Ended, Later, Lost, Parcel, Verdict, Work
from shared.callbacks.circuit import Circuits
from shared.callbacks.delivery import Attempt, Delivery
from shared.callbacks.sender import Answer
from shared.errors import StoreUnavailable
from shared.storage.contract import Store
from shared.storage.deliveries import DeliveryRef

log = structlog.get_logger()

SPARE_SECONDS: Final = 10.0  # of a lease, beyond the longest attempt
SPREAD: Final = 0.5

NO_CHANNEL: Final = "this deployment posts nothing to platforms"
TRIPPED: Final = "the attempt ended in an error of this service's own, which is in its log"


@dataclass(frozen=True, slots=True)
class CourierParts:
    """What attempts are made with; the composition root fills it. `random` spreads.

    `replies` takes what came through a hook back to its platform, `callbacks` all else to where its caller said.
    """

    store: Store
    callbacks: Channel
    circuits: Circuits
    replies: Channel | None = None
    random: Callable[[], float] = field(default=random)
    tenants: Circuits = field(default_factory=lambda: Circuits(sys.maxsize))
    """No tenant takes all places of a process; these never open."""


class Courier:
    """Makes attempts, one a call."""

    def __init__(self, parts: CourierParts) -> None:
        self._parts = parts

    async def deliver(self, ref: DeliveryRef) -> str:
        """Make the next attempt of a delivery, if it is due and nobody is at it; return a word for what came of it.

        Raises:
            StoreUnavailable: the store is away; the delivery is found again.

        """
        own = self._parts.store.tenant(ref.tenant)
        kept = await own.delivery(ref.request_id)
        if kept is None:
            return "gone"
        delivery = Delivery.read(kept)
        if delivery.waits(kept.now):
            return "waits"
        work = Work(ref, own, kept, delivery)
        with structlog.contextvars.bound_contextvars(tenant=ref.tenant, delivery=work.delivery.id):
            try:
                word = await self._go(work)
            except Lost:
                word = "lost"
            except StoreUnavailable:
                raise
            except Exception:
                # Whatever it tripped over, an answer perhaps, is there the next time, too: uncounted it would be tried
                # whenever its lease ends, for days, and a receiver be posted the same again and again.
                log.exception("callback.tripped")
                word = await self._tripped(work)
            log.info("callback", outcome=word, tries=work.delivery.tries)
            return word

    async def _go(self, work: Work) -> str:
        found = await self._open(work)
        if isinstance(found, Ended):
            return await self._end(work, found)
        if isinstance(found, Later):
            return await self._postpone(work, found.seconds)
        tenant, now = work.ref.tenant, work.kept.now.timestamp()
        rest = self._parts.tenants.enter(tenant, now)
        if rest > 0:
            return await self._postpone(work, rest)
        try:
            return await self._to_endpoint(work, found, f"{tenant} {found.endpoint}", now)
        finally:
            self._parts.tenants.leave(tenant, now, failed=None)

    async def _open(self, work: Work) -> Parcel | Ended | Later:
        channel = self._parts.callbacks if work.delivery.hook_id is None else self._parts.replies
        found = Ended("dead", NO_CHANNEL) if channel is None else await channel.open(work)
        if not isinstance(found, Ended) and work.kept.now > work.delivery.too_old_at:
            return Ended("dead", work.delivery.too_old)
        return found

    async def _to_endpoint(self, work: Work, parcel: Parcel, endpoint: str, now: float) -> str:
        rest = self._parts.circuits.enter(endpoint, now)
        if rest > 0:
            return await self._postpone(work, rest)
        failed: bool | None = None
        try:
            lease = work.delivery.leased(work.kept.now, parcel.seconds + SPARE_SECONDS, secrets.token_hex(8))
            if not await work.put(lease):
                return "lost"
            verdict = await parcel.attempt(work)
            if isinstance(verdict, Ended):
                return await self._end(work, verdict)
            failed = None if verdict.works is None else not verdict.works
            now += verdict.answer.seconds
            if verdict.limited and verdict.answer.retry_after:
                self._parts.circuits.limit(endpoint, now + verdict.answer.retry_after, now)
            return await self._strike(work, verdict)
        finally:
            self._parts.circuits.leave(endpoint, now, failed=failed)

    async def _postpone(self, work: Work, rest: float) -> str:
        later = work.delivery.postponed(work.kept.now, rest * (1 + SPREAD * self._parts.random()))
        return "postponed" if await work.put(later) else "lost"

    async def _strike(self, work: Work, verdict: Verdict) -> str:
        answer = verdict.answer
        ended = work.kept.now + timedelta(seconds=answer.seconds)
        attempt = Attempt(
            at=work.kept.now, status=answer.status, error=answer.error, duration_ms=round(answer.seconds * 1000)
        )
        after = work.delivery.tried(attempt, ended, answer.retry_after, self._parts.random)
        if verdict.ended is not None:
            after = after.ended(verdict.ended.status, verdict.ended.reason)
        elif after.status == "pending" and after.due_at and after.due_at > after.too_old_at:
            after = after.given_up(f"{after.too_old}; the last attempt: {answer.error}")
        if not await work.put(after):
            return "lost"
        await work.own.count(f"callback.{'delivered' if answer.delivered else 'failed'}")
        if after.status in COUNTED:
            await work.own.count(f"callback.{after.status}")
        return after.status

    async def _tripped(self, work: Work) -> str:
        if work.kept.now > work.delivery.too_old_at:
            return await self._end(work, Ended("dead", work.delivery.too_old))
        return await self._strike(work, Verdict(Answer(None, TRIPPED, 0.0)))

    async def _end(self, work: Work, ended: Ended) -> str:
        if not await work.put(work.delivery.ended(ended.status, ended.reason)):
            return "lost"
        await work.own.count(f"callback.{ended.status}")
        return ended.status


COUNTED: Final = frozenset({"dead", "withheld"})
