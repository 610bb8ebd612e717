"""Processes killed at random under load, and the broker flushed or restarted: what was acknowledged is what is there.

The oracle is what the clients were told. Afterwards every acknowledged message must stand in its session once, in the
order acknowledged, with one reply, and with one event id; nothing else may stand there.
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.support.moto import Moto, TopicLog
from tests.support.rabbitmq import RabbitMQ
from tests.support.stack import Broker, EventLog, Heard, Stack, Store
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

SEED = 20261122
COMMANDS = {
    "chat": ("worker", "chat"),
    "quarantine": ("worker", "quarantine"),
    "maintenance": ("worker", "maintenance"),
    "beat": ("worker", "beat"),
    "web": ("api",),
}

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


def make_stack(folder: Path, store: Store, broker: Broker, **settings: str) -> Stack:
    """Return a service in haste."""
    haste = {"LEASE_SECONDS": "2", "RECONCILE_SECONDS": "0.5", "MAX_OPEN_REQUESTS": "1000"}
    return Stack(folder, store, broker, **(haste | settings))


@dataclass(frozen=True)
class Scene:
    """A service, what befalls its broker, and how much is asked of it."""

    stack: Stack
    heard: Heard
    # What is killed at random, "broker" among it where it may strike at any time.
    targets: tuple[str, ...]
    strike: Callable[[], None]
    # Whether the broker is struck once, in the middle, and keeps what it has confirmed: no event may be missing then.
    once: bool
    sessions: int
    messages: int
    kills: int


def flushed_valkey(folder: Path, stop: list[Callable[[], None]]) -> Scene:
    """Valkey as store and broker; the broker's database is flushed."""
    store = Valkey(folder / "store", durable=True)
    stop.append(store.stop)
    stack = make_stack(folder, store, store)

    def flush() -> None:
        with store.client(1) as client:
            client.flushdb()

    targets = (*COMMANDS, "chat", "chat", "broker")
    return Scene(stack, EventLog(store.url(1)), targets, flush, once=False, sessions=40, messages=12, kills=20)


def restarted_rabbitmq(folder: Path, stop: list[Callable[[], None]]) -> Scene:
    """Valkey as store, RabbitMQ as broker; the broker is killed and started again, once, in the middle."""
    store, node = Valkey(folder / "store", durable=True), RabbitMQ(folder / "node")
    stop += [store.stop, node.stop]
    stack = make_stack(folder, store, node)

    def restart() -> None:
        node.kill()
        node.start()

    heard = EventLog(node.url, lasting=True)
    targets = (*COMMANDS, "chat", "chat")
    return Scene(stack, heard, targets, restart, once=True, sessions=50, messages=10, kills=10)


def without_redis(folder: Path, stop: list[Callable[[], None]]) -> Scene:
    """DynamoDB as store, SQS as broker, SNS for events; any process is killed."""
    aws = Moto()
    stop.append(aws.stop)
    heard = TopicLog(aws)
    # moto is one process: asked for due work twice a second, it would do nothing else.
    stack = make_stack(folder, aws, aws, EVENTS_TOPIC_ARN=heard.topic, RECONCILE_SECONDS="3", LEASE_SECONDS="4")
    targets = (*COMMANDS, "chat", "chat")
    return Scene(stack, heard, targets, lambda: None, once=True, sessions=50, messages=10, kills=10)


@pytest.fixture(params=[flushed_valkey, restarted_rabbitmq, without_redis], ids=lambda make: make.__name__)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    stop: list[Callable[[], None]] = []
    try:
        scene: Scene = request.param(tmp_path, stop)
        stop[:0] = [scene.stack.close, scene.heard.close]
        scene.stack.start_all()
        scene.stack.wait_worker("quarantine")
        yield scene
    finally:
        for end in stop:
            end()


def post_until_accepted(stack: Stack, session: int, number: int) -> str:
    """Post a message as a client would, with a key; return the request's id once it is acknowledged."""
    body = {"customerId": f"customer-{session}", "conversationId": "only", "message": f"message {number}"}
    headers = {"Idempotency-Key": f"{session}-{number}"}

    def once() -> str | None:
        try:
            answer = httpx2.post(f"{stack.url}/api/chat", json=body, headers=headers, timeout=10)
        except httpx2.HTTPError:
            return None
        return str(answer.json()["requestId"]) if answer.status_code == 202 else None

    return wait_for(f"message {number} of session {session} to be accepted", once, 120)


def keep_killing(scene: Scene, chance: random.Random, done: threading.Event) -> None:
    """Kill a process, or strike the broker, again and again; start what was killed."""
    for number in range(scene.kills):
        if done.wait(chance.uniform(0.5, 3.0)):
            return
        if scene.once and number == scene.kills // 2:
            scene.strike()
        target = chance.choice(scene.targets)
        if target == "broker":
            scene.strike()
        else:
            scene.stack.kill(target)
            scene.stack.start(target, *COMMANDS[target])


def run(scene: Scene) -> dict[int, list[str]]:
    """Let clients talk while processes are killed; return the requests each session was told of."""
    chance = random.Random(SEED)
    killing = threading.Thread(target=keep_killing, args=(scene, chance, threading.Event()))
    acknowledged: dict[int, list[str]] = defaultdict(list)

    def converse(session: int) -> None:
        # Posted for as long as things are killed.
        pause = 2.0 * scene.kills / scene.messages if scene.once else 0.5
        for number in range(scene.messages):
            acknowledged[session].append(post_until_accepted(scene.stack, session, number))
            time.sleep(chance.uniform(0, pause))

    scene.stack.simulator.pace(latency_ms=120)
    killing.start()
    with ThreadPoolExecutor(scene.sessions) as pool:
        list(pool.map(converse, range(scene.sessions)))
    killing.join()
    scene.stack.simulator.pace()
    scene.stack.wait_ready()
    return acknowledged


def test_nothing_acknowledged_is_lost_doubled_or_out_of_order(scene: Scene) -> None:
    acknowledged = run(scene)
    stack, heard = scene.stack, scene.heard
    said = [f"message {number}" for number in range(scene.messages)]
    for session, requests in acknowledged.items():
        assert len(set(requests)) == scene.messages
        ends = [stack.result(request, 300) for request in requests]
        assert {end["status"] for end in ends} == {"succeeded"}, [end.get("failure") for end in ends]
        (session_id,) = {end["sessionId"] for end in ends}
        transcript = stack.transcript(session_id)
        assert [text for role, text in transcript if role == "user"] == said
        assert [text for role, text in transcript if role == "assistant"] == [end["reply"] for end in ends]
        assert len(transcript) == 2 * scene.messages, session
    # A flush of the broker takes events that were published along with it; those heard have one id for each request.
    if scene.once:
        for request in (request for requests in acknowledged.values() for request in requests):
            wait_for(f"the event of {request}", partial(heard.of, request), 60)
    ids = defaultdict(set)
    for event in heard.events:
        ids[event["data"].get("requestId")].add(event["id"])
    assert all(len(found) == 1 for found in ids.values())
