"""Batches that are refused as a whole, before any of their requests is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.claude_batches import ClaudeBatches
from shared.errors import ClaudeFailed
from shared.prompt import BatchRequest, Prompt
from shared.settings import Settings
from simulator import batch_routes
from simulator.client import SimulatorControl

MODEL = "claude-haiku-5-5"


def params() -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}


def requests(count: int) -> list[BatchRequest]:
    prompt = Prompt(MODEL, "", ({"role": "user", "content": "Hello"},), 50)
    return [BatchRequest(f"ses_{number}-1", prompt) for number in range(count)]


@pytest.mark.parametrize(
    "body",
    [
        {"requests": [{"custom_id": custom_id, "params": params()}]}
        for custom_id in ("", "a b", "x" * 65, "ä", "a\n", "a.b", 7, None)
    ]
    + [
        {"requests": [{"custom_id": "a", "params": params()}] * 2},
        {"requests": [{"custom_id": "a"}]},
        {"requests": ["a"]},
        {"requests": []},
        {},
        [],
        b"no json",
    ],
    ids=lambda body: json.dumps(body)[:60] if not isinstance(body, bytes) else "bytes",
)
def test_a_batch_that_is_wrong_is_refused_whole(post: Callable[..., Any], url: str, body: object) -> None:
    status, _, told = post(body, "/v1/messages/batches")
    assert (status, told["error"]["type"]) == (400, "invalid_request_error")
    assert SimulatorControl(url).batches() == []


@pytest.mark.parametrize(("count", "status"), [(100_000, 200), (100_001, 400)])
def test_a_batch_has_at_most_a_hundred_thousand_requests(post: Callable[..., Any], count: int, status: int) -> None:
    body = {"requests": [{"custom_id": str(number), "params": {}} for number in range(count)]}
    assert post(body, "/v1/messages/batches")[0] == status


async def test_a_batch_that_is_too_large_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_routes, "MAX_BATCH_BYTES", 2_000)
    client = ClaudeBatches(Settings(simulator_url=url))
    assert (await client.create(requests(3))).processing == 3
    with pytest.raises(ClaudeFailed) as refused:
        await client.create(requests(30))
    await client.close()
    assert refused.value.cause == "request-too-large"


def test_without_a_key_no_batch_is_taken(post: Callable[..., Any]) -> None:
    assert post({"requests": []}, "/v1/messages/batches", {"anthropic-version": "2026-10-21"})[0] == 401
