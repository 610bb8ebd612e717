"""A courier over a desk, with an account, and a receiver that answers as it is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.callbacks.account import Accounts
from shared.callbacks.circuit import Circuits
from shared.callbacks.courier import Courier, CourierParts
from shared.callbacks.delivery import Delivery
from shared.callbacks.desk import CallbackDesk
from shared.callbacks.sender import Answer
from shared.callbacks.signed import SignedCallbacks
from shared.clock import system_clock
from shared.sealing import Sealer
from shared.storage.deliveries import DeliveryRef
from shared.storage.types import NewRequest
from tests.contract.store import Desk

HOOK = "https://hook.example/a"
FINE = Answer(200, None, 0.05)
OH = Answer(500, "answered 500", 0.05)
GONE = Answer(410, "answered 410 Gone", 0.05)


@dataclass
class Receiver:
    """Answers as the script says next, then with 200; remembers what it was sent."""

    script: list[Answer] = field(default_factory=list)
    heard: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    before: Callable[[], Awaitable[None]] | None = None

    async def post(self, url: str, headers: dict[str, str], body: str) -> Answer:
        self.heard.append((url, headers, body))
        if self.before is not None:
            await self.before()
        return self.script.pop(0) if self.script else FINE

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for _, headers, _ in self.heard]


@dataclass
class Mail:
    """Callbacks over a desk. `secret` is the tenant's, as it was shown."""

    desk: Desk
    receiver: Receiver
    accounts: Accounts
    courier: Courier
    secret: str = ""

    async def turn(self, callback: str = HOOK, customer: str = "cust-1", **more: Any) -> NewRequest:
        """Run a turn that is called back, up to the outbox; its delivery is begun from the row."""
        request = await self.desk.accept("Where is it?", customer, callback=callback, **more)
        done = await self.desk.answer(await self.desk.claim(request), "On its way — grüße")
        await CallbackDesk(self.desk.store).begin(done.rows[0])
        return request

    async def deliver(self, request: NewRequest) -> str:
        return await self.courier.deliver(DeliveryRef(self.desk.tenant, request.request_id))

    async def delivery(self, request: NewRequest) -> Delivery:
        kept = await self.desk.own.delivery(request.request_id)
        assert kept is not None
        return Delivery.read(kept)


async def open_mail(
    desk: Desk, *, sealer: Sealer | None = None, chance: float = 0.5, at_once: int = 8, of_tenant: int = 99
) -> Mail:
    """Return callbacks over a desk, with a secret made."""
    accounts = Accounts(desk.store, sealer or Sealer(["k" * 32]))
    receiver = Receiver()
    parts = CourierParts(
        store=desk.store,
        callbacks=SignedCallbacks(accounts, receiver, system_clock, 15),
        circuits=Circuits(at_once),
        random=lambda: chance,
        tenants=Circuits(of_tenant),
    )
    _, secret = await accounts.new_secret(desk.tenant, timedelta())
    return Mail(desk, receiver, accounts, Courier(parts), secret)
