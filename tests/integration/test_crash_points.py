"""A process killed at each named point of a turn: one message, one reply, one event id, every time."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.support.crashing import POINTS
from tests.support.stack import EventLog, Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, valkey: Valkey) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("crash"), valkey, LEASE_SECONDS="1", RECONCILE_SECONDS="0.5")
    with valkey.client(0) as client:
        client.flushall()
    stack.start_healer()
    stack.start_web()
    stack.wait_worker("healer")
    yield stack
    stack.close()


@pytest.fixture(scope="module")
def events(stack: Stack) -> Iterator[EventLog]:
    log = EventLog(stack.broker.url(1))
    yield log
    log.close()


def assert_one_outcome(stack: Stack, events: EventLog, request_id: str, message: str) -> None:
    status = stack.result(request_id)
    assert status["status"] == "succeeded", status
    assert stack.transcript(status["sessionId"]) == [("user", message), ("assistant", status["reply"])]
    wait_for("the event", lambda: events.of(request_id))
    assert {event["id"] for event in events.of(request_id)} == {f"evt_{request_id}"}


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at(point: str, stack: Stack, events: EventLog) -> None:
    name = f"worker-{point}"
    stack.start(name, "tests.support.crashing", "worker", "chat", point)
    stack.wait_worker(name)
    message = f"CRASH {point}"
    accepted = stack.chat(message, wait=0, customerId=point).json()
    assert stack.died(name) == -9
    assert_one_outcome(stack, events, accepted["requestId"], message)


def test_a_web_process_killed_between_accept_and_wake(stack: Stack, events: EventLog) -> None:
    stack.start("worker", "worker", "chat")
    port = stack.simulator_port + 1
    stack.start("crashing-web", "tests.support.crashing", "web", env={"PORT": str(port)})
    url = f"http://127.0.0.1:{port}"
    wait_for("the crashing web process", lambda: _alive(url))
    with pytest.raises(httpx2.HTTPError):
        httpx2.post(f"{url}/api/chat", json={"customerId": "unwoken", "message": "Anyone there?"}, timeout=20)
    assert stack.died("crashing-web") == -9
    with stack.client() as client:
        (session,) = client.get("/api/sessions", params={"customerId": "unwoken"}).json()
    wait_for("the reply", lambda: len(stack.transcript(session["id"])) == 2)
    wait_for("the event", lambda: [event for event in events.events if event["subject"] == session["id"]])
    stack.kill("worker")


def test_the_broker_flushed_between_accept_and_claim(stack: Stack, events: EventLog) -> None:
    accepted = stack.chat("Is this lost?", wait=0, customerId="flushed").json()
    with stack.broker.client(1) as client:
        assert client.llen("chat") == 1
        client.delete("chat")
    stack.start("late-worker", "worker", "chat")
    assert_one_outcome(stack, events, accepted["requestId"], "Is this lost?")
    stack.kill("late-worker")


def _alive(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/healthz", timeout=1).status_code == 200
    except httpx2.HTTPError:
        return False
