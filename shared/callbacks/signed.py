"""The channel of callbacks: the event of a request, signed, to an address of the caller's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from shared.callbacks.account import Account, Accounts
from shared.callbacks.channel import Ended, Verdict, Work
from shared.callbacks.delivery import Delivery
from shared.callbacks.sender import Answer
from shared.callbacks.signing import signed_headers
from shared.clock import Clock
from shared.errors import CannotUnseal, NoSecretKey, UnknownRequest
from shared.events import envelope
from shared.models import ChatRequest
from shared.storage.deliveries import DeliveryRef
from shared.storage.types import OutboxRow

log = structlog.get_logger()

CONTENT_TYPE: Final = "application/cloudevents+json"
NO_ADDRESS: Final = "the tenant has no callback address any more"
UNSIGNED: Final = "the tenant has no callback secret; make one, and replay"
NO_REQUEST: Final = "its request was deleted"
STOPPED: Final = "its endpoint answered 410 Gone; resume it, and replay"


class Posts(Protocol):
    """What makes the attempt itself."""

    async def post(self, url: str, headers: dict[str, str], body: str) -> Answer:
        """Return what came of it."""


@dataclass(frozen=True, slots=True)
class SignedCallbacks:
    """Implements `shared.callbacks.channel.Channel`. `clock` stamps signatures; `seconds`: the longest attempt."""

    accounts: Accounts
    sender: Posts
    clock: Clock
    seconds: float

    async def open(self, work: Work) -> SignedParcel | Ended:
        """See `Channel.open`."""
        account = await self.accounts.read(work.ref.tenant)
        parcel = SignedParcel(self, account, work.delivery.url or account.url or "")
        if not parcel.url:
            return Ended("dead", NO_ADDRESS)
        if parcel.endpoint in account.stopped:
            return Ended("dead", STOPPED)
        if not any(secret.valid_at(work.kept.now) for secret in account.secrets):
            return Ended("dead", UNSIGNED)
        return parcel


@dataclass(frozen=True, slots=True)
class SignedParcel:
    """Implements `shared.callbacks.channel.Parcel`."""

    channel: SignedCallbacks
    account: Account
    url: str

    @property
    def endpoint(self) -> str:
        """See `Parcel.endpoint`; answers of 410 count for the same."""
        return endpoint_of(self.url)

    @property
    def seconds(self) -> float:
        """See `Parcel.seconds`."""
        return self.channel.seconds

    async def attempt(self, work: Work) -> Verdict | Ended:
        """See `Parcel.attempt`."""
        channel = self.channel
        try:
            body = body_of(work.delivery, work.ref, await work.own.request(work.ref.request_id))
            keys = channel.accounts.keys(work.ref.tenant, self.account, work.kept.now)
            headers = signed_headers(keys, work.delivery.id, channel.clock(), body)
        except UnknownRequest:
            return Ended("dead", NO_REQUEST)
        except (NoSecretKey, CannotUnseal) as error:
            log.exception("callback.cannot_sign")  # the operator's to mend; the attempt counts, so that it is told
            return Verdict(Answer(None, str(error), 0.0))
        answer = await channel.sender.post(self.url, {"content-type": CONTENT_TYPE, **headers}, body)
        if answer.gone:
            await self._stop(work)
            return Verdict(answer, Ended("dead", STOPPED), works=False)
        return Verdict(answer, works=answer.delivered)

    async def _stop(self, work: Work) -> None:
        endpoint, now = self.endpoint, work.kept.now
        await self.channel.accounts.change(work.ref.tenant, lambda account: account.with_stopped(endpoint, now))
        await work.own.count("callback.stopped")
        log.warning("callback.stopped")


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
