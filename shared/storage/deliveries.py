"""What a store promises of callbacks: their deliveries, each beside its request, and each tenant's account of them.

Values are JSON that only their makers read; what the store must know of them it is told beside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol, Self

from shared.ids import bucket_in
from shared.storage.types import Page

DeliveryStatus = Literal["pending", "delivered", "dead", "withheld"]
STATUSES: Final[tuple[DeliveryStatus, ...]] = ("pending", "delivered", "dead", "withheld")


@dataclass(frozen=True, slots=True)
class DeliveryRef:
    """A delivery as the broker's task and the due index name it: `tenant/request id`."""

    tenant: str
    request_id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the reference written in `text`. Raises ValueError."""
        tenant, slash, request_id = text.partition("/")
        if not (tenant and slash and bucket_in(request_id, "req")):
            message = f"not a delivery reference: {text!r}"
            raise ValueError(message)
        return cls(tenant, request_id)

    @property
    def bucket(self) -> str:
        """The bucket of the request's customer."""
        return self.request_id[4:6]

    def __str__(self) -> str:
        return f"{self.tenant}/{self.request_id}"


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """What the store reads of a delivery: how it stands, when it began, and when to look at it next, if ever."""

    status: DeliveryStatus
    created_at: datetime
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeptDelivery:
    """A delivery as kept, and the store's time when it was read."""

    request_id: str
    status: DeliveryStatus
    value: str
    version: int
    now: datetime = field(compare=False)


@dataclass(frozen=True, slots=True)
class KeptAccount:
    """A tenant's account of callbacks as kept. Version 0: it has none."""

    value: str
    version: int


class Deliveries(Protocol):
    """One tenant's deliveries. A request has one at most; it ends with its request, and keeps that for as long."""

    async def put_delivery(self, request_id: str, value: str, version: int, facts: DeliveryFacts) -> bool:
        """Keep a finished request's delivery, if `version` is still the one that is kept (0: none).

        Return whether it was; False too where the request is gone. From then on both are kept for
        `Limits.delivery_retention_ms`, or as long as before.
        """

    async def delivery(self, request_id: str) -> KeptDelivery | None:
        """Return a request's delivery; None where there is none, or it is gone."""

    async def deliveries(self, status: DeliveryStatus | None, limit: int, cursor: str | None) -> Page[KeptDelivery]:
        """Return deliveries, of one status or of all, the one that began last first. A page may hold fewer."""

    async def callbacks(self) -> KeptAccount:
        """Return the tenant's account of callbacks."""

    async def put_callbacks(self, value: str, version: int) -> bool:
        """Keep the tenant's account, if `version` is still the one that is kept; return whether it was."""


class DueDeliveries(Protocol):
    """The deployment's deliveries."""

    async def due_deliveries(self, bucket: str, limit: int) -> list[DeliveryRef]:
        """Return deliveries whose due time has passed; each is found again a minute later, unless it was changed."""

    async def callback_tenants(self) -> list[str]:
        """Return the tenants that have an account of callbacks."""
