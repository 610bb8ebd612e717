"""The service's clock, as its answers tell it in whole seconds."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import formatdate
from itertools import cycle
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.storage.dynamodb import clock as clocks
from shared.storage.dynamodb.clock import ServiceClock

HOUR = 3600.0


class World:
    """Our machine's monotonic clock and the service's own, both in seconds; `rate`: how fast ours is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rate: float = 1.0) -> None:
        self.service = 1_800_000_000.123
        self.here = 777.7
        self._rate = rate
        monkeypatch.setattr(clocks, "time", SimpleNamespace(monotonic=lambda: self.here))

    def wait(self, seconds: float) -> None:
        self.service += seconds
        self.here += seconds * self._rate

    def answer(self, clock: ServiceClock, there: float = 0.004, back: float = 0.004, host: float = 0.0) -> None:
        """Let the clock hear an answer that took so long there and back; `host`: how far its clock is ahead."""
        sent = self.here
        self.wait(there)
        date = formatdate(int(self.service + host), usegmt=True)
        self.wait(back)
        clock.observe(date, sent, self.here)

    def error(self, clock: ServiceClock) -> float:
        """Return how many seconds the clock is ahead."""
        return clock.now_ms() / 1000 - self.service


def test_one_answer_tells_the_time_to_half_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    world, clock = World(monkeypatch), ServiceClock()
    world.answer(clock)
    assert abs(world.error(clock)) <= 0.51


def test_many_answers_narrow_it_to_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    world, clock = World(monkeypatch), ServiceClock()
    for _ in range(200):
        world.answer(clock)
        world.wait(0.137)
    assert abs(world.error(clock)) <= 0.03


@pytest.mark.parametrize("rate", [1 - 200e-6, 1 + 200e-6])
def test_a_machine_whose_clock_drifts_is_followed(monkeypatch: pytest.MonkeyPatch, rate: float) -> None:
    world, clock = World(monkeypatch, rate), ServiceClock()
    for _ in range(24 * 60):
        world.answer(clock)
        world.wait(59.87)
    assert abs(world.error(clock)) <= 0.1


def test_a_service_whose_clock_was_set_forward_is_believed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world, clock = World(monkeypatch), ServiceClock()
    for _ in range(50):
        world.answer(clock)
        world.wait(0.137)
    world.service += HOUR
    world.answer(clock)
    assert abs(world.error(clock)) <= 0.51


def test_hosts_whose_clocks_differ_a_little_do_not_make_it_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a service of three hosts, then it stays between them, and any two processes agree."""
    world, clock, other = World(monkeypatch), ServiceClock(), ServiceClock()
    hosts = cycle((0.0, 0.04, -0.04, 0.04))
    for number in range(600):
        world.answer(clock, host=next(hosts))
        world.answer(other, host=next(hosts))
        world.wait(0.0571)
        if number > 200:
            assert abs(world.error(clock)) <= 0.07
            assert abs(clock.now_ms() - other.now_ms()) <= 70


def test_a_machine_that_slept_catches_up(monkeypatch: pytest.MonkeyPatch) -> None:
    world, clock = World(monkeypatch), ServiceClock()
    world.answer(clock)
    world.service += 8 * HOUR
    world.answer(clock)
    assert abs(world.error(clock)) <= 0.51


def test_it_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    world, clock = World(monkeypatch), ServiceClock()
    world.answer(clock)
    before = clock.now_ms()
    world.service -= HOUR
    world.answer(clock)
    assert clock.now_ms() == before
    world.wait(HOUR + 2)
    world.answer(clock)
    assert clock.now_ms() > before
    assert abs(world.error(clock)) <= 0.51


def test_two_processes_far_and_near_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    near, far = ServiceClock(), ServiceClock()
    for _ in range(300):
        world.answer(near, 0.001, 0.002)
        world.answer(far, 0.080, 0.020)
        world.wait(0.0571)
    assert abs(near.now_ms() - far.now_ms()) <= 60


ways = st.floats(0.0, 3.0)


@given(answers=st.lists(st.tuples(st.floats(0.0, 100.0), ways, ways), min_size=1, max_size=30))
def test_however_slow_the_answers_the_truth_lies_within_what_is_known(
    answers: Sequence[tuple[float, float, float]],
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world, clock = World(monkeypatch), ServiceClock()
        quickest = min(there + back for _, there, back in answers)
        for pause, there, back in answers:
            world.wait(pause)
            world.answer(clock, there, back)
        waited = sum(pause + there + back for pause, there, back in answers)
        # Half of the narrowest interval that any single answer told, and what two clocks may part meanwhile.
        assert abs(world.error(clock)) <= (1.0 + quickest) / 2 + waited * clocks.DRIFT + 0.002
