"""Launching summaries: what is due, bounded, tenants in turn, and never the same session twice."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from shared.ids import SessionRef
from shared.storage.jobs import RunningPart
from shared.summarising.dispatch import Dispatcher
from tests.contract.store import LIMITS, Desk
from tests.unit.summarising.jobs import Bureau, open_bureau

TEXT = "word " * (LIMITS.summary_threshold_tokens + 10)


def bureau_of(desk: Desk, executor: ThreadPoolExecutor, tenant: str = "acme") -> Bureau:
    return open_bureau(desk.of(tenant), executor)


async def nobody(part: RunningPart) -> bool:
    """Hear of batches, of which there are none."""
    raise AssertionError(part)


class Woken:
    """Hears who is woken."""

    def __init__(self, *, answers: bool = True) -> None:
        self.refs: list[SessionRef] = []
        self.answers = answers

    async def __call__(self, ref: SessionRef) -> bool:
        self.refs.append(ref)
        return self.answers


async def test_what_is_due_is_launched_once(desk: Desk, executor: ThreadPoolExecutor) -> None:
    bureau = bureau_of(desk, executor)
    due = [await bureau.session(TEXT, customer=f"cust-{number}") for number in range(3)]
    await bureau.session("Hello")
    woken = Woken()
    assert await Dispatcher(desk.store, woken, nobody, 10).run() == 3
    assert set(woken.refs) == set(due)
    assert await Dispatcher(desk.store, woken, nobody, 10).run() == 0


async def test_two_dispatchers_at_once_launch_each_session_once(desk: Desk, executor: ThreadPoolExecutor) -> None:
    bureau = bureau_of(desk, executor)
    due = [await bureau.session(TEXT, customer=f"cust-{number}") for number in range(8)]
    woken = Woken()
    await asyncio.gather(*(Dispatcher(desk.store, woken, nobody, 20).run() for _ in range(3)))
    assert sorted(woken.refs, key=str) == sorted(due, key=str)


async def test_the_bound_holds_and_tenants_take_turns(desk: Desk, executor: ThreadPoolExecutor) -> None:
    for number in range(6):
        await bureau_of(desk, executor, "big").session(TEXT, customer=f"cust-{number}")
    small = await bureau_of(desk, executor, "small").session(TEXT)
    woken = Woken()
    assert await Dispatcher(desk.store, woken, nobody, 3).run() == 3
    assert small in woken.refs
    assert await Dispatcher(desk.store, woken, nobody, 3).run() == 0
    desk.clock.pass_(LIMITS.summary_lease_ms + 1)
    assert await Dispatcher(desk.store, woken, nobody, 3).run() == 3


async def test_a_launch_that_the_broker_never_heard_of_comes_back(desk: Desk, executor: ThreadPoolExecutor) -> None:
    ref = await bureau_of(desk, executor).session(TEXT)
    assert await Dispatcher(desk.store, Woken(answers=False), nobody, 3).run() == 0
    desk.clock.pass_(LIMITS.summary_lease_ms + 1)
    woken = Woken()
    assert await Dispatcher(desk.store, woken, nobody, 3).run() == 1
    assert woken.refs == [ref]
