"""A process killed at a point of a turn: one message, one reply, one event id, every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.moto import UNHURRIED, Moto, TopicLog
from tests.support.stack import EventLog, Heard, Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

# Workers that do not crash, for two of the tests.
STEADY = ("steady", "late")


def opened(folder: Path, server: Valkey | Moto, points: Sequence[str]) -> Iterator[tuple[Stack, Heard]]:
    """Run a service over one server, which is store and broker; yield it, and what a subscriber hears of it."""
    heard: Heard = EventLog(server.url(1)) if isinstance(server, Valkey) else TopicLog(server)
    settings = {"LEASE_SECONDS": "1", "RECONCILE_SECONDS": "0.5"}
    if isinstance(heard, TopicLog):
        settings |= {"EVENTS_TOPIC_ARN": heard.topic, **UNHURRIED}
    stack = Stack(folder, server, None, **settings)
    stack.start_healer()
    stack.start_web()
    stack.wait_worker("healer")
    for name in (*points, *STEADY):  # all at once: whoever is wanted later has begun by then
        stack.start(name, "tests.support.crashing", "worker", "chat", name, str(folder / f"{name}.go"))
    yield stack, heard
    heard.close()
    stack.close()
    server.stop()


class CrashContract:
    """What must hold over any store and broker. `scene`: a module's own fixture, from `opened`."""

    @pytest.fixture
    def stack(self, scene: tuple[Stack, Heard]) -> Stack:
        return scene[0]

    @pytest.fixture
    def events(self, scene: tuple[Stack, Heard]) -> Heard:
        return scene[1]

    def killed_at(self, point: str, stack: Stack, events: Heard) -> None:
        """Let a worker be killed, and see what came of its request."""
        let_work(stack, point)
        message = f"CRASH {point}"
        accepted = stack.chat(message, wait=0, customerId=point).json()
        assert stack.died(point) == -9
        assert_one_outcome(stack, events, accepted["requestId"], message)

    def test_a_web_process_killed_between_accept_and_wake(self, stack: Stack, events: Heard) -> None:
        port = stack.simulator_port + 1
        stack.start("crashing-web", "tests.support.crashing", "web", env={"PORT": str(port)})
        let_work(stack, "steady")
        url = f"http://127.0.0.1:{port}"
        wait_for("the crashing web process", lambda: _alive(url))
        with pytest.raises(httpx2.HTTPError):
            httpx2.post(f"{url}/api/chat", json={"customerId": "unwoken", "message": "Anyone there?"}, timeout=20)
        assert stack.died("crashing-web") == -9
        with stack.client() as client:
            (session,) = wait_for("its session", lambda: _told(client, "/api/sessions?customerId=unwoken"))
        wait_for("the reply", lambda: len(stack.transcript(session["id"])) == 2)

        def announced() -> bool:
            events.listen()
            return any(event.get("subject") == session["id"] for event in events.events)

        wait_for("the event", announced)
        stack.kill("steady")

    def test_the_broker_flushed_between_accept_and_claim(self, stack: Stack, events: Heard) -> None:
        # SQS still has what it gave to those who were killed, and gives it again when it likes.
        before = stack.broker.waiting("chat")
        accepted = stack.chat("Is this lost?", wait=0, customerId="flushed").json()
        assert stack.broker.waiting("chat") > before
        stack.broker.purge("chat")
        let_work(stack, "late")
        assert_one_outcome(stack, events, accepted["requestId"], "Is this lost?")
        stack.kill("late")


def let_work(stack: Stack, name: str) -> None:
    """Let a worker take tasks that has begun long since."""
    (stack.folder / f"{name}.go").touch()
    stack.wait_worker(name)


def assert_one_outcome(stack: Stack, events: Heard, request_id: str, message: str) -> None:
    """See that a request was answered and announced once."""
    status = stack.result(request_id)
    assert status["status"] == "succeeded", status
    assert stack.transcript(status["sessionId"]) == [("user", message), ("assistant", status["reply"])]
    wait_for("the event", lambda: events.of(request_id))
    assert {event["id"] for event in events.of(request_id)} == {f"evt_{request_id}"}
    wait_for("what was answered to be counted once", lambda: counted(stack))


def counted(stack: Stack) -> bool:
    """Return whether usage tells of as many replies as there are; more are too many for ever."""
    with stack.client() as client:
        usage, succeeded = _told(client, "/api/usage"), _told(client, "/api/requests?status=succeeded&limit=200")
    if usage is None or succeeded is None:
        return False
    turns: int = sum(row["turns"] for row in usage if row["purpose"] == "reply")
    answered = len(succeeded)
    assert turns <= answered
    return bool(turns == answered)


def _told(client: httpx2.Client, path: str) -> Any:
    """Return what is told; None while the store is too slow for it."""
    response = client.get(path)
    return response.json() if response.status_code == 200 else None


def _alive(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/healthz", timeout=1).status_code == 200
    except httpx2.HTTPError:
        return False
