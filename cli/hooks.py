"""`customer-memory hooks`: connections to helpdesks and messengers."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

import click

from cli.hook_views import show_hook, show_next
from cli.http import Api
from cli.options import service_options
from cli.rundir import RunDir, find_settings, find_url
from cli.secret import known_keys
from shared.errors import CustomerMemoryError
from shared.hooks.hooks import Hooks
from shared.platforms.registry import NAMES
from shared.platforms.types import SecretName
from shared.sealing import sealer_of
from shared.settings import Settings, load_settings
from shared.storage import open_store

PATIENCE_SECONDS: Final = 5.0
PATH: Final = "/api/hooks"

tenant_option = click.option(
    "--tenant", help="Whose hook it is: for an operator's key; another key has its own tenant."
)
set_option = click.option(
    "--set", "values", multiple=True, metavar="NAME=VALUE", help="A setting; the value in JSON, or as it stands."
)
file_option = click.option(
    "--settings", "file", type=click.File(encoding="utf-8"), help="Settings as a JSON object, `-` for standard input."
)


@click.group(epilog="What each platform wants: docs/reference/hooks.md")
def hooks() -> None:
    """Connect helpdesks and messengers: they post to a hook, replies go back through it.

    A hook belongs to one tenant and one account of a platform. `add` makes it and prints the address that the
    platform is to post to. What the platform signs with is given afterwards, by `rotate`: from standard input, so that
    it is in no history and no list of processes.

    \b
      customer-memory hooks add chatwoot --set accountId=2
      customer-memory hooks rotate hook_01… signing < secret.txt
      customer-memory hooks rotate hook_01… token < bot-token.txt
      customer-memory hooks show hook_01…
    """  # noqa: D301 - the backspace keeps the lines as they are


@hooks.command()
@click.argument("platform", type=click.Choice(NAMES))
@click.option("--name", help="What people call it; default: the platform.")
@tenant_option
@set_option
@file_option
@service_options
def add(
    platform: str,
    *,
    name: str | None,
    tenant: str | None,
    values: tuple[str, ...],
    file: IO[str] | None,
    url: str | None,
    key: str | None,
) -> None:
    """Add a hook of PLATFORM, and print the address that the platform is to post to.

    \b
    chatwoot   accountId; baseUrl for your own server; answers=unassigned without an agent bot
    zendesk    subdomain; email and userId of the agent who replies
    sunshine   baseUrl, appId; integration where there is a switchboard
    intercom   appId (the workspace), adminId (who replies); region
    freshchat  baseUrl, agentId (who replies); appId
    freshdesk  domain; agentId (who replies)
    slack      appId, teamId; agents=["U…"], channels=["C…"]
    generic    a mapping, with --settings mapping.json

    Any of them: coalesceSeconds (4), within which messages are answered once.
    """  # noqa: D301 - the backspace keeps the lines as they are
    body: dict[str, Any] = {"platform": platform, "settings": _settings(values, file)}
    if name:
        body["name"] = name
    found = _call(url, key, tenant, "POST", PATH, body)
    show_hook(found)
    show_next(found)


@hooks.command(name="list")
@tenant_option
@click.option("--json", "as_json", is_flag=True, help="Print what the API answers.")
@service_options
def list_hooks(*, tenant: str | None, as_json: bool, url: str | None, key: str | None) -> None:
    """Show the tenant's hooks."""
    found = _call(url, key, tenant, "GET", PATH)["items"]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for each in found:
        state = "rests" if each["disabled"] else "takes part"
        click.echo(f"{each['id']}  {each['platform']:9}  {state:10}  {each['name']}")


@hooks.command()
@click.argument("hook")
@tenant_option
@service_options
def show(hook: str, *, tenant: str | None, url: str | None, key: str | None) -> None:
    """Show HOOK: its address, settings, and secrets without their text."""
    found = _call(url, key, tenant, "GET", f"{PATH}/{hook}")
    show_hook(found)
    show_next(found)


@hooks.command(name="set")
@click.argument("hook")
@click.option("--name", help="What people call it.")
@click.option("--disable/--enable", "disabled", default=None, help="Let it rest, or take part again.")
@tenant_option
@set_option
@file_option
@service_options
def change(  # noqa: PLR0913 - click's options
    hook: str,
    *,
    name: str | None,
    disabled: bool | None,
    tenant: str | None,
    values: tuple[str, ...],
    file: IO[str] | None,
    url: str | None,
    key: str | None,
) -> None:
    """Change HOOK's settings; those not named stay, and NAME=null is the default again."""
    told = {"name": name, "disabled": disabled, "settings": _settings(values, file) or None}
    body = {field: value for field, value in told.items() if value is not None}
    show_hook(_call(url, key, tenant, "PATCH", f"{PATH}/{hook}", body))


@hooks.command()
@click.argument("hook")
@click.argument("name", type=click.Choice(["signing", "shared", "token"]))
@click.option("--make", is_flag=True, help="Have it made, and show it this once; `shared` always is.")
@click.option("--overlap-hours", default=24.0, show_default=True, help="How long the one before is valid beside it.")
@tenant_option
@service_options
def rotate(
    hook: str,
    name: SecretName,
    *,
    make: bool,
    overlap_hours: float,
    tenant: str | None,
    url: str | None,
    key: str | None,
) -> None:
    """Give HOOK a new secret, read from standard input, or asked for on a terminal.

    \b
    signing  what the platform proves its deliveries with
    shared   what proves them where the platform cannot sign; made here
    token    what we are let in with, to post replies
    """  # noqa: D301 - the backspace keeps the lines as they are
    body: dict[str, Any] = {"name": name, "overlapHours": overlap_hours}
    if not make and name != "shared":
        body["secret"] = _secret(name)
    show_hook(_call(url, key, tenant, "POST", f"{PATH}/{hook}/secrets", body))


@hooks.command()
@click.argument("hook")
@click.confirmation_option(
    prompt="Nothing is taken or posted through this hook any more, and its secrets are gone. Remove it?"
)
@tenant_option
@service_options
def remove(hook: str, *, tenant: str | None, url: str | None, key: str | None) -> None:
    """Remove HOOK. The conversations that came through it stay."""
    _call(url, key, tenant, "DELETE", f"{PATH}/{hook}")
    click.echo(f"{hook} is removed.")


@hooks.command()
@click.argument("hook")
@click.argument("body", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header that came with it.")
@click.option("--query", default="", help="What followed `?` in the address.")
@click.option("--at", type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]), help="When it came, in UTC; default: now.")
@tenant_option
@service_options
def test(  # noqa: PLR0913 - click's options
    hook: str,
    body: Path,
    *,
    headers: tuple[str, ...],
    query: str,
    at: datetime | None,
    tenant: str | None,
    url: str | None,
    key: str | None,
) -> None:
    """Try a delivery, the file BODY, on HOOK: would it be taken, and what does it say? Nothing comes of it."""
    raw = sys.stdin.buffer.read() if str(body) == "-" else body.read_bytes()
    pairs = [each.partition(":") for each in headers]
    told: dict[str, Any] = {
        "headers": {name.strip(): value.strip() for name, _, value in pairs},
        "body": raw.decode("utf-8", "surrogateescape"),
        "query": query,
    }
    if at is not None:
        told["at"] = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    found = _call(url, key, tenant, "POST", f"{PATH}/{hook}/test", told)
    click.secho("genuine" if found["genuine"] else found["problem"], fg="green" if found["genuine"] else "red")
    if "challenge" in found:
        click.echo(f"is answered {json.dumps(found['challenge'])}")
    for event in found["events"]:
        click.echo(json.dumps(event, ensure_ascii=False))
    sys.exit(0 if found["genuine"] else 1)


@hooks.command()
def reseal() -> None:
    """Seal all tenants' secrets with the first key of SECRET_KEY, so that the second can be dropped."""
    settings = find_settings(load_settings())
    for hook, count in asyncio.run(_reseal(settings)):
        click.echo(f"{hook}: {count} sealed anew")


async def _reseal(settings: Settings) -> list[tuple[str, int]]:
    async with open_store(settings, patience=PATIENCE_SECONDS) as store:
        keys = settings.secret_keys or known_keys(RunDir(settings.data_dir).path)
        every = Hooks(store, sealer_of(keys))
        return [(kept.id, await every.reseal(kept)) for kept in await store.all_hooks()]


def _settings(values: tuple[str, ...], file: IO[str] | None) -> dict[str, Any]:
    found: Any = {}
    if file is not None:
        try:
            found = json.load(file)
        except ValueError as error:
            raise CustomerMemoryError(f"--settings: {file.name} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise CustomerMemoryError(f"--settings: {file.name} must hold a JSON object")
    for each in values:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise click.UsageError(f"--set: write NAME=VALUE, such as accountId=2; not {each!r}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    settings: dict[str, Any] = found
    return settings


def _secret(name: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(f"The {name} secret", hide_input=True, err=True))
    found = sys.stdin.read().strip()
    if not found:
        raise click.UsageError("give the secret on standard input, or --make")
    return found


def _call(
    url: str | None, key: str | None, tenant: str | None, method: str, path: str, body: dict[str, Any] | None = None
) -> Any:
    async def ask() -> Any:
        async with Api(find_url(load_settings(), url), key) as api:
            answer = await api.call(method, path, body=body, headers={"X-Tenant": tenant} if tenant else None)
        if not answer.ok:
            raise CustomerMemoryError(answer.problem)
        return answer.body

    return asyncio.run(ask())
