"""Brokers that go away in the middle of traffic: accepts do not wait, nothing is lost, nothing of ours is restarted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx2
import pytest
from kombu import Connection, Queue

from shared.broker import Report, make_celery, transport_of
from shared.settings import load_settings
from tests.support.moto import Moto
from tests.support.rabbitmq import RabbitMQ
from tests.support.stack import EventLog, Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

SESSIONS = 10
MESSAGES = 6
ROLES = ("chat", "quarantine", "maintenance", "summaries", "callbacks", "beat")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path / "store", durable=True)
    yield server
    server.stop()


@pytest.fixture
def rabbitmq(tmp_path: Path) -> Iterator[RabbitMQ]:
    node = RabbitMQ(tmp_path / "node")
    yield node
    node.stop()


@pytest.fixture
def moto() -> Iterator[Moto]:
    server = Moto()
    yield server
    server.stop()


@pytest.fixture
def stacks() -> Iterator[list[Stack]]:
    """Stacks that a test starts; ended after it."""
    started: list[Stack] = []
    yield started
    for stack in started:
        stack.close()


def start(stacks: list[Stack], folder: Path, store: Valkey, broker: Moto | RabbitMQ) -> Stack:
    """Start a service whose worker is soon full: a full one is the hardest to bring back."""
    stack = Stack(folder, store, broker, LEASE_SECONDS="2", RECONCILE_SECONDS="0.5", WORKER_CONCURRENCY="2")
    stacks.append(stack)
    stack.start_all()
    stack.wait_worker("quarantine")
    return stack


def converse(stack: Stack, session: int) -> list[str]:
    """Post a session's messages, each accepted the first time and at once; return their requests."""
    requests = []
    for number in range(MESSAGES):
        body = {"customerId": f"customer-{session}", "conversationId": "only", "message": f"message {number}"}
        answer = httpx2.post(f"{stack.url}/api/chat", json=body, timeout=5)
        assert answer.status_code == 202, answer.text
        requests.append(str(answer.json()["requestId"]))
        time.sleep(0.4)  # What a customer needs to type; the traffic is to last as long as the outage.
    return requests


def assert_all_answered_in_order(stack: Stack, posted: list[list[str]]) -> None:
    for requests in posted:
        ends = [stack.result(request, 90) for request in requests]
        assert [end["status"] for end in ends] == ["succeeded"] * MESSAGES
        transcript = stack.transcript(ends[0]["sessionId"])
        assert transcript[::2] == [("user", f"message {number}") for number in range(MESSAGES)]
        assert transcript[1::2] == [("assistant", end["reply"]) for end in ends]


def test_rabbitmq_restarted_in_the_middle_of_traffic(
    tmp_path: Path, store: Valkey, rabbitmq: RabbitMQ, stacks: list[Stack]
) -> None:
    stack = start(stacks, tmp_path, store, rabbitmq)
    heard = EventLog(rabbitmq.url, lasting=True)
    assert stack.chat("Hello?", customerId="early").status_code == 200
    stack.simulator.pace(latency_ms=300)

    def restart() -> None:
        rabbitmq.kill()
        rabbitmq.start()

    restarting = threading.Thread(target=restart)
    restarting.start()
    with ThreadPoolExecutor(SESSIONS) as pool:
        posted = list(pool.map(lambda session: converse(stack, session), range(SESSIONS)))
    restarting.join()
    stack.simulator.pace()
    assert_all_answered_in_order(stack, posted)
    for request in (request for requests in posted for request in requests):
        wait_for("the event", partial(heard.of, request))
        assert {event["id"] for event in heard.of(request)} == {f"evt_{request}"}
    heard.close()
    assert stack.chat("And now?", customerId="late").status_code == 200
    wait_for("the broker to be found again", lambda: httpx2.get(f"{stack.url}/readyz").json()["broker"] == "ok")
    assert stack.alive(*ROLES)


def test_rabbitmq_that_hangs_holds_no_accept_for_long(
    tmp_path: Path, store: Valkey, rabbitmq: RabbitMQ, stacks: list[Stack]
) -> None:
    stack = start(stacks, tmp_path, store, rabbitmq)
    assert stack.chat("Hello?", customerId="early").status_code == 200
    rabbitmq.pause()
    posted = [converse(stack, session) for session in range(1)]
    assert httpx2.get(f"{stack.url}/readyz").json()["broker"] == "away"
    rabbitmq.resume()
    assert_all_answered_in_order(stack, posted)
    assert stack.alive(*ROLES)


def test_sqs_that_goes_and_forgets_its_queues(tmp_path: Path, store: Valkey, moto: Moto, stacks: list[Stack]) -> None:
    stack = start(stacks, tmp_path, store, moto)
    assert stack.chat("Hello?", customerId="early").status_code == 200
    stack.simulator.pace(latency_ms=2000)
    for number in range(2):
        stack.chat("Keep it busy.", wait=0, customerId=f"busy-{number}")
    wait_for("the worker to be full", lambda: stack.simulator.stats().open == 2)
    moto.stop()
    posted = [converse(stack, session) for session in range(2)]
    stack.simulator.pace()
    moto.start()
    assert_all_answered_in_order(stack, posted)
    assert stack.chat("And now?", customerId="late").status_code == 200
    assert stack.alive(*ROLES)
    assert "events.unpublished" in stack.log("chat")


def test_queues_made_beforehand_are_used_and_no_others_made(
    tmp_path: Path, store: Valkey, moto: Moto, stacks: list[Stack]
) -> None:
    client = moto.client("sqs")
    urls = {name: client.create_queue(QueueName=f"theirs-{name}")["QueueUrl"] for name in ROLES[:-1]}
    stack = Stack(tmp_path, store, moto, SQS_QUEUE_URLS=",".join(f"{name}={url}" for name, url in urls.items()))
    stacks.append(stack)
    stack.start_all()
    assert stack.chat("Hello?", customerId="theirs").status_code == 200
    assert sorted(client.list_queues()["QueueUrls"]) == sorted(urls.values())


def test_the_doctor_names_a_queue_on_rabbitmq_that_is_not_as_ours(rabbitmq: RabbitMQ) -> None:
    settings = load_settings(redis_url="redis://h", broker_url=rabbitmq.url)
    app = make_celery(settings, socket_seconds=5)

    def look() -> Report:
        return transport_of(settings).look(app, settings)

    assert (look().amiss, look().fatal) == ("no queue yet: chat, quarantine, maintenance, summaries, callbacks", False)
    with Connection(rabbitmq.url) as connection:
        Queue("chat", durable=True)(connection.default_channel).queue_declare()
    assert (look().amiss, look().fatal) == ("not a quorum queue as ours: chat", True)
