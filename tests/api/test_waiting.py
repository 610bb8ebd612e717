"""Held connections cost no thread: four threads, two hundred who wait, and everyone else is answered."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import httpx2
import psutil
import pytest
import pytest_asyncio

from cli.embedded import free_port
from tests.api.caller import Caller, as_object, frozen
from tests.support.stack import Stack
from tests.support.waiting import wait_for, wait_until

THREADS = 4
CROWD = 50  # of each kind; those who post are twice as many
ANSWERED_WITHIN_SECONDS = 15
STOPS_WITHIN_SECONDS = 5
PREFER = {"Prefer": "wait=60"}


@dataclass(frozen=True)
class Web:
    """A web process of few threads, beside the stack's own."""

    url: str
    port: int
    process: subprocess.Popen[bytes]

    def connections(self) -> int:
        """Return how many connections it holds open."""
        found = psutil.Process(self.process.pid).net_connections("tcp")
        return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr.port == self.port for each in found)

    async def left(self) -> bool:
        """Return whether nobody is connected any more."""
        return self.connections() == 0

    async def gone(self) -> bool:
        """Return whether the process has ended."""
        return self.process.poll() is not None


@contextmanager
def running(stack: Stack, name: str) -> Iterator[Web]:
    """Start such a process, and end it behind the block."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def serves() -> bool:
        with suppress(httpx2.TransportError):
            return httpx2.get(f"{url}/healthz").status_code == 200
        return False

    environment = {"PORT": str(port), "WEB_THREADS": str(THREADS), "CHAT_DEFAULT_WAIT_SECONDS": "30"}
    process = stack.start(name, "api", env=environment)
    try:
        wait_for(f"{name} to serve", serves, 60)
        yield Web(url, port, process)
    finally:
        stack.kill(name)


@pytest.fixture(scope="module")
def web(stack: Stack) -> Iterator[Web]:
    with running(stack, "narrow-web") as web:
        yield web


def client_of(web: Web, caller: Caller) -> httpx2.AsyncClient:
    """Return a client of the process, with as many connections as it likes."""
    no_limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx2.AsyncClient(base_url=web.url, headers=caller.headers, timeout=90, limits=no_limits)


@pytest_asyncio.fixture
async def client(web: Web, caller: Caller) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(web, caller) as client:
        yield client


class Crowd:
    """Callers who wait: some posted a message and prefer to wait, some poll, some listen to a stream."""

    def __init__(self, client: httpx2.AsyncClient, caller: Caller, size: int) -> None:
        self._client, self._caller = client, caller
        self._listening = 0
        self._posters = 2 * size
        self.begun = [caller.begin(f"Begun {number}", customerId=f"crowd-{number}") for number in range(size)]
        self.posts = [asyncio.ensure_future(self._post(number)) for number in range(self._posters)]
        self.polls = [asyncio.ensure_future(self._poll(request_id)) for request_id in self.begun]
        self.streams = [asyncio.ensure_future(self._listen(request_id)) for request_id in self.begun]

    @property
    def waiters(self) -> list[asyncio.Future[httpx2.Response]]:
        """Everyone."""
        return [*self.posts, *self.polls, *self.streams]

    async def held(self, web: Web) -> None:
        """Wait until everyone is."""

        async def look() -> bool:
            posted = await self._client.get("/api/sessions", params={"customerId": "posters", "limit": 200})
            accepted = sum(session["openRequests"] for session in posted.json())
            everyone_came = accepted == self._posters and self._listening == len(self.streams)
            return everyone_came and web.connections() >= len(self.waiters)

        await wait_until("everyone to be held", look, 60)
        assert not any(waiter.done() for waiter in self.waiters)

    async def _post(self, number: int) -> httpx2.Response:
        body = {"customerId": "posters", "message": f"Posted {number}"}
        return await self._client.post("/api/chat", json=body, headers={**PREFER, "Idempotency-Key": f"post-{number}"})

    async def _poll(self, request_id: str) -> httpx2.Response:
        return await self._client.get(f"/api/chat/{request_id}", params={"wait": 60})

    async def _listen(self, request_id: str) -> httpx2.Response:
        async with self._client.stream("GET", f"/api/chat/{request_id}/events") as response:
            self._listening += 1
            await response.aread()
        return response


async def test_the_first_who_listens_hears_the_end(client: httpx2.AsyncClient, caller: Caller) -> None:
    """Given a process with hardly a connection to the store, a listener of a finished request is let go at once."""
    result = caller.ask("Hello")
    async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
        response = await client.get(f"/api/chat/{result['requestId']}/events")
    assert "event: result\n" in response.text


async def test_two_hundred_wait_and_hold_nobody_up(
    web: Web, client: httpx2.AsyncClient, caller: Caller, stack: Stack
) -> None:
    with frozen(stack, "chat"):
        crowd = Crowd(client, caller, CROWD)
        await crowd.held(web)
        assert len(crowd.waiters) == 200

        async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
            for number in range(5):
                entry = {"customerId": "passer-by", "key": f"key-{number}", "value": number}
                assert (await client.post("/api/memory", json=entry)).status_code == 201
                listed = await client.get("/api/memory", params={"customerId": "passer-by"})
                assert len(listed.json()) == number + 1
                assert (await client.get(f"/api/chat/{crowd.begun[number]}")).json()["status"] == "queued"
                assert (await client.get("/readyz")).status_code == 200
        assert not any(waiter.done() for waiter in crowd.waiters)

    for answer in await asyncio.gather(*crowd.posts, *crowd.polls):
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "succeeded"
    for request_id, answer in zip(crowd.begun, await asyncio.gather(*crowd.streams), strict=True):
        *_, last, _ = answer.text.split("\n\n")
        assert "event: result\n" in last
        assert json.loads(last.partition("data: ")[2])["requestId"] == request_id


async def test_a_process_told_to_stop_lets_everyone_go_at_once(caller: Caller, stack: Stack) -> None:
    """Given callers held for a minute, all get an answer that is true now, and the process is gone in seconds."""
    with running(stack, "stopping-web") as web:
        async with client_of(web, caller) as client:
            with frozen(stack, "chat"):
                crowd = Crowd(client, caller, 10)
                await crowd.held(web)
                web.process.send_signal(signal.SIGTERM)
                await wait_until("the process to end", web.gone, STOPS_WITHIN_SECONDS)
                posts, polls, streams = [
                    await asyncio.gather(*each) for each in (crowd.posts, crowd.polls, crowd.streams)
                ]

    assert {answer.status_code for answer in posts} == {202}
    assert all(answer.headers["Location"] == answer.json()["statusUrl"] for answer in posts)
    assert {(answer.status_code, answer.json()["status"]) for answer in polls} == {(200, "queued")}
    assert {answer.status_code for answer in streams} == {200}
    assert not any("event: " in answer.text for answer in streams)
    for request_id in [*crowd.begun, *(answer.json()["requestId"] for answer in posts)]:
        assert caller.result(request_id)["status"] == "succeeded"


async def test_callers_who_leave_change_nothing(
    web: Web, client: httpx2.AsyncClient, caller: Caller, stack: Stack
) -> None:
    with frozen(stack, "chat"):
        crowd = Crowd(client, caller, 10)
        await crowd.held(web)
        for waiter in crowd.waiters:
            waiter.cancel()
        await asyncio.wait(crowd.waiters)
        await wait_until("their connections to end", web.left)

    for number in range(len(crowd.posts)):
        again = caller.post(
            f"Posted {number}", customerId="posters", headers={**PREFER, "Idempotency-Key": f"post-{number}"}
        )
        assert again.status_code == 200, again.text
        result = as_object(again)
        said = [("user", f"Posted {number}"), ("assistant", result["reply"])]
        assert caller.transcript(result["sessionId"]) == said
    for request_id in crowd.begun:
        assert caller.result(request_id)["status"] == "succeeded"


async def test_slow_senders_hold_nobody_up(web: Web, client: httpx2.AsyncClient, caller: Caller) -> None:
    """Given more senders than threads who have sent half of a body, others are answered; then they are, too."""
    body = json.dumps({"customerId": "slow", "message": "At last"}).encode()
    head = (
        f"POST /api/chat HTTP/1.1\r\nHost: slow.example\r\nAuthorization: Bearer {caller.key}\r\nPrefer: wait=0\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    senders = [await asyncio.open_connection("127.0.0.1", web.port) for _ in range(5 * THREADS)]
    for _, writer in senders:
        writer.write(head.encode() + body[:10])
        await writer.drain()
    async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
        assert (await client.get("/api/memory", params={"customerId": "slow"})).json() == []
    for reader, writer in senders:
        writer.write(body[10:])
        assert (await reader.read()).startswith(b"HTTP/1.1 202 ")
        writer.close()
        await writer.wait_closed()


async def test_a_deployment_may_wait_unasked(client: httpx2.AsyncClient) -> None:
    """Given CHAT_DEFAULT_WAIT_SECONDS, a request that says nothing waits, and one that wants no wait has none."""
    body = {"customerId": "cust-1", "message": "Hello"}
    unasked = await client.post("/api/chat", json=body)
    assert unasked.status_code == 200
    assert "Preference-Applied" not in unasked.headers
    assert unasked.json()["status"] == "succeeded"
    at_once = await client.post("/api/chat", json=body, headers={"Prefer": "wait=0"})
    assert (at_once.status_code, at_once.json()["status"]) == (202, "queued")
    assert "Preference-Applied" not in at_once.headers


async def test_no_wait_is_longer_than_the_longest(client: httpx2.AsyncClient) -> None:
    body = {"customerId": "cust-1", "message": "Hello"}
    response = await client.post("/api/chat", json=body, headers={"Prefer": "wait=999999999"})
    assert (response.status_code, response.headers["Preference-Applied"]) == (200, "wait=60")
