"""`python -m benchmarks.summaries`: what summarising ahead costs those who wait for replies, and what it is fed.

The same turns against three services, one after the other: none that summarises, a summariser that takes 30 seconds,
and a flaky one, of whose replies every fourth is refused, empty or cut.
"""

from __future__ import annotations

import asyncio
import platform
import time
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any, Final

import aiohttp
import click

from benchmarks.load import client
from benchmarks.service import Running, running_service
from benchmarks.talks import generated
from shared.context.tokens import load_counter
from simulator.client import SimulatorControl
from simulator.schema import Fault
from simulator.server import create_app
from simulator.testing import running

THRESHOLD: Final = 2_000
SETTLE_SECONDS: Final = 60.0
SUMMARISES: Final = "You summarise a support conversation"


@dataclass
class Run:
    """What one service did."""

    seconds: list[float] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    gaps: int = 0
    asked: int = 0
    fed: int = 0
    conversation: int = 0
    covered: int = 0
    behind: int = 0

    @property
    def p50(self) -> float:
        """The median of the replies, in milliseconds."""
        return quantiles(self.seconds, n=100)[49] * 1000

    @property
    def p95(self) -> float:
        """The 95th percentile of the replies, in milliseconds."""
        return quantiles(self.seconds, n=100)[94] * 1000


@click.command(help="Measure replies while sessions are summarised, and what the summariser is fed.")
@click.option("--turns", default=400, show_default=True, help="turns of each run")
@click.option("--sessions", default=8, show_default=True, help="sessions they are spread over")
@click.option("--pause", default=0.5, show_default=True, help="seconds between a reply and the next message")
def main(turns: int, sessions: int, pause: float) -> None:
    """Run all three."""
    click.echo(f"{platform.platform()}, Python {platform.python_version()}; {turns} turns in {sessions} sessions")
    settings = {"COMPRESSION_STRATEGY": "summarization", "RECONCILE_SECONDS": "0.5", "SUMMARY_CONCURRENCY": "8"}
    off = {**settings, "SUMMARY_THRESHOLD_TOKENS": "0", "SUMMARY_IDLE_MINUTES": "0"}
    on = {**settings, "SUMMARY_THRESHOLD_TOKENS": str(THRESHOLD)}
    without = _run(off, [], turns, sessions, pause, settle=False)
    slow = _run(
        on, [Fault(kind="summary", how="slow", delay_ms=30_000, times=-1)], turns, sessions, pause, settle=False
    )
    flaky = _run(on, _flaky(turns), turns, sessions, pause, settle=True)
    click.echo("                    replies p50    p95 (ms)   turns with a gap   summaries asked for")
    for name, run in (("none", without), ("taking 30 s", slow), ("flaky", flaky)):
        click.echo(f"summariser: {name:<12}{run.p50:>7.1f}{run.p95:>9.1f}{run.gaps:>19}{run.asked:>22}")
    click.echo(f"p50 with a summariser that takes 30 s / without  {slow.p50 / without.p50:7.2f}")
    click.echo(f"flaky: fed / conversation                        {flaky.fed / flaky.conversation:7.2f}")
    click.echo(f"flaky: fed / what is covered                     {flaky.fed / max(1, flaky.covered):7.2f}")
    click.echo(f"flaky: sessions behind their threshold at the end {flaky.behind:6d}")


def _flaky(turns: int) -> list[Fault]:
    kinds = ("refusal", "empty", "drop", "too_long")
    faults = []
    for number in range(turns // 8):
        faults.append(Fault(kind="summary", how="slow", delay_ms=50, times=3))
        faults.append(Fault.model_validate({"kind": "summary", "how": kinds[number % len(kinds)]}))
    return faults


def _run(
    settings: dict[str, str], faults: list[Fault], turns: int, sessions: int, pause: float, *, settle: bool
) -> Run:
    # A simulator of our own keeps what it is sent.
    with running(create_app()) as claude, running_service(SIMULATOR_URL=claude, **settings) as service:
        control = SimulatorControl(claude)
        control.add_faults(*faults)
        run = asyncio.run(_talk(service, turns, sessions, pause, settle=settle))
        asked = [told for request in control.requests() if SUMMARISES in (told := _told(request.body))]
        run.asked, run.fed = len(asked), sum(map(load_counter().count, asked))
        return run


def _told(body: Any) -> str:
    """Return all that a request tells: its system prompt and its messages' texts."""
    blocks = [block for message in body["messages"] for block in message["content"]]
    system = body.get("system") or []
    return "\n".join(block["text"] for block in [*([{"text": system}] if isinstance(system, str) else system), *blocks])


async def _talk(service: Running, turns: int, sessions: int, pause: float, *, settle: bool) -> Run:
    run = Run()
    async with client(service.url) as http:
        await asyncio.gather(*(_session(http, run, number, turns // sessions, pause) for number in range(sessions)))
        if settle:
            await _settle(http, run)
    return run


async def _session(http: aiohttp.ClientSession, run: Run, number: int, turns: int, pause: float) -> None:
    talk, session = generated(number), None
    for _ in range(turns):
        said, _reply = next(talk)
        body = {"customerId": f"cust-{number}", "message": said, **({"sessionId": session} if session else {})}
        began = time.monotonic()
        async with http.post("/api/chat", json=body, headers={"Prefer": "wait=60"}) as response:
            result = await response.json()
        run.seconds.append(time.monotonic() - began)
        session = str(result["sessionId"])
        receipt = await _get(http, f"/api/chat/{result['requestId']}/receipt")
        run.gaps += "gap" in receipt
        await asyncio.sleep(pause)
    run.sessions.append(str(session))


async def _settle(http: aiohttp.ClientSession, run: Run) -> None:
    """Wait until no session is behind its threshold, and add up what there is."""
    until = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < until:
        run.covered = run.behind = run.conversation = 0
        for session in run.sessions:
            kept: Any = await _get(http, f"/api/sessions/{session}/summaries")
            messages: Any = await _messages(http, session)
            through = kept[0]["coversThrough"] if kept else 0
            run.conversation += sum(each["tokens"] for each in messages)
            run.covered += sum(each["tokens"] for each in messages if each["seq"] <= through)
            run.behind += sum(each["tokens"] for each in messages if each["seq"] > through) > THRESHOLD
        if run.behind == 0:
            return
        await asyncio.sleep(2)


async def _messages(http: aiohttp.ClientSession, session: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while page := await _get(http, f"/api/sessions/{session}/messages?limit=200&cursor={len(found)}"):
        found += page
    return found


async def _get(http: aiohttp.ClientSession, path: str) -> Any:
    async with http.get(path) as response:
        return await response.json()


if __name__ == "__main__":
    main()
