"""`python -m benchmarks`: the whole service on this machine, beside what it cannot be faster than."""

from __future__ import annotations

import asyncio
import os
import platform

import aiohttp
import click

from benchmarks.listeners import fill_hall
from benchmarks.load import SENTENCE, Times, chat, client, closed_loop, open_loop
from benchmarks.noop import tasks_per_second
from benchmarks.service import Running, running_service

STEADY_SECONDS = 10.0


@click.command(help="Measure the service: turns a second, times, and what 1,000 waiting clients cost the others.")
@click.option("--turns", default=2000, show_default=True, help="turns in the throughput run")
@click.option("--clients", default=64, show_default=True, help="clients in the throughput run")
@click.option("--listeners", default=200, show_default=True, help="clients that listen to replies being written")
@click.option("--waiting", default=1000, show_default=True, help="clients that wait while others are served")
def main(turns: int, clients: int, listeners: int, waiting: int) -> None:
    """Run every benchmark in one run."""
    machine = f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    click.echo(f"{machine}; Claude simulated, 0 ms; clients, servers and workers share the cores")
    with running_service() as service:
        click.echo(
            f"start to first reply           {service.start_seconds:7.1f} s   (`customer-memory up`, warm file cache)"
        )
        rate = asyncio.run(_turns(service, turns, clients))
        floor = tasks_per_second(service.broker_url, turns)
        click.echo(f"no-op Celery tasks             {floor:7.1f} /s   (same settings, producer and worker at once)")
        click.echo(f"turns / no-op tasks            {rate / floor:7.2f}")
        asyncio.run(_steady(service, rate))
        asyncio.run(_streams(service, listeners))
        asyncio.run(_held(service, waiting))


async def _turns(service: Running, turns: int, clients: int) -> float:
    async with client(service.url) as session:
        await closed_loop(chat(session, "warm", 60), 200, 16)
        times = await closed_loop(chat(session, "turns", 60), turns, clients)
    click.echo(f"whole turns                    {times.rate:7.1f} /s   {times}")
    return times.rate


async def _steady(service: Running, most: float) -> None:
    half = most / 2
    async with client(service.url) as session:
        accepted = await open_loop(chat(session, "accept", 0), half, STEADY_SECONDS)
        await closed_loop(chat(session, "drain", 60), 200, 8)
        replied = await open_loop(chat(session, "reply", 60), half, STEADY_SECONDS)
    click.echo(f"accept, at {half:5.0f} turns/s                    {accepted}")
    click.echo(f"accept to reply, at {half:5.0f} turns/s           {replied}")


async def _streams(service: Running, listeners: int) -> None:
    async with client(service.url) as session:
        pace = f"{service.simulator_url}/_simulator/settings"
        await session.put(pace, json={"latencyMs": 1000, "tokensPerSecond": 20})
        urls = [await _begun(session, number) for number in range(listeners)]
        hall = await fill_hall(session, urls, listeners, lambda: _others(session))
        await session.put(pace, json={"latencyMs": 0, "tokensPerSecond": 0})
    whole = sum(each.whole for each in hall.heard)
    click.echo(f"{listeners} listeners, each to a reply of its own   first piece {hall.first}; {whole} whole")
    click.echo(f"GET a session, nobody listening                {hall.alone}")
    click.echo(f"GET a session, {listeners:5d} clients listening        {hall.beside}")
    click.echo(f"p50 with / without listening clients {hall.beside.at(0.5) / hall.alone.at(0.5):5.2f}")


async def _begun(session: aiohttp.ClientSession, number: int) -> str:
    body = {"customerId": f"listening-{number}", "message": SENTENCE.format(number=number) + " Tell me all you know."}
    async with session.post("/api/chat", json=body) as response:
        return str((await response.json())["eventsUrl"])


async def _held(service: Running, waiting: int) -> None:
    async with client(service.url) as session:
        alone = await _others(session)
        pace = f"{service.simulator_url}/_simulator/settings"
        await session.put(pace, json={"latencyMs": 15_000, "tokensPerSecond": 0})
        # More than the worker runs at a time: the rest waits in its sessions, as the clients do here.
        held = [asyncio.ensure_future(chat(session, f"held-{number}", 60)(number)) for number in range(waiting)]
        await asyncio.sleep(6)
        beside = await _others(session)
        still = sum(not task.done() for task in held)
        await session.put(pace, json={"latencyMs": 0, "tokensPerSecond": 0})
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
    click.echo(f"GET a session, nobody waiting                  {alone}")
    click.echo(f"GET a session, {still:5d} clients waiting          {beside}")
    click.echo(f"p50 with / without waiting clients {beside.at(0.5) / alone.at(0.5):7.2f}")


async def _others(session: aiohttp.ClientSession) -> Times:
    async def get(_: int) -> bool:
        async with session.get("/api/sessions", params={"customerId": "turns-1"}) as response:
            await response.read()
            return response.ok

    return await closed_loop(get, 500, 2)


if __name__ == "__main__":
    main()
