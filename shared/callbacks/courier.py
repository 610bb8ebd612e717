"""One attempt at a delivery, from the lease to the strike.

    read ─▶ lease ─▶ POST ─▶ strike, or a later due time

A process that dies between the last two lets the lease end: then it is posted again, under the same `webhook-id`.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import random
from typing import Final, Protocol

import structlog

from shared.callbacks.account import Account, Accounts
from shared.callbacks.circuit import Circuits
from shared.callbacks.delivery import Attempt, Delivery
from shared.callbacks.sender import Answer
from shared.callbacks.signing import signed_headers
from shared.clock import Clock
from shared.errors import CannotUnseal, NoSecretKey, UnknownRequest
from shared.events import envelope
from shared.models import ChatRequest
from shared.storage.contract import Store, TenantStore
from shared.storage.deliveries import DeliveryRef, KeptDelivery
from shared.storage.types import OutboxRow

log = structlog.get_logger()

SPARE_SECONDS: Final = 10.0  # of a lease, beyond the longest attempt
SPREAD: Final = 0.5

NO_ADDRESS: Final = "the tenant has no callback address any more"
UNSIGNED: Final = "the tenant has no callback secret; make one, and replay"
NO_REQUEST: Final = "its request was deleted"
STOPPED: Final = "its endpoint answered 410 Gone; resume it, and replay"
TOO_OLD: Final = "it could not be delivered in four days"


class Posts(Protocol):
    """What makes the attempt itself."""

    async def post(self, url: str, headers: dict[str, str], body: str) -> Answer:
        """Return what came of it."""


@dataclass(frozen=True, slots=True)
class CourierParts:
    """What attempts are made with; the composition root fills it. `clock` stamps signatures, `random` spreads."""

    store: Store
    accounts: Accounts
    sender: Posts
    circuits: Circuits
    clock: Clock
    seconds: float
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
            StoreError: the store is away; the delivery is found again.

        """
        own = self._parts.store.tenant(ref.tenant)
        kept = await own.delivery(ref.request_id)
        if kept is None:
            return "gone"
        delivery = Delivery.read(kept)
        if delivery.waits(kept.now):
            return "waits"
        work = Work(ref, own, kept, delivery, await self._parts.accounts.read(ref.tenant))
        with structlog.contextvars.bound_contextvars(tenant=ref.tenant, delivery=work.delivery.id):
            word = await self._go(work)
            log.info("callback", outcome=word, tries=work.delivery.tries)
            return word

    async def _go(self, work: Work) -> str:
        hopeless = work.hopeless()
        if hopeless is not None:
            return await self._give_up(work, hopeless)
        tenant, now = work.ref.tenant, work.kept.now.timestamp()
        rest = self._parts.tenants.enter(tenant, now)
        if rest > 0:
            return await self._postpone(work, rest)
        try:
            return await self._to_endpoint(work, f"{tenant} {work.endpoint}", now)
        finally:
            self._parts.tenants.leave(tenant, now, failed=None)

    async def _to_endpoint(self, work: Work, endpoint: str, now: float) -> str:
        rest = self._parts.circuits.enter(endpoint, now)
        if rest > 0:
            return await self._postpone(work, rest)
        failed: bool | None = None
        try:
            word, answer = await self._attempt(work)
            failed = None if answer is None else not answer.delivered
            now += answer.seconds if answer else 0.0
            return word
        finally:
            self._parts.circuits.leave(endpoint, now, failed=failed)

    async def _postpone(self, work: Work, rest: float) -> str:
        later = work.delivery.postponed(work.kept.now, rest * (1 + SPREAD * self._parts.random()))
        return "postponed" if await work.put(later) else "lost"

    async def _attempt(self, work: Work) -> tuple[str, Answer | None]:
        parts = self._parts
        lease = parts.seconds + SPARE_SECONDS
        if not await work.put(work.delivery.leased(work.kept.now, lease, secrets.token_hex(8))):
            return "lost", None
        try:
            request = await work.own.request(work.ref.request_id)
            body = body_of(work.delivery, work.ref, request)
            keys = parts.accounts.keys(work.ref.tenant, work.account, work.kept.now)
            headers = signed_headers(keys, work.delivery.id, parts.clock(), body)
        except UnknownRequest:
            return await self._give_up(work, NO_REQUEST), None
        except (NoSecretKey, CannotUnseal) as error:
            log.exception("callback.cannot_sign")  # the operator's to mend; the attempt counts, so that it is told
            return await self._strike(work, Answer(None, str(error), 0.0)), None
        answer = await parts.sender.post(work.url, {"content-type": CONTENT_TYPE, **headers}, body)
        if answer.gone:
            await self._stop(work)
        return await self._strike(work, answer), answer

    async def _strike(self, work: Work, answer: Answer) -> str:
        ended = work.kept.now + timedelta(seconds=answer.seconds)
        attempt = Attempt(
            at=work.kept.now, status=answer.status, error=answer.error, duration_ms=round(answer.seconds * 1000)
        )
        after = work.delivery.tried(attempt, ended, answer.retry_after, self._parts.random)
        if answer.gone:
            after = after.given_up(STOPPED)
        elif after.status == "pending" and after.due_at and after.due_at > after.too_old_at:
            after = after.given_up(f"{TOO_OLD}; the last attempt: {answer.error}")
        if not await work.put(after):
            return "lost"
        await work.own.count(f"callback.{'delivered' if answer.delivered else 'failed'}")
        if after.status == "dead":
            await work.own.count("callback.dead")
        return after.status

    async def _give_up(self, work: Work, reason: str) -> str:
        if not await work.put(work.delivery.given_up(reason)):
            return "lost"
        await work.own.count("callback.dead")
        return "dead"

    async def _stop(self, work: Work) -> None:
        endpoint, now = work.endpoint, work.kept.now
        await self._parts.accounts.change(work.ref.tenant, lambda account: account.with_stopped(endpoint, now))
        await work.own.count("callback.stopped")
        log.warning("callback.stopped")


CONTENT_TYPE: Final = "application/cloudevents+json"


@dataclass(slots=True)
class Work:
    """A delivery in hand; `version` is the one that is ours to change."""

    ref: DeliveryRef
    own: TenantStore
    kept: KeptDelivery
    delivery: Delivery
    account: Account
    version: int = field(init=False)

    def __post_init__(self) -> None:
        self.version = self.kept.version

    @property
    def url(self) -> str:
        """Where it is posted."""
        return self.delivery.url or self.account.url or ""

    @property
    def endpoint(self) -> str:
        """What circuits, and answers of 410, count for."""
        return endpoint_of(self.url)

    def hopeless(self) -> str | None:
        """Return why no attempt is worth making; None where one is."""
        if not self.url:
            return NO_ADDRESS
        if self.endpoint in self.account.stopped:
            return STOPPED
        if not any(secret.valid_at(self.kept.now) for secret in self.account.secrets):
            return UNSIGNED
        return TOO_OLD if self.kept.now > self.delivery.too_old_at else None

    async def put(self, delivery: Delivery) -> bool:
        """Keep what became of it, unless another was quicker."""
        kept = await self.own.put_delivery(
            self.ref.request_id, delivery.model_dump_json(), self.version, delivery.facts
        )
        if kept:
            self.delivery, self.version = delivery, self.version + 1
        return kept


def endpoint_of(url: str) -> str:
    """Return what circuits, and answers of 410, count for: an address without its query."""
    return url.partition("?")[0]


def body_of(delivery: Delivery, ref: DeliveryRef, request: ChatRequest) -> str:
    """Return what is posted: the event that the broker is given, with its content, which is the callee's own."""
    row = OutboxRow(
        id=delivery.id,
        type=delivery.type,
        tenant=ref.tenant,
        bucket=ref.bucket,
        session_id=delivery.session_id,
        customer_id=request.customer_id,
        at=delivery.at,
        request_id=request.id,
        metadata=request.metadata,
    )
    return json.dumps(envelope(row, request), ensure_ascii=False, separators=(",", ":"))
