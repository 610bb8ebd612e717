"""Callbacks of whole deployments: receivers as the how-to shows them, and processes that die on the way."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli.embedded import free_port
from tests.support.moto import UNHURRIED, Moto
from tests.support.receiver import Answer, Posted, Receiver
from tests.support.stack import Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "receive-callbacks.md"
SETTINGS = {
    "SECRET_KEY": "k" * 64,
    "CALLBACK_ALLOW_HTTP": "true",
    "CALLBACK_ALLOWED_CIDRS": "127.0.0.0/8",
    "CALLBACK_TIMEOUT_SECONDS": "2",
    "RECONCILE_SECONDS": "0.5",
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    server = Valkey(tmp_path_factory.mktemp("callbacks-valkey"))
    stack = Stack(tmp_path_factory.mktemp("callbacks"), server, None, **SETTINGS)
    try:
        stack.start_all()
        yield stack
    finally:
        stack.close()
        server.stop()


def new_secret(stack: Stack) -> str:
    with stack.client() as client:
        return str(client.post("/api/callbacks/secret", json={"overlapHours": 0}).json()["secret"])


def begin(stack: Stack, url: str, message: str = "Hello", customer: str = "cust-1") -> str:
    with stack.client() as client:
        body = {"customerId": customer, "message": message, "callbackUrl": url}
        response = client.post("/api/chat", json=body)
    assert response.status_code == 202, response.text
    return str(response.json()["requestId"])


def delivery(stack: Stack, request: str) -> dict[str, Any]:
    with stack.client() as client:
        found: dict[str, Any] = client.get(f"/api/deliveries/evt_{request}").json()
    return found


def delivered(stack: Stack, request: str, seconds: float = 60) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = delivery(stack, request)
        return found if found.get("status") == "delivered" else None

    return wait_for(f"{request} to be delivered", look, seconds)


def example(language: str) -> str:
    """Return the receiver that the how-to shows."""
    found = re.search(rf"^```{language}\n(.*?)^```", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("language", ["python", "js"])
def test_the_receivers_of_the_how_to_are_short(language: str) -> None:
    assert len([line for line in example(language).splitlines() if line.strip()]) <= 15


@pytest.mark.parametrize("language", ["python", "js"])
def test_the_receivers_of_the_how_to_take_what_is_posted_and_refuse_what_is_not(
    stack: Stack, tmp_path: Path, language: str
) -> None:
    command = {"python": sys.executable, "js": shutil.which("node")}[language]
    if command is None:
        pytest.skip("there is no node on this machine")
    source, log, port = tmp_path / f"receiver.{language}", tmp_path / "log", free_port()
    source.write_text(example(language))
    env = {**os.environ, "CALLBACK_SECRET": new_secret(stack), "PORT": str(port)}
    with log.open("wb") as out:
        process = subprocess.Popen([command, str(source)], env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        request = begin(stack, f"http://127.0.0.1:{port}/", f"My order is {language}-4711.", language)
        delivered(stack, request)
        assert "chat.reply.completed" in log.read_text()
        new_secret(stack)  # which the receiver does not know
        stale = {"webhook-id": "evt_1", "webhook-timestamp": "1784546129", "webhook-signature": "v1,AAAA"}
        for more in ({"webhook-timestamp": "junk"}, {"webhook-signature": "v1,,x v1"}, {}):
            answer = httpx2.post(f"http://127.0.0.1:{port}/", content=b"{}", headers={**stale, **more})
            assert answer.status_code == 401
        assert httpx2.post(f"http://127.0.0.1:{port}/", content=b"\xff{}").status_code == 401
        refused = begin(stack, f"http://127.0.0.1:{port}/", "Hello", language)
        wait_for("an attempt to be refused", lambda: delivery(stack, refused).get("attempts"), 60)
        assert delivery(stack, refused)["attempts"][0]["error"] == "answered 401"
    finally:
        process.terminate()
        process.wait(10)


def test_a_worker_killed_between_posting_and_writing_it_down_posts_again_under_the_same_id(
    stack: Stack, receiver: Receiver
) -> None:
    secret = new_secret(stack)
    killed = threading.Event()

    def kill_first(_: Posted) -> Answer:
        if not killed.is_set():
            killed.set()
            stack.kill("callbacks")
        return 204, {}

    receiver.answers = kill_first
    request = begin(stack, receiver.url, customer="killed")
    wait_for("the worker to be killed", killed.is_set, 60)
    assert delivery(stack, request)["status"] == "pending"
    stack.start("callbacks", "worker", "callbacks")
    delivered(stack, request, 90)
    assert [posted.id for posted in receiver.posted] == [f"evt_{request}"] * 2
    assert {posted.event(secret)["id"] for posted in receiver.posted} == {f"evt_{request}"}


@pytest.mark.parametrize("point", ["after-commit", "before-announce", "before-strike"])
def test_a_worker_killed_after_the_commit_leaves_the_callback_to_the_reconciler(
    stack: Stack, receiver: Receiver, point: str
) -> None:
    new_secret(stack)
    stack.kill("chat")
    stack.start(point, "tests.support.crashing", "worker", "chat", point)
    request = begin(stack, receiver.url, f"CRASH {point}", point)
    stack.died(point)
    stack.start("chat", "worker", "chat")
    delivered(stack, request, 90)
    assert {posted.id for posted in receiver.posted} == {f"evt_{request}"}


def test_callbacks_need_no_broker_that_remembers(stack: Stack, receiver: Receiver) -> None:
    new_secret(stack)
    receiver.answers = lambda _: (500, {}) if len(receiver.posted) == 1 else (200, {})
    request = begin(stack, receiver.url, customer="flushed")
    wait_for("the first attempt", lambda: delivery(stack, request).get("attempts"), 60)
    stack.broker.purge("callbacks")
    assert len(delivered(stack, request, 90)["attempts"]) == 2


def test_the_same_on_dynamodb_and_sqs(moto: Moto, tmp_path: Path, receiver: Receiver) -> None:
    stack = Stack(tmp_path, moto, None, **{**SETTINGS, **UNHURRIED})
    receiver.answers = lambda _: (500, {}) if len(receiver.posted) == 1 else (200, {})
    try:
        for role in ("chat", "maintenance", "callbacks", "beat"):
            stack.start(role, "worker", role)
        stack.start_web()
        secret = new_secret(stack)
        request = begin(stack, receiver.url)
        found = delivered(stack, request, 100)
    finally:
        stack.close()
    assert [each.get("error") for each in found["attempts"]] == ["answered 500", None]
    assert [posted.event(secret)["id"] for posted in receiver.posted] == [f"evt_{request}"] * 2
