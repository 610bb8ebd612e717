"""Begin here. One command starts the service; a conversation survives its end; a preference outlives its session.

Everything is real: the embedded Valkey, the web process, the Celery workers, the simulator that stands in for Claude.
The simulator answers only from the context it is sent, so what it says proves what the context held.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli.embedded import free_port
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]


@contextmanager
def service(folder: Path) -> Iterator[httpx2.Client]:
    """Run `customer-memory up` on a data folder, as `make run` does; stop it with Ctrl-C."""
    port = free_port()
    environment = {**os.environ, "PORT": str(port), "DATA_DIR": str(folder / "data"), "PYTHONPATH": str(ROOT)}
    with (folder / "up.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "up"], cwd=folder, env=environment, stdout=log, stderr=log
        )
        try:
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                wait_for("the service", lambda: _ready(client), 90)
                yield client
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0, (folder / "up.log").read_text(errors="replace")


def ask(client: httpx2.Client, message: str, customer: str = "maria", **more: Any) -> dict[str, Any]:
    """Post a customer's message and wait for the reply."""
    body = {"customerId": customer, "message": message, **more}
    response = client.post("/api/chat", json=body, headers={"Prefer": "wait=60"})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("first-run")


def test_a_conversation_survives_the_end_of_the_service(folder: Path) -> None:
    with service(folder) as client:
        first = ask(client, "Hello, my order number is A-1234.", conversationId="ticket-1")
        ask(client, "My order number is Z-9999.", customer="someone-else")
    with service(folder) as client:
        again = ask(client, "What was my order number?", conversationId="ticket-1")
        assert again["sessionId"] == first["sessionId"]
        assert "A-1234" in again["reply"]
        assert "Z-9999" not in again["reply"]
        assert again["simulated"] is True

        # What one session leaves in memory, the customer's next session begins with; and nobody else's does.
        entry = {"customerId": "maria", "key": "preferred language", "value": "German", "scope": "preference"}
        assert client.post("/api/memory", json=entry).status_code == 201
        later = ask(client, "What is my preferred language?")
        other = ask(client, "What is my preferred language?", customer="someone-else")
        assert later["sessionId"] != first["sessionId"]
        assert "German" in later["reply"]
        assert "German" not in other["reply"]

        # The receipt tells what the context held.
        receipt = client.get(f"/api/chat/{later['requestId']}/receipt").json()
        parts = {part["name"]: part for part in receipt["parts"]}
        assert parts["memory"]["included"] == ["preferred language"]
        assert receipt["tokens"] <= receipt["budget"]["max"] - receipt["budget"]["reserve"]

        # A session can be read, and its transcript is in order.
        transcript = client.get(f"/api/sessions/{first['sessionId']}/messages").json()
        assert [message["role"] for message in transcript] == ["user", "assistant"] * 2


def _ready(client: httpx2.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx2.HTTPError:
        return False
