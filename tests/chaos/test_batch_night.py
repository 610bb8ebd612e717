"""A night of batches: thousands of sessions, workers killed in the middle, and each session summarised once.

SUPPORT_SESSIONS may name files of real conversations, a customer a line, separated by commas:
`{"customer": …, "sessions": [{"turns": [{"speaker": "Customer", "text": …}, {"speaker": "Agent", …}]}]}`.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.clock import system_clock
from shared.context.tokens import load_counter
from shared.ids import Ids, bucket_of
from shared.models import Message, Role
from shared.settings import load_settings
from shared.storage import open_store
from shared.storage.types import NewSession
from tests.support.stack import Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

SESSIONS = 2_000
KILLS = 6
SENTENCES = (
    "I have been waiting for my parcel for quite a while, order #W{}, and nobody has told me anything.",
    "I have looked at order #W{} for you; we will send a new one by Friday.",
    "Thank you. It was ${}.50 in all, please refund that.",
    "That has been done, you will have a mail from us in the next hour.",
)

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


def conversations() -> Iterator[tuple[str, list[tuple[Role, str]]]]:
    """Yield customers, and what was said in one session of theirs."""
    files = [Path(name) for name in os.environ.get("SUPPORT_SESSIONS", "").split(",") if name]
    if not files:
        for number in range(SESSIONS):
            texts = [text.format(number * 7 + 1000) for text in SENTENCES] * (1 + number % 4)
            yield f"cust-{number % 300}", [("assistant" if at % 2 else "user", text) for at, text in enumerate(texts)]
        return
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            customer = json.loads(line)
            for session in customer["sessions"]:
                turns: list[tuple[Role, str]] = [
                    ("user" if turn["speaker"].lower().startswith(("customer", "user")) else "assistant", turn["text"])
                    for turn in session["turns"]
                    if turn["text"].strip()
                ]
                yield f"{file.stem}/{customer['customer']}", turns


async def fill(stack: Stack) -> list[str]:
    """Put the conversations into the store; return the sessions."""
    ids, counter, gate, made = Ids(), load_counter(), asyncio.Semaphore(16), list[str]()
    environment = {name: value for name, value in stack.settings.items() if name in {"REDIS_URL", "BROKER_URL"}}
    async with open_store(load_settings(**{name.lower(): value for name, value in environment.items()})) as store:
        own = store.tenant("default")

        async def one(customer: str, turns: list[tuple[Role, str]]) -> None:
            async with gate:
                session = ids.session(bucket_of("default", customer))
                await own.create_session(session, NewSession(customer))
                for role, text in turns:
                    message = Message(
                        id=ids.message(), role=role, content=text, at=system_clock(), tokens=counter.count(text)
                    )
                    await own.record(session, message, backdated=False)
                made.append(session)

        chosen = [each for _, each in zip(range(SESSIONS), conversations(), strict=False)]
        await asyncio.gather(*(one(customer, turns) for customer, turns in chosen))
    return made


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    server = Valkey(tmp_path / "store")
    settings: dict[str, Any] = {
        "SUMMARY_IDLE_MINUTES": "0",
        "RECONCILE_SECONDS": "0.25",
        "SUMMARY_LEASE_SECONDS": "3",
        "ANTHROPIC_API_KEY": "",
    }
    stack = Stack(tmp_path, server, **settings)
    yield stack
    stack.close()
    server.stop()


def test_each_session_is_summarised_once_whoever_is_killed(stack: Stack) -> None:
    sessions = asyncio.run(fill(stack))
    for role in ("maintenance", "summaries", "beat"):
        stack.start(role, "worker", role)
    stack.start_web()
    stack.simulator.pace(batch_seconds=4)
    with httpx2.Client(base_url=stack.url, timeout=60, verify=False) as http:
        began = time.monotonic()
        batch = http.post("/api/summaries/batch", json={"idleHours": 0}).json()["batchId"]
        stop = threading.Event()
        killer = threading.Thread(target=_kill, args=(stack, stop))
        killer.start()

        def look() -> dict[str, Any] | None:
            view: dict[str, Any] = http.get(f"/api/summaries/batch/{batch}").json()
            return view if view["status"] == "ended" else None

        try:
            view = wait_for("the end of the batch", look, 1200)
        finally:
            stop.set()
            killer.join()
        took = time.monotonic() - began
        versions = Counter(len(http.get(f"/api/sessions/{session}/summaries").json()) for session in sessions)
    handed_in = Counter(
        custom_id.partition("-")[0] for each in stack.simulator.batches() for custom_id in each.custom_ids
    )
    print(f"{len(sessions)} sessions in {took:.0f} s, {KILLS} kills: {view['counts']}, {versions}")  # noqa: T201 - the figure
    print(f"handed in: {len(stack.simulator.batches())} batches, {handed_in.total()} requests")  # noqa: T201 - the figure
    print(f"batch ${view['batched']['estimatedCost']}, direct ${view['direct']['estimatedCost']}")  # noqa: T201 - the figure
    assert view["total"] == len(sessions)
    assert view["counts"] == {"done": len(sessions)}
    assert versions == {1: len(sessions)}
    assert handed_in == dict.fromkeys(sessions, 1)


def _kill(stack: Stack, stop: threading.Event) -> None:
    """Kill the worker of summaries again and again, and start another."""
    chance = random.Random(5)
    for _ in range(KILLS):
        if stop.wait(chance.uniform(1.5, 5)):
            return
        stack.kill("summaries")
        stack.start("summaries", "worker", "summaries")
        stop.wait(3)  # it takes some seconds to import
