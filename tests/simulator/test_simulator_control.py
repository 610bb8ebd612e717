"""The control API: what was asked, how much at once, at what pace; and clients that leave."""

import asyncio
import json
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from anthropic import AsyncAnthropic
from anthropic.types import MessageParam

from simulator import recorder
from simulator.client import SimulatorControl
from simulator.recorder import Recorder
from simulator.schema import Fault, Settings
from simulator.server import create_app
from simulator.testing import ManualClock, running, wait_until
from simulator.tokens import TokenCounter

MODEL = "claude-sonnet-4-6"
HELLO: list[MessageParam] = [{"role": "user", "content": "Hello"}]
BODY = {"model": MODEL, "max_tokens": 50, "messages": HELLO}
KEY = "sk-secret-key"


def test_a_request_is_recorded_without_its_key(control: SimulatorControl, post: Callable[..., Any]) -> None:
    headers = {"anthropic-version": "2026-10-21", "user-agent": "test/1"}
    post(BODY, headers={**headers, "authorization": f"Bearer {KEY}"})
    post({**BODY, "max_tokens": "x"}, headers={**headers, "x-api-key": KEY})
    post(b"no json", headers={**headers, "x-api-key": KEY})

    good, bad, broken = control.requests()

    assert (good.number, good.outcome, good.status, good.stop_reason) == (1, "answered", 200, "end_turn")
    assert good.body == BODY
    assert good.headers["user-agent"] == "test/1"
    assert good.duration_ms is not None
    assert (bad.number, bad.outcome, bad.status, bad.stop_reason) == (2, "refused", 400, None)
    assert (broken.body, broken.status) == (None, 400)
    assert KEY not in "".join(record.model_dump_json() for record in (good, bad, broken))


def test_records_are_read_from_a_number_on_and_cleared(control: SimulatorControl, post: Callable[..., Any]) -> None:
    for _ in range(3):
        post(BODY)

    assert [record.number for record in control.requests(since=1)] == [2, 3]
    control.clear_requests()
    assert control.requests() == []
    post(BODY)
    assert [record.number for record in control.requests()] == [4]
    assert control.stats().requests == 4


def test_only_the_newest_records_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_RECORDS", 3)
    monkeypatch.setattr(recorder, "MAX_BYTES", 10)
    kept = Recorder(ManualClock(), keep=True)

    for size in (1, 1, 4, 4, 4):
        kept.body(kept.open("req", {}), b"x" * size)

    assert [record.number for record in kept.since(0)] == [4, 5]


def test_a_body_that_comes_after_clearing_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_BYTES", 10)
    kept = Recorder(ManualClock(), keep=True)
    entry = kept.open("req", {})
    kept.clear()

    kept.body(entry, b"x" * 100)
    kept.body(kept.open("req", {}), b"x")

    assert [record.number for record in kept.since(0)] == [2]


def test_recording_can_be_off(counter: TokenCounter) -> None:
    with running(create_app(record=False, counter=counter)) as url:
        _post_to(url)
        control = SimulatorControl(url)

        assert control.requests() == []
        assert control.stats().requests == 1


def _post_to(url: str) -> None:
    connection = _send(url, BODY)
    assert connection.getresponse().read()
    connection.close()


def _send(url: str, body: object) -> HTTPConnection:
    """Send a request and return without reading the answer."""
    connection = HTTPConnection(str(urlsplit(url).netloc), timeout=5)
    headers = {"x-api-key": "any", "anthropic-version": "2026-10-21"}
    connection.request("POST", "/v1/messages", json.dumps(body), headers)
    return connection


def test_open_requests_are_counted_while_they_are_open(url: str, control: SimulatorControl) -> None:
    control.add_faults(Fault(kind="hang", times=3))
    open_ones = [_send(url, BODY) for _ in range(3)]
    wait_until(lambda: control.stats().open == 3, "three open requests")
    assert {record.outcome for record in control.requests()} == {"open"}

    for connection in open_ones:
        connection.close()

    wait_until(lambda: control.stats().open == 0, "all clients noticed as gone")
    assert control.stats().max_open == 3
    assert {record.outcome for record in control.requests()} == {"client left"}
    control.clear_requests()
    assert control.stats().max_open == 0


@pytest.mark.asyncio
async def test_a_client_that_leaves_a_stream_is_noticed(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    control.pace(tokens_per_second=6)  # more than two seconds, if nobody left

    async with claude.messages.stream(model=MODEL, max_tokens=50, messages=HELLO) as stream:
        async for _ in stream.text_stream:
            break

    # On another thread: the client's own loop is what ends its connection.
    await asyncio.to_thread(wait_until, lambda: control.stats().open == 0, "the client noticed as gone")
    (record,) = control.requests()
    assert (record.outcome, record.status) == ("client left", None)


def test_a_stopping_server_ends_what_is_open(counter: TokenCounter) -> None:
    with running(create_app(counter=counter)) as url:
        control = SimulatorControl(url)
        control.add_faults(Fault(kind="hang"))
        connection = _send(url, BODY)
        wait_until(lambda: control.stats().open == 1, "the open request")

    with pytest.raises(ConnectionError):
        connection.getresponse()
    connection.close()


def test_latency_and_rate_set_the_pace(counter: TokenCounter) -> None:
    clock = ManualClock()
    settings = Settings(latency_ms=500, tokens_per_second=2)
    app = create_app(settings, counter=counter, clock=clock, sleep=clock.sleep)

    with running(app) as url:
        for stream in (False, True):
            connection = _send(url, {**BODY, "stream": stream})
            answer = connection.getresponse().read().decode()
            connection.close()
        whole, streamed = SimulatorControl(url).requests()

    tokens = counter.count('[simulated] Hello. You wrote: "Hello"')
    assert whole.duration_ms == pytest.approx(500 + tokens * 500, abs=1)
    assert streamed.duration_ms == pytest.approx(500 + tokens * 500, abs=1)
    assert answer.count("event: content_block_delta") > 3


def test_the_pace_can_be_changed_and_read(url: str, control: SimulatorControl) -> None:
    assert control.pace(latency_ms=5, tokens_per_second=40) == Settings(latency_ms=5, tokens_per_second=40)
    assert control.pace() == Settings()
    with urlopen(f"{url}/_simulator/settings", timeout=5) as answer:
        assert json.load(answer) == {"latencyMs": 0.0, "tokensPerSecond": 0.0, "batchSeconds": 0.0}


def test_the_control_api_speaks_camel_case(url: str, post: Callable[..., Any]) -> None:
    status, _, faults = post(
        {"faults": [{"kind": "status", "status": 429, "retryAfter": 2, "errorCode": "x", "match": "m", "times": 3}]},
        path="/_simulator/faults",
    )

    assert status == 200
    assert faults["faults"][0]["retryAfter"] == 2
    with urlopen(f"{url}/_simulator/stats", timeout=5) as answer:
        assert json.load(answer) == {"requests": 0, "open": 0, "maxOpen": 0}


@pytest.mark.parametrize("path", ["requests?since=-1", "requests?since=x"])
def test_a_bad_number_is_refused(url: str, path: str) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{url}/_simulator/{path}", timeout=5)
    assert refused.value.code == 400
    refused.value.close()


def test_a_bad_fault_is_refused_with_its_field(post: Callable[..., Any]) -> None:
    status, _, error = post({"faults": [{"kind": "status", "status": 200}]}, path="/_simulator/faults")

    assert status == 400
    assert error["error"]["message"].startswith("faults.0.status: ")


def test_health_is_served(url: str) -> None:
    with urlopen(f"{url}/healthz", timeout=5) as answer:
        assert json.load(answer) == {"status": "ok"}


def test_a_handle_needs_a_web_address() -> None:
    with pytest.raises(ValueError, match="not a web address"):
        SimulatorControl("file:///etc/passwd")
