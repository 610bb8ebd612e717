"""`customer-memory customers`: export or erase all that is kept of one, or merge two."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, BinaryIO, Final
from urllib.parse import quote

import click

from cli.http import Api
from cli.migrate import open_portable
from cli.moved_index import list_anew
from cli.options import service_options
from cli.rundir import find_settings, find_url
from shared.errors import CustomerMemoryError
from shared.settings import load_settings
from shared.storage import open_store

AGAIN_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 30.0
TOLD_SECONDS: Final = 5.0
GOES_ON: Final = 202
PAUSE_SECONDS: Final = 0.1  # a merge moves while it is asked for


@click.group
def customers() -> None:
    """Export or erase all that is kept of a customer, or merge two."""


@customers.command
@click.argument("customer", metavar="ID")
@service_options
def export(customer: str, url: str | None, key: str | None) -> None:
    """Write all that is kept of the customer ID to stdout, as JSON Lines.

    How far it is goes to stderr. Exits 1 when the export is cut off: then it has no last line of type "end".
    """
    counts = asyncio.run(_export(_api(url, key), customer, sys.stdout.buffer))
    click.echo(", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing is kept", err=True)


@customers.command
@click.argument("customer", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@service_options
def erase(customer: str, *, yes: bool, url: str | None, key: str | None) -> None:
    """Erase the customer ID with all that was made of them, for ever.

    Interrupted, it goes on by itself.
    """
    if not yes:
        click.confirm(f"Erase everything that is kept of {customer!r}, for ever?", abort=True, err=True)
    asyncio.run(_erase(_api(url, key), customer))
    click.echo(f"{customer} is erased")


@customers.command
@click.argument("source", metavar="FROM")
@click.argument("into", metavar="INTO")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@service_options
def merge(source: str, into: str, *, yes: bool, url: str | None, key: str | None) -> None:
    """Merge the customer FROM, such as an anonymous visitor, into the customer INTO, for ever.

    FROM stands for INTO from then on. Interrupted, it goes on by itself.
    """
    if not yes:
        click.confirm(f"Let {source!r} be {into!r}, for ever?", abort=True, err=True)
    asyncio.run(_merge(_api(url, key), source, into))
    click.echo(f"{source} is {into}")


@customers.command
@click.option("--tenant", "tenants", multiple=True, metavar="NAME", help="Only this tenant; may be given again.")
def relist(tenants: tuple[str, ...]) -> None:
    """List customers anew, by the sessions that are kept: those of a release before lists are in none.

    It reads every session once, and may be run at any time, and again.
    """
    click.echo(f"{asyncio.run(_relist(tenants))} sessions were looked at")


async def _relist(tenants: tuple[str, ...]) -> int:
    settings = find_settings(load_settings())
    portable = open_portable(settings)
    try:
        async with open_store(settings, patience=PATIENCE_SECONDS) as store:
            return await list_anew(store, portable, tenants)
    finally:
        await portable.close()


def _api(url: str | None, key: str | None) -> Api:
    return Api(find_url(load_settings(), url), key)


def _path(customer: str) -> str:
    return f"/api/customers/{quote(customer, safe='')}"


async def _export(api: Api, customer: str, out: BinaryIO) -> dict[str, int]:
    """Copy the lines as they come; return how many there were of each type, as the last one tells."""
    count, told, line = 0, time.monotonic(), b""
    async with api:
        async for chunk in api.chunks(f"{_path(customer)}/export"):
            out.write(chunk)
            count += chunk.count(b"\n")
            *_, line = (line + chunk).removesuffix(b"\n").rsplit(b"\n", 1)
            line += b"\n" if chunk.endswith(b"\n") else b""
            if time.monotonic() - told > TOLD_SECONDS:
                told = time.monotonic()
                click.echo(f"{count:,} lines", err=True)
    out.flush()
    counts = _end(line)
    if counts is None:
        message = f"the export was cut off after {count:,} lines; ask for it again"
        raise CustomerMemoryError(message)
    return counts


def _end(line: bytes) -> dict[str, int] | None:
    """Return the counts of an export's last line; None where it is none."""
    try:
        told: Any = json.loads(line)
    except ValueError:
        return None
    counts: dict[str, int] | None = told["counts"] if told.get("type") == "end" else None
    return counts


async def _erase(api: Api, customer: str) -> None:
    began = told = time.monotonic()
    async with api:
        while (answer := await api.call("DELETE", _path(customer))).status == GOES_ON:
            if time.monotonic() - told > TOLD_SECONDS:
                told = time.monotonic()
                click.echo(f"nothing of it can be read any more; removing for {told - began:.0f} s", err=True)
            await asyncio.sleep(answer.retry_after(AGAIN_SECONDS))
    if not answer.ok:
        raise CustomerMemoryError(answer.problem)


async def _merge(api: Api, source: str, into: str) -> None:
    path, body = f"{_path(into)}/merge", {"from": source}
    async with api:
        answer = await api.call("POST", path, body=body)
        if answer.status == GOES_ON:
            # Sessions that begin meanwhile are counted too, so it may take longer than it seems.
            most = int(answer.body["sessionsLeft"])
            with click.progressbar(length=most, label="sessions moved", file=sys.stderr, show_pos=True) as bar:
                while answer.status == GOES_ON:
                    bar.update(max(0, most - int(answer.body["sessionsLeft"]) - bar.pos))
                    await asyncio.sleep(PAUSE_SECONDS)
                    answer = await api.call("POST", path, body=body)
                bar.update(max(0, most - bar.pos) if answer.ok else 0)
    if not answer.ok:
        raise CustomerMemoryError(answer.problem)
