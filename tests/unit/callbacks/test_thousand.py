"""Many callbacks to receivers that fail in three of ten attempts: each is delivered or given up, and on the schedule.

The store's clock is moved by hand, from one round of the dispatcher to the next that has something to do; three days
pass in seconds. Connections, signatures and the store are real.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random

import pytest
from redis.asyncio import Redis

from shared.callbacks.account import Accounts
from shared.callbacks.circuit import Circuits
from shared.callbacks.courier import Courier, CourierParts
from shared.callbacks.delivery import Delivery
from shared.callbacks.desk import CallbackDesk
from shared.callbacks.dispatch import dispatch
from shared.callbacks.guard import Guard
from shared.callbacks.schedule import ATTEMPTS, STEPS
from shared.callbacks.sender import Sender
from shared.callbacks.signed import SignedCallbacks
from shared.callbacks.urls import Rules, networks
from shared.clock import system_clock, to_ms
from shared.sealing import Sealer
from shared.storage.deliveries import DeliveryRef
from tests.contract.redis_desk import make_desk
from tests.contract.store import Desk
from tests.support.valkey import Valkey
from tests.unit.callbacks.faulty import RETRY_AFTER, FaultyReceiver, open_receiver

SEED = int(os.environ.get("CALLBACK_SEED", "7"))
ROUND_MS = 5_000
ATTEMPT_SECONDS = 2.0
AT_ONCE = 12
NEVER = 20  # one in so many addresses never takes anything


@pytest.fixture
async def desk(valkey: Valkey) -> AsyncIterator[Desk]:
    redis = Redis.from_url(valkey.url(6), decode_responses=True)
    await redis.flushdb()
    yield make_desk(redis)
    await redis.aclose()


class Rounds:
    """Deliveries on their way; `waits`: of each, the seconds from every failed attempt to the next due time."""

    def __init__(self, desk: Desk, courier: Courier) -> None:
        self.desk = desk
        self.courier = courier
        self.pending: dict[str, Delivery] = {}
        self.waits: dict[str, list[float]] = {}
        self.late: list[float] = []
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Go from round to round until nothing is pending."""
        while self.pending:
            due = min(to_ms(each.due_at) for each in self.pending.values() if each.due_at)
            self.desk.clock.ms = max(self.desk.clock.ms, due) + ROUND_MS
            found: list[DeliveryRef] = []

            async def wake(ref: DeliveryRef, found: list[DeliveryRef] = found) -> bool:
                found.append(ref)
                return True

            await dispatch(self.desk.store, wake)
            await asyncio.gather(*map(self._deliver, found))

    async def _deliver(self, ref: DeliveryRef) -> None:
        async with self._gate:
            was = self.pending[ref.request_id]
            await self.courier.deliver(ref)
            kept = await self.desk.own.delivery(ref.request_id)
            assert kept is not None
            now = Delivery.read(kept)
            if len(now.attempts) > len(was.attempts):
                attempt = now.attempts[-1]
                assert was.due_at is not None
                self.late.append((attempt.at - was.due_at).total_seconds())
                if now.due_at is not None:
                    ended = attempt.at + timedelta(milliseconds=attempt.duration_ms)
                    self.waits[ref.request_id].append((now.due_at - ended).total_seconds())
            if now.status == "pending":
                self.pending[ref.request_id] = now
            else:
                del self.pending[ref.request_id]


async def post_all(desk: Desk, receiver: FaultyReceiver, accounts: Accounts, number: int) -> tuple[Rounds, list[str]]:
    """Run so many turns that are called back, and deliver them all."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    rules = Rules(allow_http=True, allowed=networks(("127.0.0.1/32",)))
    sender = Sender(Guard(rules, resolve), ATTEMPT_SECONDS, system_clock)
    random = Random(SEED)
    signed = SignedCallbacks(accounts, sender, system_clock, ATTEMPT_SECONDS)
    parts = CourierParts(desk.store, signed, Circuits(8), random=random.random)
    rounds = Rounds(desk, Courier(parts))
    ids = []
    for each in range(number):
        url = receiver.url(each, never=each % NEVER == 0)
        request = await desk.turn("Hello", customer=f"cust-{each % 40}", callback=url)
        ids.append(request.request_id)
        rounds.waits[request.request_id] = []
        for row in await desk.store.take_rows(desk.ref(request).bucket, 100):
            await CallbackDesk(desk.store).begin(row)
    desk.clock.pass_(60_000)
    for request_id in ids:
        for row in await desk.store.take_rows(request_id[4:6], 100):
            await CallbackDesk(desk.store).begin(row)
            await desk.store.strike(row.bucket, [row.id])
    for request_id in ids:
        kept = await desk.own.delivery(request_id)
        assert kept is not None
        rounds.pending[request_id] = Delivery.read(kept)
    await rounds.run()
    return rounds, ids


@pytest.mark.parametrize("number", [60, pytest.param(1_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
async def test_every_callback_is_delivered_or_given_up_on_the_schedule(desk: Desk, number: int) -> None:
    accounts = Accounts(desk.store, Sealer(["k" * 32]))
    _, secret = await accounts.new_secret(desk.tenant, timedelta())
    async with open_receiver(secret, SEED) as receiver:
        rounds, ids = await post_all(desk, receiver, accounts, number)
    ends: dict[str, list[Delivery]] = {"delivered": [], "dead": []}
    for request_id in ids:
        kept = await desk.own.delivery(request_id)
        assert kept is not None
        delivery = Delivery.read(kept)
        ends[delivery.status].append(delivery)
        path = str(delivery.url).partition(f":{receiver.port}")[2]
        kinds = receiver.done[path]
        assert len(kinds) == len(delivery.attempts)
        assert receiver.ids[path] == {f"evt_{request_id} evt_{request_id}"}
        assert (delivery.status == "delivered") == (kinds[-1] in {"fine", "slow"})
        assert delivery.status == "delivered" or kinds[-1] == "410" or len(kinds) == ATTEMPTS
        for tries, (wait, kind) in enumerate(zip(rounds.waits[request_id], kinds, strict=False), 1):
            planned = max(STEPS[tries], RETRY_AFTER if kind == "429" else 0)
            assert 0.8 * planned <= wait <= 1.2 * planned, (tries, kind, wait)
    assert len(ends["delivered"]) + len(ends["dead"]) == number
    assert len(ends["dead"]) >= number // NEVER
    assert (receiver.refused, receiver.verified) == (0, sum(receiver.faults.values()))
    assert set(receiver.faults) >= {"fine", "500", "timeout", "reset", "301", "429", "slow"}
    assert max(rounds.late) <= 2 * ROUND_MS / 1000 + 1
    print(number, {name: len(found) for name, found in ends.items()}, dict(receiver.faults))  # noqa: T201 - for -s
