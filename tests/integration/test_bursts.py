"""Messages in quick succession through a whole deployment: one reply, in time, though the reconciler is slow."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from simulator.schema import Fault
from tests.support.stack import Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

SECONDS = 1.0
LONG = "It comes tomorrow, between nine and noon. " * 4
ROUND = 10.0  # of the reconciler; who waits for it, waits too long


@pytest.fixture
def stack(valkey: Valkey, tmp_path: Path) -> Iterator[Stack]:
    """Web and a chat worker that wait for bursts, and nothing else that could wake them."""
    with valkey.client(0) as client:
        client.flushall()
    settings = {"COALESCE_SECONDS": str(SECONDS), "RECONCILE_SECONDS": str(ROUND), "ANTHROPIC_API_KEY": ""}
    stack = Stack(tmp_path, valkey, None, **settings)
    try:
        stack.start("chat", "worker", "chat")
        stack.start_web()
        stack.wait_worker("chat")
        yield stack
    finally:
        stack.close()


def test_a_burst_is_answered_once_without_waiting_for_the_reconciler(stack: Stack) -> None:
    with httpx2.Client(base_url=stack.url, timeout=60, verify=False) as http:
        begun = time.monotonic()
        ids = [_post(http, text) for text in ("Hi", "my order is 4711", "Which order is mine?")]
        told = [_ended(http, name) for name in ids]
        took = time.monotonic() - begun
        assert {each["status"] for each in told} == {"succeeded"}
        assert len({each["reply"] for each in told}) == 1
        assert SECONDS <= took < ROUND / 2
        messages = http.get(f"/api/sessions/{told[0]['sessionId']}/messages").json()
        assert [message["role"] for message in messages] == ["user", "user", "user", "assistant"]
        assert "4711" in messages[-1]["content"]
    assert stack.simulator.stats().requests == 1


def test_who_listens_to_a_later_request_hears_the_reply_that_covers_it(stack: Stack) -> None:
    stack.simulator.add_faults(Fault(kind="reply", text=LONG, delay_ms=500, match="4711"))
    stack.simulator.pace(tokens_per_second=60)
    with httpx2.Client(base_url=stack.url, timeout=60, verify=False) as http:
        ids = [_post(http, text) for text in ("Hi", "Where is my parcel?", "It is order 4711")]
        *deltas, last = _heard(http, ids[1])
        assert {name for name, _ in deltas} == {"delta"}
        assert len(deltas) >= 2
        words = "".join(data["text"] for _, data in deltas)
        assert words
        assert last[0] == "result"
        assert last[1]["reply"].startswith(words)
        # Whoever comes when all is said hears what was kept for the first.
        assert [data["text"] for name, data in _heard(http, ids[2]) if name == "delta"] == [words]


def _heard(http: httpx2.Client, request_id: str) -> list[tuple[str, dict[str, Any]]]:
    with http.stream("GET", f"/api/chat/{request_id}/events") as response:
        return [(each.event, json.loads(each.data)) for each in httpx2.EventSource(response) if each.data]


def _post(http: httpx2.Client, message: str) -> str:
    body = {"customerId": "cust-1", "conversationId": "conv-1", "message": message}
    response = http.post("/api/chat", json=body)
    assert response.status_code == 202, response.text
    return str(response.json()["requestId"])


def _ended(http: httpx2.Client, request_id: str) -> dict[str, Any]:
    """Return a request once it has ended."""

    def look() -> dict[str, Any] | None:
        told: dict[str, Any] = http.get(f"/api/chat/{request_id}").json()
        return told if told["status"] in {"succeeded", "failed"} else None

    return wait_for(f"{request_id} to end", look)
