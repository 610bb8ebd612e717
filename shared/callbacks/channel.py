"""A channel: where a delivery goes, what is sent there, and how an answer is judged.

Lease, schedule, circuits and dead letters are the courier's; they are the same for every channel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from shared.callbacks.delivery import Delivery
from shared.callbacks.sender import Answer
from shared.storage.contract import TenantStore
from shared.storage.deliveries import DeliveryRef, DeliveryStatus, KeptDelivery


@dataclass(slots=True)
class Work:
    """A delivery in hand; `version` is the one that is ours to change."""

    ref: DeliveryRef
    own: TenantStore
    kept: KeptDelivery
    delivery: Delivery
    version: int = field(init=False)

    def __post_init__(self) -> None:
        self.version = self.kept.version

    async def put(self, delivery: Delivery) -> bool:
        """Keep what became of it, unless another was quicker."""
        kept = await self.own.put_delivery(
            self.ref.request_id, delivery.model_dump_json(), self.version, delivery.facts
        )
        if kept:
            self.delivery, self.version = delivery, self.version + 1
        return kept


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over, without an attempt or after one, however often it was tried; `reason` in words."""

    status: DeliveryStatus
    reason: str


@dataclass(frozen=True, slots=True)
class Later:
    """It must wait, and no attempt was made."""

    seconds: float


class Lost(Exception):
    """Somebody else changed the delivery meanwhile; what they made of it stands."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of an attempt. `ended`: it is over by that; else it was delivered, or the schedule says when again.

    `works`: whether the endpoint answers as it should; None: nothing is known of it. `limited`: it wants nothing more,
    of any delivery, for the seconds of the answer's `retry_after`.
    """

    answer: Answer
    ended: Ended | None = None
    works: bool | None = None
    limited: bool = False


class Parcel(Protocol):
    """A delivery that can be tried now. `endpoint`: what circuits count for. `seconds`: the longest it is held for."""

    @property
    def endpoint(self) -> str:
        """What circuits count for."""

    @property
    def seconds(self) -> float:
        """How long an attempt may take, at most, between two changes of the delivery."""

    async def attempt(self, work: Work) -> Verdict | Ended:
        """Make an attempt, under the lease. Raises Lost, StoreError."""


class Channel(Protocol):
    """A way that deliveries go."""

    async def open(self, work: Work) -> Parcel | Ended | Later:
        """Return how a delivery goes now; or why it does not. Raises StoreError."""
