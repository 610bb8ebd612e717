"""The work of a turn on DynamoDB is constant, and small."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.capacity import LONG, SHORT, Measured, measure
from benchmarks.metering import total
from tests.support.moto import Moto

WATCHED = (10, 100, 1000)


@pytest.fixture(scope="module")
def long(moto: Moto) -> Measured:
    # At 250 and at 1,000 a session holds more messages than a turn reads.
    return asyncio.run(measure(moto.endpoint, LONG, (*WATCHED[:2], 250, WATCHED[2])))


def test_a_turn_asks_the_same_of_a_long_session_as_of_a_short_one(long: Measured) -> None:
    found = {count: total(steps.values()) for count, steps in long.bare.items()}
    assert {meter.requests.total() for meter in found.values()} == {8}
    assert found[1000].reads == found[250].reads
    assert {meter.writes for meter in found.values()} == {found[10].writes}


def test_a_worker_asks_no_more_than_the_store_does_whatever_is_said(
    long: Measured, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Turns are far apart: nothing that was read for the turn before can be used again.
    monkeypatch.setattr("shared.conversation.instructions.FRESH_SECONDS", 0.0)
    short = asyncio.run(measure(moto.endpoint, SHORT, WATCHED))
    found = {
        (len(one.turns), count): total(steps.values()) for one in (long, short) for count, steps in one.turns.items()
    }
    assert {key: meter.requests.total() for key, meter in found.items()} == dict.fromkeys(found, 8)


def test_a_turn_writes_nothing_of_a_summary_that_is_not_due(long: Measured) -> None:
    # Both messages, result, counters, inbox, lease, outbox; nothing of what lies beside them.
    assert {steps["commit"].writes for steps in long.bare.values()} == {20.0}
