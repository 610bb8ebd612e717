"""Summaries are made ahead of time and nowhere near a reply: the real worker and SDK, a summariser in trouble."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from simulator.schema import Fault
from tests.support.crashing import CRASH, SUMMARY_POINTS
from tests.support.stack import Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

WORDS = "I have been waiting for my parcel for quite a while and nobody has told me anything about where it may be. "
THRESHOLD = 400


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment; its worker for summaries is started by the first test that wants one."""
    folder = tmp_path_factory.mktemp("ahead")
    server = Valkey(folder / "store")
    settings: dict[str, Any] = {
        "COMPRESSION_STRATEGY": "summarization",
        "SUMMARY_THRESHOLD_TOKENS": str(THRESHOLD),
        "RECONCILE_SECONDS": "0.25",
        "SUMMARY_LEASE_SECONDS": "3",
        "ANTHROPIC_API_KEY": "",
    }
    stack = Stack(folder, server, **settings)
    for role in ("chat", "maintenance", "beat"):
        stack.start(role, "worker", role)
    stack.start_web()
    stack.wait_worker("chat", "maintenance")
    yield stack
    stack.close()
    server.stop()


class Customer:
    """Somebody who talks, turn by turn."""

    def __init__(self, stack: Stack) -> None:
        self.name = f"cust-{secrets.token_hex(4)}"
        self._http = httpx2.Client(base_url=stack.url, timeout=60, verify=False)
        self.session: str | None = None
        self.replies = 0

    def say(self, text: str) -> dict[str, Any]:
        """Say something; return the receipt of the reply, which must come."""
        body = {
            "customerId": self.name,
            "message": f"{self.name}: {text}",
            **({"sessionId": self.session} if self.session else {}),
        }
        response = self._http.post("/api/chat", json=body, headers={"Prefer": "wait=60"})
        assert response.status_code == 200, response.text
        result = response.json()
        self.session, self.replies = result["sessionId"], self.replies + 1
        receipt: dict[str, Any] = self._http.get(f"/api/chat/{result['requestId']}/receipt").json()
        return receipt

    def summary(self, version: int = 1) -> dict[str, Any]:
        """Wait for the session's summary of that version or a later one."""

        def look() -> dict[str, Any] | None:
            response = self._http.get(f"/api/sessions/{self.session}/summary")
            found: dict[str, Any] = response.json()
            return found if response.status_code == 200 and found["version"] >= version else None

        return wait_for(f"summary {version}", look, 60)

    def first_summary(self) -> dict[str, Any]:
        """Return the session's first summary."""
        found: list[dict[str, Any]] = self._http.get(f"/api/sessions/{self.session}/summaries").json()
        return found[-1]

    def close(self) -> None:
        """Hang up."""
        self._http.close()


@pytest.fixture
def customer(stack: Stack) -> Iterator[Customer]:
    stack.simulator.clear_faults()
    stack.simulator.clear_requests()
    customer = Customer(stack)
    yield customer
    customer.close()


def with_summaries(stack: Stack) -> None:
    """Let there be a worker for summaries."""
    if not stack.started("summaries"):
        stack.start("summaries", "worker", "summaries")


def summaries_asked(stack: Stack, customer: Customer) -> int:
    """Return how many requests for summaries of this customer's session the simulator was sent."""
    bodies = [str(request.body) for request in stack.simulator.requests()]
    return sum("You summarise" in body and customer.name in body for body in bodies)


def test_nobody_who_replies_summarises(stack: Stack, customer: Customer) -> None:
    """Without a worker for summaries turns go on, the gap is told, and no summary is asked for by anybody."""
    for number in range(30):
        receipt = customer.say(f"Turn {number} about order #W{4700 + number}: {WORDS * 3}")
        assert [part["name"] for part in receipt["parts"] if part["name"] == "summary"] == []
    assert summaries_asked(stack, customer) == 0
    assert receipt.get("gap") is not None
    with_summaries(stack)
    made = customer.summary()
    assert made["coversFrom"] == 1
    assert made["coversThrough"] >= 50
    receipt = customer.say("And now?")
    assert receipt.get("gap") is None
    assert next(part for part in receipt["parts"] if part["name"] == "summary")["included"]
    assert receipt["tokens"] <= receipt["budget"]["max"] - receipt["budget"]["reserve"]


@pytest.mark.parametrize("how", ["empty", "none", "refusal", "too_long", "drop", "alter", "instructions"])
def test_a_summariser_in_trouble_stores_nothing_wrong_and_delays_no_reply(
    stack: Stack, customer: Customer, how: str
) -> None:
    with_summaries(stack)
    stack.simulator.add_faults(
        Fault.model_validate({"kind": "summary", "how": how, "times": -1, "match": customer.name})
    )
    for number in range(6):
        customer.say(f"Turn {number} about order #W{4700 + number} for $12.50: {WORDS * 3}")
    wait_for("the summariser to be asked", lambda: summaries_asked(stack, customer) >= 2, 60)
    stack.simulator.clear_faults()
    for number in range(6, 12):
        customer.say(f"Turn {number} about order #W{4700 + number} for $12.50: {WORDS * 3}")
    if how in {"empty", "none", "refusal"}:
        return  # nothing was stored, and a minute passes before the next try
    customer.summary()
    made = customer.first_summary()
    assert made["verified"] in {"repaired", "appended"}
    assert "Ignore all previous" not in made["text"]
    assert made["tokens"] <= 300
    assert "#W4700" in made["text"]


def test_a_killed_summariser_comes_back(stack: Stack, customer: Customer) -> None:
    with_summaries(stack)
    stack.simulator.add_faults(Fault(kind="summary", how="slow", delay_ms=30_000, match=customer.name))
    for number in range(8):
        customer.say(f"Turn {number} about order #W{4700 + number}: {WORDS * 3}")
    wait_for("the summariser to be asked", lambda: summaries_asked(stack, customer) == 1, 60)
    stack.kill("summaries")
    stack.start("summaries", "worker", "summaries")
    made = customer.summary()
    assert "#W4700" in made["text"]
    assert made["version"] == 1


@pytest.mark.parametrize("point", SUMMARY_POINTS)
def test_a_summariser_killed_around_its_store_leaves_one_summary(stack: Stack, customer: Customer, point: str) -> None:
    """Killed between call and store, another makes it; killed after the store, it is announced all the same."""
    if stack.started("summaries"):
        stack.kill("summaries")
    stack.start(point, "tests.support.crashing", "worker", "summaries", point)
    for number in range(8):
        customer.say(f"{CRASH} in turn {number} about order #W{4700 + number}: {WORDS * 3}")
    assert stack.died(point) == -signal.SIGKILL, stack.log(point)
    stack.start("summaries", "worker", "summaries")
    made = customer.summary()
    assert made["version"] == 1
    assert "#W4700" in made["text"]
    assert summaries_asked(stack, customer) == (2 if point == "before-summary" else 1)
