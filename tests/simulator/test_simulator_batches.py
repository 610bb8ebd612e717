"""Message batches: the real SDK, and the service's own client, against the simulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import anthropic
import pytest
import pytest_asyncio
from aiohttp import web
from anthropic import AsyncAnthropic, DefaultAioHttpClient

from shared.claude_batches import ClaudeBatches
from shared.errors import ClaudeError, ClaudeFailed, ClaudeLater
from shared.prompt import BatchRequest, BatchResult, Prompt
from shared.settings import Settings as ServiceSettings
from simulator.client import SimulatorControl
from simulator.schema import Fault, Settings
from simulator.server import create_app
from simulator.testing import ManualClock, running
from simulator.tokens import TokenCounter

MODEL = "claude-haiku-5-5"
SECONDS = 100.0
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def url(counter: TokenCounter, clock: ManualClock) -> Iterator[str]:
    app = create_app(Settings(batch_seconds=SECONDS), counter=counter, clock=clock, sleep=clock.sleep)
    with running(app) as base_url:
        yield base_url


@pytest_asyncio.fixture
async def batches(url: str) -> AsyncIterator[ClaudeBatches]:
    client = ClaudeBatches(ServiceSettings(simulator_url=url))
    yield client
    await client.close()


def asked(text: str, **changed: Any) -> Prompt:
    message = {"role": "user", "content": [{"type": "text", "text": text}]}
    return Prompt(**{"model": MODEL, "system": "Be kind.", "messages": (message,), "max_tokens": 50, **changed})


def requests(count: int) -> list[BatchRequest]:
    return [BatchRequest(f"ses_{number}-1", asked(f"I am customer {number}.")) for number in range(count)]


def params(text: str = "Hello", **changed: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": text}], **changed}


async def heard(batches: ClaudeBatches, batch_id: str) -> dict[str, BatchResult]:
    return {result.custom_id: result async for result in batches.results(batch_id)}


async def test_a_batch_is_in_progress_until_it_has_ended(batches: ClaudeBatches, clock: ManualClock) -> None:
    created = await batches.create(requests(4))
    clock.advance(SECONDS / 2)
    midway = await batches.retrieve(created.id)
    clock.advance(SECONDS / 2)
    ended = await batches.retrieve(created.id)

    assert [each.status for each in (created, midway, ended)] == ["in_progress", "in_progress", "ended"]
    assert [(each.processing, each.succeeded) for each in (created, midway, ended)] == [(4, 0), (4, 0), (0, 4)]
    assert (ended.errored, ended.canceled, ended.expired) == (0, 0, 0)
    assert created.expires_at - created.created_at == timedelta(hours=24)


async def test_results_come_in_another_order_each_under_its_own_id(
    batches: ClaudeBatches, control: SimulatorControl
) -> None:
    given = requests(12)
    batch = await batches.create(given)
    control.finish_batch(batch.id)
    first = [result async for result in batches.results(batch.id)]
    again = [result async for result in batches.results(batch.id)]

    ids = [result.custom_id for result in first]
    assert sorted(ids) == sorted(request.custom_id for request in given)
    assert ids != [request.custom_id for request in given]
    assert first == again
    for result in first:
        assert result.reply is not None
        number = result.custom_id.removeprefix("ses_").removesuffix("-1")
        assert result.reply.text == f'[simulated] Noted: "I am customer {number}."'
        assert result.reply.usage.total == result.reply.usage.input + result.reply.usage.output > 0


async def test_the_sdk_reads_what_the_api_says(
    claude: AsyncAnthropic, control: SimulatorControl, clock: ManualClock
) -> None:
    created = await claude.messages.batches.create(requests=[{"custom_id": "a", "params": params()}])  # type: ignore[typeddict-item]  # a plain dict
    assert (created.type, created.results_url, created.ended_at) == ("message_batch", None, None)
    with pytest.raises(anthropic.AnthropicError, match="in_progress"):
        await claude.messages.batches.results(created.id)
    clock.advance(7)
    control.finish_batch(created.id)
    ended = await claude.messages.batches.retrieve(created.id)
    assert ended.ended_at is not None
    assert ended.ended_at - ended.created_at == timedelta(seconds=7)
    (line,) = [each async for each in await claude.messages.batches.results(created.id)]
    assert line.result.type == "succeeded"
    assert (line.result.message.type, line.result.message.usage.service_tier) == ("message", "batch")


async def test_results_of_a_batch_that_has_not_ended_are_refused(url: str, batches: ClaudeBatches) -> None:
    batch = await batches.create(requests(1))
    with pytest.raises(ClaudeLater) as later:
        await heard(batches, batch.id)
    assert later.value.cause == "not-ended"
    headers = {"x-api-key": "any", "anthropic-version": "2026-10-21"}
    with pytest.raises(HTTPError) as refused:
        await asyncio.to_thread(urlopen, Request(f"{url}/v1/messages/batches/{batch.id}/results", headers=headers))
    refused.value.close()
    assert refused.value.code == 400


RECURSIVE = {
    "type": "object",
    "properties": {"inner": {"$ref": "#"}},
    "required": ["inner"],
    "additionalProperties": False,
}


async def test_requests_that_are_wrong_show_it_in_their_results(
    claude: AsyncAnthropic, batches: ClaudeBatches, control: SimulatorControl
) -> None:
    wrong = {
        "no-model": params(model="claude-nobody-1"),
        "unknown-field": params(temper="mild"),
        "stream": params(stream=True),
        "warming": params(max_tokens=0),
        "recursive": params(output_config={"format": {"type": "json_schema", "schema": RECURSIVE}}),
        "no-messages": params(messages=[]),
    }
    body: Any = [{"custom_id": name, "params": each} for name, each in {**wrong, "good": params()}.items()]
    batch = await claude.messages.batches.create(requests=body)
    control.finish_batch(batch.id)
    (listed,) = [each async for each in batches.since(LONG_AGO)]
    results = await heard(batches, batch.id)

    assert (listed.errored, listed.succeeded) == (len(wrong), 1), "told before anybody has read the results"
    assert {name for name, result in results.items() if result.reply} == {"good"}
    failures = {name: result.failure for name, result in results.items() if result.failure}
    assert all(isinstance(failure, ClaudeFailed) for failure in failures.values()), failures
    causes = {name: failure.cause for name, failure in failures.items()}
    assert causes == {**dict.fromkeys(wrong, "invalid-request"), "no-model": "unknown-model"}


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (Fault(kind="status", status=529), ClaudeLater("server-error", "")),
        (Fault(kind="status", status=429), ClaudeLater("server-error", "")),
        (Fault(kind="status", status=403), ClaudeFailed("permission", "")),
        (Fault(kind="cut"), ClaudeLater("server-error", "")),
        (Fault(kind="empty"), ClaudeLater("empty-reply", "")),
        (Fault(kind="stop", stop_reason="refusal"), ClaudeFailed("refused", "")),
    ],
    ids=["overloaded", "rate-limited", "permission", "cut", "empty", "refusal"],
)
async def test_a_fault_meets_one_request_of_a_batch(
    batches: ClaudeBatches, control: SimulatorControl, fault: Fault, failure: ClaudeError
) -> None:
    control.add_faults(fault.model_copy(update={"match": "customer 2"}))
    batch = await batches.create(requests(4))
    control.finish_batch(batch.id)
    results = await heard(batches, batch.id)

    met = results["ses_2-1"].failure
    assert met is not None
    assert (type(met), met.cause) == (type(failure), failure.cause)
    assert sum(result.reply is not None for result in results.values()) == 3


async def test_a_reply_that_was_cut_is_told_as_cut(batches: ClaudeBatches, control: SimulatorControl) -> None:
    batch = await batches.create([BatchRequest("short", asked("I am waiting for a parcel.", max_tokens=4))])
    control.finish_batch(batch.id)
    reply = (await heard(batches, batch.id))["short"].reply
    assert reply is not None
    assert (reply.cut, reply.stop_reason) == (True, "max_tokens")


async def test_a_batch_whose_day_is_over_has_expired_requests(
    batches: ClaudeBatches, control: SimulatorControl, clock: ManualClock
) -> None:
    batch = await batches.create(requests(4))
    clock.advance(SECONDS / 2)
    control.expire_batch(batch.id)
    ended = await batches.retrieve(batch.id)
    results = await heard(batches, batch.id)

    assert (ended.status, ended.succeeded, ended.expired) == ("ended", 2, 2)
    assert [results[f"ses_{number}-1"].reply is not None for number in range(4)] == [True, True, False, False]
    failure = results["ses_3-1"].failure
    assert isinstance(failure, ClaudeLater)
    assert failure.cause == "expired"


async def test_a_batch_longer_than_a_day_expires_by_itself(
    batches: ClaudeBatches, clock: ManualClock, url: str
) -> None:
    SimulatorControl(url).pace(batch_seconds=48 * 3_600)
    batch = await batches.create(requests(4))
    clock.advance(24 * 3_600 - 1)
    assert not (await batches.retrieve(batch.id)).ended
    clock.advance(1)
    ended = await batches.retrieve(batch.id)
    assert (ended.ended, ended.succeeded, ended.expired) == (True, 2, 2)


async def test_a_canceled_batch_keeps_what_was_answered(
    batches: ClaudeBatches, control: SimulatorControl, clock: ManualClock
) -> None:
    batch = await batches.create(requests(4))
    clock.advance(SECONDS / 4)
    canceling = await batches.cancel(batch.id)
    clock.advance(1)
    ended = await batches.retrieve(batch.id)
    again = await batches.cancel(batch.id)
    results = await heard(batches, batch.id)

    assert (canceling.status, canceling.processing) == ("canceling", 4)
    assert (ended.status, ended.succeeded, ended.canceled) == ("ended", 1, 3)
    assert again == ended
    assert {name for name, result in results.items() if result.reply} == {"ses_0-1"}
    failure = results["ses_1-1"].failure
    assert isinstance(failure, ClaudeLater)
    assert failure.cause == "canceled"
    assert [(record.status, record.answered) for record in control.batches()] == [("ended", 1)]


async def test_batches_are_listed_newest_first_by_pages(claude: AsyncAnthropic, batches: ClaudeBatches) -> None:
    ids = [(await batches.create(requests(1))).id for _ in range(5)][::-1]

    assert [batch.id async for batch in batches.since(LONG_AGO)] == ids
    assert [batch.id async for batch in claude.messages.batches.list(limit=2)] == ids
    before = await claude.messages.batches.list(limit=2, before_id=ids[4])
    assert ([batch.id for batch in before.data], before.has_more) == (ids[2:4], True)
    last = await claude.messages.batches.list(limit=2, after_id=ids[3])
    assert ([batch.id for batch in last.data], last.has_more) == (ids[4:], False)
    for limit in (0, 1_001):
        with pytest.raises(anthropic.BadRequestError, match="limit"):
            await claude.messages.batches.list(limit=limit)


async def test_before_the_first_batch_the_list_is_empty(batches: ClaudeBatches) -> None:
    assert [each async for each in batches.since(LONG_AGO)] == []


async def test_a_batch_that_nobody_handed_in_is_not_found(batches: ClaudeBatches) -> None:
    for ask in (batches.retrieve, batches.cancel):
        with pytest.raises(ClaudeFailed):
            await ask("msgbatch_01none")


async def test_the_control_api_tells_how_far_a_batch_is(
    batches: ClaudeBatches, control: SimulatorControl, clock: ManualClock
) -> None:
    batch = await batches.create(requests(4))
    clock.advance(SECONDS / 2)
    (midway,) = control.batches()
    assert (midway.id, midway.status, midway.answered) == (batch.id, "in_progress", 2)
    assert midway.custom_ids == [f"ses_{number}-1" for number in range(4)]
    control.finish_batch(batch.id)
    assert [(record.status, record.answered) for record in control.batches()] == [("ended", 4)]
    assert control.stats().requests == 0, "what stands in a batch is no request of its own"


async def test_a_result_cut_off_midway_is_worth_another_try() -> None:
    async def retrieve(http: web.Request) -> web.Response:
        at = "2026-11-22T10:00:00Z"
        counts = {"processing": 0, "succeeded": 2, "errored": 0, "canceled": 0, "expired": 0}
        told = {"id": "b", "type": "message_batch", "processing_status": "ended", "request_counts": counts}
        results = f"http://{http.host}/results"
        return web.json_response({**told, "created_at": at, "expires_at": at, "results_url": results})

    async def results(_http: web.Request) -> web.Response:
        line = json.dumps({"custom_id": "a", "result": {"type": "expired"}})
        return web.Response(text=f"{line}\n{line[:20]}")

    app = web.Application()
    app.add_routes([web.get("/v1/messages/batches/b", retrieve), web.get("/results", results)])
    with running(app) as url:
        client = ClaudeBatches(ServiceSettings(simulator_url=url))
        lines = client.results("b")
        whole = await anext(lines)
        with pytest.raises(ClaudeLater) as cut:
            await anext(lines)
        await client.close()
    assert (whole.custom_id, cut.value.cause) == ("a", "stream-cut")


async def test_a_simulator_that_is_gone_is_unreachable(counter: TokenCounter) -> None:
    with running(create_app(counter=counter)) as url:
        pass
    client = ClaudeBatches(ServiceSettings(simulator_url=url))
    with pytest.raises(ClaudeLater) as gone:
        await client.create(requests(1))
    await client.close()
    assert gone.value.cause == "unreachable"


async def test_by_default_a_batch_has_ended_when_it_is_first_asked_after(counter: TokenCounter) -> None:
    with running(create_app(counter=counter)) as url:
        async with AsyncAnthropic(
            api_key="any", base_url=url, max_retries=0, http_client=DefaultAioHttpClient(verify=False)
        ) as claude:
            body: Any = [{"custom_id": "a", "params": params()}]
            created = await claude.messages.batches.create(requests=body)
            found = await claude.messages.batches.retrieve(created.id)
    assert (created.processing_status, found.processing_status) == ("in_progress", "ended")
