"""`customer-memory callbacks`: where a tenant's results are posted, and the secrets they are signed with."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from cli.http import Api
from cli.options import service_options
from cli.rundir import RunDir, find_settings, find_url
from cli.secret import known_keys
from shared.callbacks.account import Accounts
from shared.errors import CustomerMemoryError
from shared.sealing import sealer_of
from shared.settings import Settings, load_settings
from shared.storage import open_store

PATIENCE_SECONDS = 5.0
PATH = "/api/callbacks"


@click.group(epilog="How to receive them: docs/how-to/receive-callbacks.md")
def callbacks() -> None:
    """Say where results are posted, and make the secrets they are signed with."""


@callbacks.command
@service_options
def show(*, url: str | None, key: str | None) -> None:
    """Show the tenant's address, its secrets without their text, and endpoints that answered 410."""
    _tell(_call(url, key, "GET", PATH))


@callbacks.command(name="set")
@click.argument("address")
@service_options
def set_address(address: str, *, url: str | None, key: str | None) -> None:
    """Have results posted to ADDRESS; the first time this makes a secret, and shows it this once."""
    _tell(_call(url, key, "PUT", PATH, {"url": address}))


@callbacks.command
@service_options
def clear(*, url: str | None, key: str | None) -> None:
    """Have results posted no more, but where requests name an address themselves."""
    _call(url, key, "DELETE", PATH)


@callbacks.command
@click.option("--overlap-hours", default=24.0, show_default=True, help="How long the secret before signs beside it.")
@service_options
def secret(overlap_hours: float, *, url: str | None, key: str | None) -> None:
    """Make a new secret, and show it this once."""
    _tell(_call(url, key, "POST", f"{PATH}/secret", {"overlapHours": overlap_hours}))


@callbacks.command
@click.argument("address")
@service_options
def resume(address: str, *, url: str | None, key: str | None) -> None:
    """Post again to ADDRESS, which answered 410 Gone."""
    _tell(_call(url, key, "POST", f"{PATH}/resume", {"url": address}))


@callbacks.command
def reseal() -> None:
    """Seal all tenants' secrets with the first key of SECRET_KEY, so that the second can be dropped."""
    settings = find_settings(load_settings())
    for tenant, count in asyncio.run(_reseal(settings)):
        click.echo(f"{tenant}: {count} sealed anew")


async def _reseal(settings: Settings) -> list[tuple[str, int]]:
    async with open_store(settings, patience=PATIENCE_SECONDS) as store:
        keys = settings.secret_keys or known_keys(RunDir(settings.data_dir).path)
        accounts = Accounts(store, sealer_of(keys))
        return [(tenant, await accounts.reseal(tenant)) for tenant in await store.callback_tenants()]


def _call(url: str | None, key: str | None, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    async def ask() -> Any:
        async with Api(find_url(load_settings(), url), key) as api:
            answer = await api.call(method, path, body=body)
        if not answer.ok:
            raise CustomerMemoryError(answer.problem)
        return answer.body

    return asyncio.run(ask())


def _tell(found: dict[str, Any]) -> None:
    click.echo(f"address  {found.get('url') or 'none'}", err=True)
    for each in found["secrets"]:
        click.echo(f"secret   made {each['createdAt'][:16]}, valid {_until(each)}", err=True)
    for each in found["stopped"]:
        click.echo(f"stopped  {each['url']}, which answered 410 at {each['since'][:16]}", err=True)
    if "secret" in found:
        click.echo("The secret is shown this once; keep it:", err=True)
        click.echo(found["secret"])


def _until(found: dict[str, Any]) -> str:
    return f"until {found['validUntil'][:16]}" if "validUntil" in found else "until another is made"
