"""Clients that post, wait and measure. Times are milliseconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

SENTENCE = "My order {number} was to come on Monday and the tracking page has said the same since Friday evening."


@dataclass(slots=True)
class Times:
    """Measured times, and what went wrong."""

    values: list[float] = field(default_factory=list)
    failures: int = 0
    seconds: float = 0.0

    def at(self, share: float) -> float:
        """Return the time that `share` of all stayed within."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")

    @property
    def rate(self) -> float:
        """Successes a second."""
        return len(self.values) / self.seconds if self.seconds else float("nan")

    def __str__(self) -> str:
        told = f"p50 {self.at(0.5):7.1f}   p99 {self.at(0.99):7.1f}   max {self.at(1):7.1f} ms   n {len(self.values)}"
        return told + (f"   FAILED {self.failures}" if self.failures else "")


@asynccontextmanager
async def client(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client with as many connections as are asked for."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector, timeout=aiohttp.ClientTimeout(300)) as session:
        yield session


def chat(session: aiohttp.ClientSession, name: str, wait: int) -> Callable[[int], Awaitable[bool]]:
    """Return a poster of message `number` to one of 200 conversations; `wait` seconds for the reply, 0 for the 202."""

    async def post(number: int) -> bool:
        customer = f"{name}-{number % 200}"
        body = {"customerId": customer, "conversationId": "bench", "message": SENTENCE.format(number=number)}
        headers = {"Prefer": f"wait={wait}"}
        async with session.post("/api/chat", json=body, headers=headers) as response:
            await response.read()
            return response.status == (200 if wait else 202)

    return post


async def closed_loop(post: Callable[[int], Awaitable[bool]], count: int, at_once: int) -> Times:
    """Post `count` times with `at_once` clients, each beginning again when it is answered."""
    times, numbers = Times(), iter(range(count))

    async def one() -> None:
        for number in numbers:
            await _timed(post, number, times)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(at_once)))
    times.seconds = time.perf_counter() - began
    return times


async def open_loop(post: Callable[[int], Awaitable[bool]], rate: float, seconds: float) -> Times:
    """Post at a steady rate, whatever the answers do, so that waiting in line is measured too."""
    times, tasks = Times(), []
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        tasks.append(asyncio.ensure_future(_timed(post, number, times)))
    await asyncio.gather(*tasks)
    times.seconds = time.perf_counter() - began
    return times


async def _timed(post: Callable[[int], Awaitable[bool]], number: int, times: Times) -> None:
    began = time.perf_counter()
    try:
        succeeded = await post(number)
    except (aiohttp.ClientError, TimeoutError):
        succeeded = False
    if succeeded:
        times.values.append((time.perf_counter() - began) * 1000)
    else:
        times.failures += 1
