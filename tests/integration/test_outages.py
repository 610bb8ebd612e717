"""Servers that go away and come back, workers that are stopped: nothing is lost, and nothing of ours is restarted."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.support.stack import Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("store"), durable=True)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, store: Valkey) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("outages"), store, LEASE_SECONDS="2", RECONCILE_SECONDS="0.5")
    stack.start_all()
    stack.wait_worker("quarantine")
    yield stack
    stack.close()


def post(stack: Stack, customer: str, message: str) -> str | None:
    """Post as a client would: with a key, again and again until it is accepted; return the request's id."""
    key = f"{customer}-{message}"
    body = {"customerId": customer, "conversationId": "c", "message": message}

    def once() -> str | None:
        try:
            answer = httpx2.post(f"{stack.url}/api/chat", json=body, headers={"Idempotency-Key": key}, timeout=10)
        except httpx2.HTTPError:
            return None
        assert answer.status_code in {202, 503}, answer.text
        return str(answer.json()["requestId"]) if answer.status_code == 202 else None

    return wait_for(f"{message} to be accepted", once, 60)


def test_a_store_that_is_gone_or_hangs_is_told_within_two_seconds(stack: Stack, store: Valkey) -> None:
    body = {"customerId": "away", "message": "Hello?"}
    for leave, come_back in ((store.pause, store.resume), (store.kill, store.start)):
        leave()
        began = time.monotonic()
        answers = [httpx2.post(f"{stack.url}/api/chat", json=body, timeout=10) for _ in range(2)]
        longest = time.monotonic() - began
        unready = httpx2.get(f"{stack.url}/readyz", timeout=10)
        come_back()
        assert [answer.status_code for answer in answers] == [503, 503]
        assert answers[0].headers["Retry-After"]
        assert answers[0].json()["type"] == "/problems/store-unavailable"
        assert longest < 2 * 2.0
        assert unready.status_code == 503
        wait_for("the service to be ready again", lambda: httpx2.get(f"{stack.url}/readyz").status_code == 200)
    assert stack.chat("Are you back?", customerId="back").status_code == 200


def test_a_server_restarted_in_the_middle_of_traffic_loses_and_doubles_nothing(stack: Stack, store: Valkey) -> None:
    stack.simulator.pace(latency_ms=150)
    killing = threading.Timer(1.0, store.kill)
    starting = threading.Timer(3.0, store.start)
    killing.start()
    starting.start()
    with ThreadPoolExecutor(10) as pool:
        posted = list(pool.map(lambda n: [post(stack, f"restart-{n}", f"message {m}") for m in range(6)], range(10)))
    starting.join()
    stack.simulator.pace()
    for number, requests in enumerate(posted):
        ends = [stack.result(str(request), 90) for request in requests]
        assert [end["status"] for end in ends] == ["succeeded"] * 6
        transcript = stack.transcript(ends[0]["sessionId"])
        assert transcript[::2] == [("user", f"message {m}") for m in range(6)], number
        assert transcript[1::2] == [("assistant", end["reply"]) for end in ends]


def test_a_worker_told_to_stop_finishes_what_it_runs(stack: Stack) -> None:
    stack.simulator.pace(latency_ms=1500)
    accepted = stack.chat("Last words", wait=0, customerId="stopping").json()
    wait_for("the call to Claude", lambda: stack.simulator.stats().open > 0)
    assert stack.kill("chat", signal.SIGTERM) == 0
    stack.simulator.pace()
    end = stack.result(accepted["requestId"], 5)
    assert (end["status"], end["attempts"]) == ("succeeded", 1)
    stack.start("chat", "worker", "chat")
    assert stack.chat("Next shift", customerId="next").status_code == 200


def test_a_request_that_kills_its_process_is_condemned_and_takes_nobody_along(tmp_path: Path, valkey: Valkey) -> None:
    folder = tmp_path / "poison"
    folder.mkdir()
    own = Stack(folder, valkey, POISON_LIMIT="2", LEASE_SECONDS="1", RECONCILE_SECONDS="0.5")
    with valkey.client(0) as client:
        client.flushall()
    try:
        own.start("maintenance", "worker", "maintenance")
        own.start("beat", "worker", "beat")
        own.start("quarantine", "tests.support.crashing", "worker", "quarantine", "never")
        own.start("poisoned", "tests.support.crashing", "worker", "chat", "never")
        own.start_web()
        own.wait_worker("poisoned", "quarantine")
        own.simulator.pace(latency_ms=300)
        neighbours = [own.chat(f"I am fine {n}", wait=0, customerId=f"n{n}").json() for n in range(5)]
        poison = own.chat("POISON", wait=0, customerId="bad").json()
        assert own.died("poisoned") == -9
        own.start("chat", "tests.support.crashing", "worker", "chat", "never")
        end = own.result(poison["requestId"], 60)
        assert (end["status"], end["failure"]["type"]) == ("failed", "poison")
        assert [own.result(each["requestId"])["status"] for each in neighbours] == ["succeeded"] * 5
        assert own.transcript(end["sessionId"]) == [("user", "POISON")]
    finally:
        own.close()
