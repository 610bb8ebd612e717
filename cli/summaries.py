"""`customer-memory summaries`: have many sessions summarised, or read for memory, in batches, at half price."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import Any, Final

import click

from cli.http import Answer, Api
from cli.options import service_options
from cli.rundir import find_url
from shared.errors import CustomerMemoryError
from shared.settings import load_settings

HOURS: Final = {"m": 1 / 60, "h": 1.0, "d": 24.0}
ENDED: Final = "ended"
LOOK_SECONDS: Final = 2.0
LINE_SECONDS: Final = 30.0
OPEN_STATES: Final = ("waiting", "submitted")


class Idle(click.ParamType[float]):
    """A length of time, such as `24h`, in hours."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the hours."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([mhd])", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no time; write 30m, 24h or 7d", param, ctx)
        return float(match[1]) * HOURS[match[2]]


@click.group
def summaries() -> None:
    """Have many sessions summarised, or read for memory, at half price, within a day: for nights and for CI."""


@summaries.command
@click.option("--idle", type=Idle(), help="All sessions silent for so long, such as 24h, with something left to do.")
@click.option("--customer", help="All sessions of this customer.")
@click.option("--session", "sessions", multiple=True, help="This session; may be given again.")
@click.option("--memory", is_flag=True, help="Read them for memory entries, in place of summarising them.")
@click.option("--no-wait", is_flag=True, help="Print the batch's id and go; `status` tells the rest.")
@service_options
def run(
    *,
    idle: float | None,
    customer: str | None,
    sessions: tuple[str, ...],
    memory: bool,
    no_wait: bool,
    url: str | None,
    key: str | None,
) -> None:
    """Submit a batch, and show how far it is until it has ended.

    Interrupted, the batch goes on; `status` shows it again. Exits 1 when a session could not be summarised.
    """
    body: dict[str, Any] = {"idleHours": idle, "customerId": customer, "sessionIds": list(sessions) or None}
    body = {name: value for name, value in body.items() if value is not None}
    if len(body) != 1:
        raise click.UsageError("say which sessions: one of --idle, --customer and --session")
    body |= {"kind": "memory"} if memory else {}
    sys.exit(asyncio.run(_run(_api(url, key), body, wait=not no_wait)))


@summaries.command
@click.argument("batch_id", metavar="BATCH")
@service_options
def status(batch_id: str, url: str | None, key: str | None) -> None:
    """Show how far a batch is, and follow it until it has ended."""
    sys.exit(asyncio.run(_follow(_api(url, key), batch_id)))


@summaries.command
@click.argument("batch_id", metavar="BATCH")
@service_options
def cancel(batch_id: str, url: str | None, key: str | None) -> None:
    """Stop a batch. What Claude has answered by then is stored, and paid for."""
    view = asyncio.run(_once(_api(url, key), "POST", f"/api/summaries/batch/{batch_id}/cancel"))
    click.echo(f"{view['batchId']} is {view['status']}")


def _api(url: str | None, key: str | None) -> Api:
    return Api(find_url(load_settings(), url), key)


async def _run(api: Api, body: dict[str, Any], *, wait: bool) -> int:
    view = await _once(api, "POST", "/api/summaries/batch", body)
    click.echo(view["batchId"])
    return await _follow(api, view["batchId"]) if wait else 0


async def _once(api: Api, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    async with api:
        return _checked(await api.call(method, path, body=body))


async def _follow(api: Api, batch_id: str) -> int:
    bar: Any = None
    told = time.monotonic()
    try:
        async with api:
            while True:
                view = _checked(await api.call("GET", f"/api/summaries/batch/{batch_id}"))
                total, ended = view["total"], view["total"] - sum(view["counts"].get(state, 0) for state in OPEN_STATES)
                if sys.stderr.isatty() and total and bar is None:
                    label = "Reading" if view["kind"] == "memory" else "Summarising"
                    bar = click.progressbar(length=total, label=label, show_pos=True, file=sys.stderr)
                    bar.__enter__()
                if bar is not None:
                    bar.update(ended - bar.pos)
                elif time.monotonic() - told > LINE_SECONDS:
                    told = time.monotonic()
                    click.echo(f"{view['status']}: {ended} of {total}", err=True)
                if view["status"] == ENDED:
                    break
                await asyncio.sleep(LOOK_SECONDS)
    finally:
        if bar is not None:
            bar.__exit__(None, None, None)
    for line in account(view):
        click.echo(line)
    return 1 if view["counts"].get("failed") else 0


def account(view: dict[str, Any]) -> list[str]:
    """Return what came of a batch, as lines."""
    counts = ", ".join(f"{count} {state}" for state, count in sorted(view["counts"].items())) or "no sessions"
    lines = [f"{view['total']} sessions: {counts}"]
    for name, cost in (("batch", view["batched"]), ("direct", view["direct"])):
        usage = cost["tokenUsage"]
        price = cost.get("estimatedCost")
        told = f"${price:.6f}" if price is not None else "price unknown"
        saved = f" (${cost['directCost']:.6f} if asked directly)" if cost["batch"] and price is not None else ""
        lines.append(f"{name:<7}{usage['input']:>12,} tokens in {usage['output']:>10,} out   {told}{saved}")
    lines += [f"failed: {count} {cause}" for cause, count in view["failures"].items()]
    return lines


def _checked(answer: Answer) -> dict[str, Any]:
    if not answer.ok:
        raise CustomerMemoryError(answer.problem)
    return answer.body
