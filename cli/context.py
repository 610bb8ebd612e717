"""`customer-memory context`: what Claude would be sent now in a session, or was sent for a request, drawn as bars."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from typing import Any, Final

import click

from cli.http import Api
from cli.options import service_options
from cli.rundir import find_url
from shared.errors import CustomerMemoryError
from shared.settings import load_settings

FULL: Final = "█"
EIGHTHS: Final = " ▏▎▍▌▋▊▉"
EMPTY: Final = "·"
NAME_WIDTH: Final = 12
NUMBERS_WIDTH: Final = 20  # tokens and per cent, with the spaces around them
NARROWEST: Final = 10
COLOURS: Final = {
    "system": "magenta",
    "memory": "green",
    "summary": "cyan",
    "digests": "bright_green",
    "window": "blue",
    "late": "yellow",
    "recall": "bright_yellow",
    "newest": "bright_white",
}
REQUEST_PREFIX: Final = "req_"


@click.command(epilog="What the parts are: docs/explanation/context.md")
@click.argument("identifier", metavar="SESSION")
@click.option("--message", default="", help="What the customer would write; it counts as the newest message.")
@click.option("--text", "show_text", is_flag=True, help="Show the texts too, block by block.")
@click.option("--json", "as_json", is_flag=True, help="Print what the API answers.")
@service_options
def context(identifier: str, *, message: str, show_text: bool, as_json: bool, url: str | None, key: str | None) -> None:
    """Show what Claude would be sent now in SESSION, part by part, against the token budget.

    SESSION may be a request's id (req_…) instead: then what Claude was sent for it, made again byte for byte.
    Nothing is stored, and Claude is not asked.
    """
    asked = identifier.startswith(REQUEST_PREFIX)
    if asked and message:
        raise click.UsageError("--message goes with a session; what was sent for a request has its message")
    path = f"/api/chat/{identifier}/context" if asked else f"/api/sessions/{identifier}/context"
    view = asyncio.run(_read(Api(find_url(load_settings(), url), key), path, message))
    if as_json:
        click.echo(json.dumps(view, ensure_ascii=False, indent=2))
        return
    width = min(shutil.get_terminal_size().columns, 100)
    for line in [*table(view["receipt"], width), *(texts(view) if show_text else ())]:
        click.echo(line)


def table(receipt: dict[str, Any], width: int) -> list[str]:
    """Return a context's account as lines at most `width` columns wide, but for reasons, which are told whole.

    Each part's bar is its share of the budget without the reserve.
    """
    budget = receipt["budget"]
    room = budget["max"] - budget["reserve"]
    longest = max(width - NAME_WIDTH - NUMBERS_WIDTH, NARROWEST)
    lines = [
        f"{receipt['model']}, {receipt['strategy']}, counted by {receipt['counter']}",
        f"budget {budget['max']:,} - {budget['reserve']:,} for the reply = {room:,} tokens",
        "",
    ]
    for part in receipt["parts"]:
        bar = click.style(_bar(part["tokens"] / room, longest), fg=COLOURS.get(part["name"], "white"))
        lines.append(f"{part['name']:<{NAME_WIDTH}}{_numbers(part['tokens'], room)}  {bar}")
        lines += [f"{'':<{NAME_WIDTH}}{told}" for told in _told(part)]
    free = room - receipt["tokens"]
    lines.append(f"{'free':<{NAME_WIDTH}}{_numbers(free, room)}  {EMPTY * round(longest * free / room)}")
    return [*lines, "", *_notes(receipt)]


def texts(view: dict[str, Any]) -> list[str]:
    """Return the texts of a context as lines, each block under its role."""
    lines = ["", click.style("system", bold=True), view["system"]]
    for message in view["messages"]:
        for text in message["texts"]:
            lines += ["", click.style(message["role"], bold=True), text]
    return lines


async def _read(api: Api, path: str, message: str) -> dict[str, Any]:
    async with api:
        answer = await api.call("GET", path, query={"message": message} if message else None)
    if not answer.ok:
        raise CustomerMemoryError(answer.problem)
    return answer.body


def _numbers(tokens: int, room: int) -> str:
    return f"{tokens:>9,} {100 * tokens / room:>5.1f} %"


def _bar(share: float, longest: int) -> str:
    """Return a bar of at most `longest` columns; what costs anything shows."""
    eighths = max(round(share * longest * 8), 1 if share > 0 else 0)
    if _plain():
        return "#" * ((eighths + 7) // 8)
    return (FULL * (eighths // 8) + EIGHTHS[eighths % 8]).rstrip()


def _plain() -> bool:
    """Whether the terminal's language has no block characters, by its settings."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    return "utf" not in locale.lower() and locale != ""


def _told(part: dict[str, Any]) -> list[str]:
    """Return what else there is to say of a part: how many went in and stayed out, and why."""
    counts = []
    if part["included"]:
        counts.append(f"{len(part['included'])} in")
    if part["omitted"]:
        counts.append(f"{len(part['omitted'])} left out")
    lines = [", ".join(counts)] if counts else []
    return [f"{' ' * (NUMBERS_WIDTH - 2)}{line}" for line in [*lines, *filter(None, [part.get("reason")])]]


def _notes(receipt: dict[str, Any]) -> list[str]:
    """Return the lines below the table."""
    window, gap, cost = receipt.get("window"), receipt.get("gap"), receipt.get("estimatedCost")
    lines = []
    if window:
        lines.append(f"window      messages {window['first']} to {window['last']}, word for word")
    if gap:
        lines.append(f"gap         messages {gap['first']} to {gap['last']} are neither in it nor summarised")
    if receipt.get("compacted"):
        lines.append(f"begun anew  {receipt['compacted']}")
    cached = receipt.get("cachedTokens") or 0
    lines.append(
        f"cache       {cached:,} tokens can be read from the cache" if cached else "cache       too short for it"
    )
    if cost:
        lines.append(f"price       ${cost['cached']:.4f} with the cache, ${cost['fresh']:.4f} without, the reply apart")
    return lines
