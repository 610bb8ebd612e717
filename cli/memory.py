"""`customer-memory memory`: what is remembered of a customer, and where it came from; or what is found for a query."""

from __future__ import annotations

import asyncio
import json
import shutil
import textwrap
from collections.abc import Iterator
from typing import Any, Final

import click

from cli.http import Api
from cli.options import service_options
from cli.rundir import find_url
from shared.errors import CustomerMemoryError
from shared.settings import load_settings

SCOPES: Final = {"ticket": "yellow", "preference": "green", "note": "cyan"}
SPEAKERS: Final = {"user": "customer", "assistant": "agent"}
LONGEST: Final = 3  # lines of a value or a turn
PAGE: Final = 200


@click.command(epilog="What is remembered, and how: docs/explanation/memory.md")
@click.argument("customer")
@click.option("--query", help="Look for this, in entries and in what was said.")
@click.option("--scope", type=click.Choice([*SCOPES]), help="Entries of this scope only.")
@click.option("--json", "as_json", is_flag=True, help="Print what the API answers.")
@service_options
def memory(
    customer: str, *, query: str | None, scope: str | None, as_json: bool, url: str | None, key: str | None
) -> None:
    """Show what is remembered of CUSTOMER: entries with their source, or with --query what is found for it."""
    asked: dict[str, str] = {"customerId": customer, "limit": "20" if query else str(PAGE)}
    asked |= {"query": query} if query else {}
    asked |= {"scope": scope} if scope else {}
    found = asyncio.run(_read(Api(find_url(load_settings(), url), key), asked))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    width = min(shutil.get_terminal_size().columns, 120)
    for line in _found(found, width) if isinstance(found, dict) else _listed(found, width):
        click.echo(line)


async def _read(api: Api, asked: dict[str, str]) -> Any:
    async with api:
        answer = await api.call("GET", "/api/memory", query=asked)
    if not answer.ok:
        raise CustomerMemoryError(answer.problem)
    return answer.body.get("items", answer.body)


def _listed(entries: list[dict[str, Any]], width: int) -> Iterator[str]:
    if not entries:
        yield "Nothing is remembered of this customer."
    for entry in entries:
        yield from _entry(entry, width)
    if len(entries) == PAGE:
        yield f"… the first {PAGE}; the API pages through all"


def _found(found: dict[str, Any], width: int) -> Iterator[str]:
    if not found["entries"] and not found["turns"]:
        yield "Nothing was found."
    for entry in found["entries"]:
        yield from _entry(entry, width)
    for turn in found["turns"]:
        yield ""
        speaker = SPEAKERS[turn["role"]]
        yield f"{click.style(speaker, bold=True)} {turn['at'][:10]}  {turn['sessionId']}/{turn['seq']}"
        yield from _wrapped(turn["content"], width, 2)
        yield click.style(f"  by {', '.join(turn['why'])}: {', '.join(turn['matched'])}", dim=True)


def _entry(entry: dict[str, Any], width: int) -> Iterator[str]:
    state = "quarantined" if entry["quarantined"] else entry["status"]
    label = f"{entry['scope']}, {state}" if state else entry["scope"]
    yield f"{click.style(label, fg=SCOPES[entry['scope']])}  {click.style(entry['key'], bold=True)}"
    value = entry["value"]
    yield from _wrapped(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), width, 2)
    yield click.style(f"  {_source(entry)}, since {entry['validFrom'][:10]}{_earlier(entry)}", dim=True)


def _source(entry: dict[str, Any]) -> str:
    said = entry["provenance"]
    if said is None:
        return "written through the API"
    return f"said by {SPEAKERS[said['role']]} in {said['sessionId']}/{said['seq']}"


def _earlier(entry: dict[str, Any]) -> str:
    count = len(entry["history"])
    return f"; {count} earlier value{'s' if count > 1 else ''}" if count else ""


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(
        text, width, initial_indent=margin, subsequent_indent=margin, max_lines=LONGEST, placeholder=" …"
    )
