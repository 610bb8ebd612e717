"""Two hundred listeners on one web process, which serves others meanwhile. Figures are printed, none is judged."""

from __future__ import annotations

import asyncio

import aiohttp

from benchmarks.listeners import Hall, fill_hall
from benchmarks.load import Times, closed_loop
from simulator.schema import Fault
from tests.api.caller import Caller
from tests.support.stack import Stack

LISTENERS, REPLIES, OTHERS = 200, 20, 100
REPLY = "Ihr Päckchen ist unterwegs — 荷物は明日届きます。 It comes tomorrow, between nine and noon. " * 8
SILENCE_MS, TOKENS_PER_SECOND = 8000, 60  # all listen before the first word, on a slow machine too


def test_two_hundred_listeners_and_others_are_served(caller: Caller, stack: Stack) -> None:
    """Given 20 replies that take seconds, each heard by ten, then all hear the whole, and nobody else is refused."""
    stack.simulator.add_faults(Fault(kind="reply", text=REPLY, delay_ms=SILENCE_MS, match="STORY", times=REPLIES))
    stack.simulator.pace(tokens_per_second=TOKENS_PER_SECOND)
    requests = [caller.begin(f"STORY {number}", customerId=f"cust-{number}") for number in range(REPLIES)]

    hall = asyncio.run(gather(caller, stack, [f"/api/chat/{request}/events" for request in requests]))

    told = (
        f"{LISTENERS} listeners to {REPLIES} replies, first piece   {hall.first}\n"
        f"others, nobody listening                   {hall.alone}\n"
        f"others, all listening                      {hall.beside}"
    )
    print(told)  # noqa: T201 - figures, shown with -rP
    assert len(hall.heard) == LISTENERS
    assert {each.reply for each in hall.heard} == {REPLY}
    assert all(each.whole for each in hall.heard)
    assert all(each.pieces > 1 for each in hall.heard)
    assert hall.beside.failures == 0
    assert len(hall.beside.values) >= OTHERS


async def gather(caller: Caller, stack: Stack, urls: list[str]) -> Hall:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(stack.url, connector=connector, headers=caller.headers) as session:

        async def get(_: int) -> bool:
            async with session.get("/api/sessions", params={"customerId": "cust-1"}) as response:
                await response.read()
                return response.ok

        async def others() -> Times:
            return await closed_loop(get, OTHERS, 2)

        return await fill_hall(session, urls, LISTENERS, others)
