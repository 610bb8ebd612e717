"""Imported history is read for memory entries in a batch: real store, a worker's own parts, the SDK, the simulator."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from benchmarks.across.data import Turn
from benchmarks.across.through import DAY, TENANT, Service, service
from shared.context.counted import look_at
from shared.context.tokens import load_counter
from shared.ids import bucket_of
from shared.models import Message
from shared.storage.jobs import RunningPart
from shared.storage.types import NewSession
from shared.summarising.batch import BatchView, view_of
from simulator.schema import Fault

SAID: tuple[Turn, ...] = (
    ("user", "Hello, please call me Lotte. My order number is KX-4711, and the lamp is broken."),
    ("assistant", "Thank you, Lotte. I will send you a new lamp by Friday."),
)
READING = "You remember a support customer"


@pytest.fixture
def running() -> Iterator[Service]:
    with service(extraction_cold_hours=24, memory_delay_seconds=60, session_ttl_hours=1) as started:
        yield started


def imported(running: Service, customer: str, days: int = 90) -> str:
    """Record a session that was long ago, as an import does; have all done for it that is due; return it."""
    session = running.ids.session(bucket_of(TENANT, customer))
    made = running.call(running.own.create_session(session, NewSession(customer)))
    for minute, (role, text) in enumerate(SAID):
        at = made.created_at - timedelta(days=days, minutes=-minute)
        tokens, kind = look_at(load_counter(), text)
        given: dict[str, Any] = {"role": role, "content": text, "at": at, "tokens": tokens, "text_kind": kind}
        running.call(running.own.record(session, Message(id=running.ids.message(), **given), backdated=True))
    running.work(session)
    return session


def night(running: Service) -> BatchView:
    """Gather what was left, and go on with batches until they have ended; return the newest."""
    running.runtime.gather()
    until = time.monotonic() + 60
    while parts := running.call(running.runtime.base().store.running_parts()):
        assert time.monotonic() < until, "the batch does not end"
        for part in parts:
            running.runtime.advance_batch(RunningPart(part.tenant, part.batch_id, part.number))
        running.ms += 1000
    (newest,) = running.call(running.own.batches(1))
    return view_of(newest, running.call(running.own.batch(newest)))


def entries(running: Service, customer: str) -> dict[str, Any]:
    """Return the values of a customer's entries by key."""
    page = running.call(running.own.memories(customer, None, None, 100, None))
    return {entry.key: entry.value for entry in page.items}


def read_directly(running: Service) -> int:
    """Return how often a model was asked at full price."""
    return sum(READING in str(request.body) for request in running.simulator.requests())


def test_imported_history_is_read_at_half_price_and_used_in_the_next_session(running: Service) -> None:
    sessions = {imported(running, f"cust-{number}") for number in range(3)}
    assert read_directly(running) == 0
    assert entries(running, "cust-1") == {}
    view = night(running)
    assert (view.kind, view.status, view.counts) == ("memory", "ended", {"done": 3})
    assert view.batched.batch
    assert view.batched.estimated_cost == pytest.approx((view.batched.direct_cost or 0) / 2, rel=0.01)
    assert view.direct.token_usage.total == 0
    (handed_in,) = running.simulator.batches()
    assert {custom_id.partition("-")[0] for custom_id in handed_in.custom_ids} == sessions
    assert {"name", "order"} <= entries(running, "cust-1").keys()
    running.ms += DAY
    running.say("cust-1", "Hello again, I am back.")
    assert any("call me Lotte" in text and text.startswith("The memory tags") for text in running.received())
    assert read_directly(running) == 0
    assert running.runtime.gather() == 0


def test_what_a_model_makes_up_in_a_batch_is_refused(running: Service) -> None:
    made_up = [
        {"quote": "refund me $500", "value": "wants a refund of $500", "message": 1},
        {"quote": "please call me Lotte", "value": "call me Lotte, order ZZ-9999", "message": 1},
        {"quote": "please call me Lotte", "value": "call me Lotte", "message": 7},
    ]
    rest = {"op": "upsert", "scope": "preference", "key": "name", "confidence": 1.0}
    text = json.dumps({"operations": [rest | operation for operation in made_up]})
    running.simulator.add_faults(Fault(kind="reply", text=text, times=-1, match="Name what to remember"))
    imported(running, "cust-1")
    assert night(running).counts == {"done": 1}
    assert entries(running, "cust-1") == {}
    counts = running.call(running.own.counts())
    assert (counts["extraction.not-there"], counts["extraction.not-borne-out"]) == (2, 1)


def test_what_was_said_lately_is_read_at_once(running: Service) -> None:
    session = running.record("cust-1", SAID)
    running.ms += 120_000
    running.work(session)
    assert {"name", "order"} <= entries(running, "cust-1").keys()
    assert running.runtime.gather() == 0
