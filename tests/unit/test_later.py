"""Waking sessions later."""

from __future__ import annotations

from shared.ids import SessionRef
from tests.support.waiting import wait_until
from worker.later import LaterWaker

ONE, TWO = SessionRef("acme", "ses_7k1"), SessionRef("acme", "ses_7k2")


class Broker:
    """Remembers who was woken."""

    def __init__(self) -> None:
        self.woken: list[SessionRef] = []

    def wake(self, ref: SessionRef) -> bool:
        self.woken.append(ref)
        return True

    async def has_woken(self, number: int) -> None:
        async def look() -> bool:
            return len(self.woken) >= number

        await wait_until(f"{number} are woken", look)


async def test_a_session_is_woken_once_however_often_it_was_asked_for() -> None:
    broker = Broker()
    later = LaterWaker(broker.wake)
    for ref in (ONE, ONE, TWO, ONE):
        await later.after(ref, 0.01)
    await broker.has_woken(2)
    assert sorted(map(str, broker.woken)) == [str(ONE), str(TWO)]
    await later.after(ONE, 0.0)
    await broker.has_woken(3)
    assert broker.woken[2] == ONE


async def test_of_very_many_some_are_left_to_the_reconciler() -> None:
    broker = Broker()
    later = LaterWaker(broker.wake, most=1)
    await later.after(ONE, 0.02)
    await later.after(TWO, 0.0)
    await broker.has_woken(1)
    assert broker.woken == [ONE]
