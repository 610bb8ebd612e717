"""Processes killed at random under load, and the broker flushed: what was acknowledged is what is there.

The oracle is what the clients were told. Afterwards every acknowledged message must stand in its session once, in the
order acknowledged, with one reply, and with one event id; nothing else may stand there.
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.support.stack import EventLog, Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

SESSIONS = 40
MESSAGES = 12
KILLS = 20
SEED = 20261122

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    store = Valkey(tmp_path / "store", durable=True)
    stack = Stack(tmp_path, store, LEASE_SECONDS="2", RECONCILE_SECONDS="0.5", MAX_OPEN_REQUESTS="1000")
    stack.start_all()
    stack.wait_worker("quarantine")
    yield stack
    stack.close()
    store.stop()


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


def keep_killing(stack: Stack, chance: random.Random, done: threading.Event) -> None:
    """Kill a process, or flush the broker, again and again; start what was killed."""
    commands = {
        "chat": ("worker", "chat"),
        "quarantine": ("worker", "quarantine"),
        "maintenance": ("worker", "maintenance"),
        "beat": ("worker", "beat"),
        "web": ("api",),
    }
    for _ in range(KILLS):
        if done.wait(chance.uniform(0.5, 3.0)):
            return
        target = chance.choice([*commands, "chat", "chat", "broker"])
        if target == "broker":
            with stack.broker.client(1) as client:
                client.flushdb()
        else:
            stack.kill(target)
            stack.start(target, *commands[target])


def test_nothing_acknowledged_is_lost_doubled_or_out_of_order(stack: Stack) -> None:
    chance = random.Random(SEED)
    stack.simulator.pace(latency_ms=120)
    events = EventLog(stack.broker.url(1))
    done = threading.Event()
    killer = threading.Thread(target=keep_killing, args=(stack, chance, done))
    acknowledged: dict[int, list[str]] = defaultdict(list)

    def converse(session: int) -> None:
        for number in range(MESSAGES):
            acknowledged[session].append(post_until_accepted(stack, session, number))
            time.sleep(chance.uniform(0, 0.5))

    killer.start()
    with ThreadPoolExecutor(SESSIONS) as pool:
        list(pool.map(converse, range(SESSIONS)))
    killer.join()
    stack.simulator.pace()
    stack.wait_ready()

    for session, requests in acknowledged.items():
        assert len(set(requests)) == MESSAGES
        ends = [stack.result(request, 300) for request in requests]
        assert {end["status"] for end in ends} == {"succeeded"}, [end.get("failure") for end in ends]
        (session_id,) = {end["sessionId"] for end in ends}
        transcript = stack.transcript(session_id)
        assert [text for role, text in transcript if role == "user"] == [f"message {n}" for n in range(MESSAGES)]
        assert [text for role, text in transcript if role == "assistant"] == [end["reply"] for end in ends]
        assert len(transcript) == 2 * MESSAGES, session
    # A flush of the broker takes events that were published along with it; those heard have one id for each request.
    ids = defaultdict(set)
    for event in events.events:
        ids[event["data"].get("requestId")].add(event["id"])
    assert all(len(found) == 1 for found in ids.values())
    events.close()
