"""Ten attempts in three days, spread, put off where the receiver asks, and given rest where it does not answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.callbacks.circuit import BUSY_SECONDS, FIRST_REST, LONGEST_REST, OPENS_AFTER, Circuits
from shared.callbacks.delivery import Delivery
from shared.callbacks.schedule import ATTEMPTS, STEPS, retry_after, wait_after
from shared.clock import from_ms, to_ms

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_the_specifications_schedule_within_a_tenth() -> None:
    assert (ATTEMPTS, round(sum(STEPS) / 3600, 1)) == (10, 75.6)
    for tries in range(1, ATTEMPTS):
        low, high = wait_after(tries, None, lambda: 0.0), wait_after(tries, None, lambda: 1.0)
        assert (low, high) == pytest.approx((0.9 * STEPS[tries], 1.1 * STEPS[tries]))
    assert wait_after(ATTEMPTS, 3600, lambda: 0.5) is None


def test_retry_after_puts_off_and_never_brings_nearer() -> None:
    assert wait_after(1, 120, lambda: 0.5) == 120
    assert wait_after(2, 1, lambda: 0.5) == 300
    assert wait_after(1, 1e9, lambda: 0.5) == 86_400


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Thu, 26 Nov 2026 12:02:00 GMT", 120),
        ("Thu, 26 Nov 2026 11:00:00 GMT", 0),
        ("-1", None),
        ("soon", None),
        ("Thu, 26 Nov 99999999999999999999 12:00:00 GMT", None),
        ("Thu, 26 Nov 2026 12:00:00 -9999999999999999999999", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_what_retry_after_may_say(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_after_ten_failures_in_a_row_an_endpoint_is_left_alone_and_then_asked_once() -> None:
    circuits = Circuits(at_once=3)
    for _ in range(OPENS_AFTER):
        assert circuits.enter("a", 0) == 0
        circuits.leave("a", 0, failed=True)
    assert circuits.enter("a", 1) == FIRST_REST - 1
    assert circuits.enter("b", 1) == 0
    assert circuits.enter("a", FIRST_REST) == 0
    assert circuits.enter("a", FIRST_REST) > 0  # one looks, the others wait
    circuits.leave("a", FIRST_REST, failed=True)
    assert circuits.enter("a", FIRST_REST + 1) == 2 * FIRST_REST - 1
    assert circuits.enter("a", 3 * FIRST_REST) == 0
    circuits.leave("a", 3 * FIRST_REST, failed=False)
    assert [circuits.enter("a", 3 * FIRST_REST) for _ in range(3)] == [0, 0, 0]


def test_a_success_begins_the_count_anew() -> None:
    circuits = Circuits(at_once=3)
    for number in range(3 * OPENS_AFTER):
        assert circuits.enter("a", 0) == 0
        circuits.leave("a", 0, failed=number % OPENS_AFTER != 0)
    assert circuits.enter("a", 0) == 0


def test_no_more_at_once_than_is_polite() -> None:
    circuits = Circuits(at_once=2)
    assert [circuits.enter("a", 0) == 0 for _ in range(3)] == [True, True, False]
    circuits.leave("a", 0, failed=None)
    assert circuits.enter("a", 0) == 0


def test_those_who_are_turned_away_come_back_one_after_the_other() -> None:
    circuits = Circuits(at_once=4)
    assert [circuits.enter("a", 0) for _ in range(4)] == [0] * 4
    waits = [circuits.enter("a", 0) for _ in range(1_000)]
    assert waits[:3] == [BUSY_SECONDS + each * BUSY_SECONDS / 4 for each in (1, 2, 3)]
    assert sum(wait <= 10 * BUSY_SECONDS for wait in waits) == 36
    assert max(waits) == LONGEST_REST


@given(due=st.integers(0, 3_000_000), leased=st.none() | st.integers(0, 3_000_000))
def test_what_the_store_finds_due_is_due_to_the_part_of_a_millisecond(due: int, leased: int | None) -> None:
    """Found due and then not taken for it, a delivery would be passed over for a minute."""
    until = None if leased is None else NOW + timedelta(microseconds=leased)
    delivery = Delivery(
        request_id="req_1",
        session_id="ses_1",
        type="chat.reply.completed",
        at=NOW,
        created_at=NOW,
        began_at=NOW,
        due_at=NOW + timedelta(microseconds=due),
        leased_until=until,
    )
    assert delivery.facts.due_at is not None
    found = from_ms(to_ms(delivery.facts.due_at))
    assert not delivery.waits(found)
    assert delivery.waits(found - timedelta(milliseconds=1))
