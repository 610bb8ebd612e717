"""Clients that listen to replies while they are written, on one web process that serves others meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp

from benchmarks.load import Times
from cli.sse import Event, Parser


@dataclass(slots=True)
class Heard:
    """What one listener heard: when the first piece came, in milliseconds; the text of all pieces; the whole reply."""

    first: float = float("nan")
    pieces: int = 0
    text: str = ""
    reply: str | None = None

    def take(self, event: Event, began: float) -> None:
        """Take an event of a stream that began then."""
        told = event.json()
        if event.name == "delta":
            self.pieces += 1
            self.text += told["text"]
            self.first = self.first if self.pieces > 1 else (time.perf_counter() - began) * 1000
        elif event.name == "reset":
            self.text = ""
        else:
            self.reply = told.get("reply")

    @property
    def whole(self) -> bool:
        """Whether it ended with a reply, of which the pieces are the beginning."""
        return self.reply is not None and self.reply.startswith(self.text)


@dataclass(slots=True)
class Hall:
    """All listeners, and what others were served while every one of them listened."""

    heard: list[Heard] = field(default_factory=list)
    alone: Times = field(default_factory=Times)
    beside: Times = field(default_factory=Times)

    @property
    def first(self) -> Times:
        """When the first piece came to each."""
        return Times([each.first for each in self.heard if each.pieces])


async def fill_hall(
    session: aiohttp.ClientSession, events_urls: list[str], count: int, others: Callable[[], Awaitable[Times]]
) -> Hall:
    """Let `count` clients listen to these replies, and serve `others` from when all do until the last has heard all."""
    hall = Hall(alone=await others())
    open_now, everybody = 0, asyncio.Event()

    async def listen(url: str) -> Heard:
        nonlocal open_now
        heard, parser, began = Heard(), Parser(), time.perf_counter()
        async with session.get(url) as response:
            response.raise_for_status()
            open_now += 1
            if open_now == count:
                everybody.set()
            async for chunk in response.content.iter_any():
                for event in parser.feed(chunk):
                    heard.take(event, began)
        return heard

    listening = [asyncio.ensure_future(listen(events_urls[number % len(events_urls)])) for number in range(count)]
    await everybody.wait()
    while not all(task.done() for task in listening):
        times = await others()
        hall.beside.values += times.values
        hall.beside.failures += times.failures
    hall.heard = list(await asyncio.gather(*listening))
    return hall
