"""`customer-memory deliveries`: what became of callbacks, and posting them again."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, Final

import click

from cli.http import Answer, Api
from cli.options import service_options
from cli.rundir import find_url
from shared.errors import CustomerMemoryError
from shared.settings import load_settings
from shared.storage.deliveries import STATUSES

COLOURS: Final = {"pending": "yellow", "delivered": "green", "dead": "red", "withheld": "cyan"}
MISSED: Final = "a person was to be called, and was not"
PATH: Final = "/api/deliveries"
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print what the API answers.")


@click.group(epilog="What becomes of callbacks: docs/how-to/receive-callbacks.md")
def deliveries() -> None:
    """Look at deliveries of callbacks, and post them again."""


@deliveries.command(name="list")
@click.option("--status", type=click.Choice(STATUSES), help="Those that stand so only.")
@click.option("--request", "request_id", help="That of this request only.")
@click.option("--hook", "hook_id", help="Replies to this hook's platform only.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 200), help="How many at most.")
@as_json_option
@service_options
def list_deliveries(
    status: str | None,
    request_id: str | None,
    hook_id: str | None,
    limit: int,
    *,
    as_json: bool,
    url: str | None,
    key: str | None,
) -> None:
    """Show deliveries, the one that began last first."""
    asked = {"limit": str(limit), "status": status, "requestId": request_id, "hookId": hook_id}
    found = asyncio.run(_listed(url, key, {name: value for name, value in asked.items() if value}, limit))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for each in found:
        _line(each)


@deliveries.command
@click.argument("delivery_id")
@as_json_option
@service_options
def show(delivery_id: str, *, as_json: bool, url: str | None, key: str | None) -> None:
    """Show a delivery with its attempts."""
    found = _call(url, key, "GET", f"{PATH}/{delivery_id}")
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    _line(found)
    for attempt in found["attempts"]:
        told = attempt.get("error") or f"answered {attempt['status']}"
        click.echo(f"  {attempt['at'][:19]}  {told}, {attempt['durationMs']} ms")


@deliveries.command
@click.argument("delivery_id", required=False)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]),
    help="All that began then or later, in UTC.",
)
@click.option("--status", type=click.Choice(STATUSES), default="dead", show_default=True, help="With --since: those.")
@service_options
def replay(delivery_id: str | None, since: datetime | None, status: str, *, url: str | None, key: str | None) -> None:
    """Post DELIVERY_ID again, or with --since all that were given up."""
    if (delivery_id is None) == (since is None):
        raise click.UsageError("name one delivery, or --since")
    if since is None:
        _line(_call(url, key, "POST", f"{PATH}/{delivery_id}/replay"))
        return
    body: dict[str, Any] | None = {"since": since.replace(tzinfo=UTC).isoformat(), "status": status}
    replayed = 0
    while body is not None:
        found = _call(url, key, "POST", f"{PATH}/replay", body=body)
        replayed += found["replayed"]
        body = {**body, "cursor": found["cursor"]} if "cursor" in found else None
    click.echo(f"{replayed} are posted again")


def _line(found: dict[str, Any]) -> None:
    state = click.style(found["status"].ljust(9), fg=COLOURS[found["status"]])
    told = found.get("reason") or (f"due {found['dueAt'][:19]}" if "dueAt" in found else "")
    where = found.get("hookId") or found.get("url", "the tenant's address")
    if found.get("missed"):
        told = f"{MISSED}; {told}"
    click.echo(f"{state}  {found['id']}  tries: {found['tries']}  {where}  {told}".rstrip())


async def _listed(url: str | None, key: str | None, asked: dict[str, str], limit: int) -> list[dict[str, Any]]:
    """Return deliveries, page by page: one may hold few, or none, of what is asked for."""
    path, query, found = PATH, asked, list[dict[str, Any]]()
    async with Api(find_url(load_settings(), url), key) as api:
        while path and len(found) < limit:
            answer = await _answer(api, "GET", path, query=query)
            found += answer.body["items"]
            path, query = answer.next or "", {}
    return found[:limit]


def _call(
    url: str | None, key: str | None, method: str, path: str, *, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with Api(find_url(load_settings(), url), key) as api:
            return (await _answer(api, method, path, body=body)).body

    return asyncio.run(ask())


async def _answer(api: Api, method: str, path: str, **more: Any) -> Answer:
    """Return what the API answers. Raises CustomerMemoryError where it refuses."""
    answer = await api.call(method, path, **more)
    if not answer.ok:
        raise CustomerMemoryError(answer.problem)
    return answer
