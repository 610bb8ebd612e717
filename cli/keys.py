"""`customer-memory keys`: create, list and revoke the keys that callers of the API show."""

from __future__ import annotations

import asyncio
import json

import click

from cli.rundir import find_settings
from shared.errors import CustomerMemoryError
from shared.settings import load_settings
from shared.storage import open_store
from shared.storage.access import ApiKey, KeyRole
from shared.storage.tenant_index import Action

PATIENCE_SECONDS = 3.0


@click.group
def keys() -> None:
    """Create, list and revoke API keys.

    While there is no key, the service answers on loopback to anyone, as tenant `default`. The first key ends that.
    """


@keys.command
@click.option("--tenant", required=True, help="Whose data the key opens.")
@click.option("--role", type=click.Choice(["tenant", "operator"]), default="tenant", show_default=True)
@click.option("--label", help="A note for yourself, such as `helpdesk`.")
@click.option("--if-none", is_flag=True, help="Do nothing when any key exists.")
def create(tenant: str, role: KeyRole, label: str | None, *, if_none: bool) -> None:
    """Make a key, and show it this once."""
    made = asyncio.run(_create(tenant, role, label, if_none=if_none))
    if made is None:
        return
    key, secret = made
    click.echo(f"Key {key.key_id} of tenant {key.tenant} ({key.role}). It is shown this once; keep it:", err=True)
    click.echo(secret)


@keys.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_keys(*, as_json: bool) -> None:
    """Show every key, without its secret."""
    for key in asyncio.run(_list()):
        created, revoked = f"{key.created_at:%Y-%m-%d %H:%M}", "revoked" if key.revoked_at else "valid"
        if as_json:
            row = {"keyId": key.key_id, "tenant": key.tenant, "role": key.role, "label": key.label}
            click.echo(json.dumps({**row, "createdAt": key.created_at.isoformat(), "revoked": revoked == "revoked"}))
        else:
            click.echo(f"{key.key_id}  {key.tenant}  {key.role}  {created}  {revoked}  {key.label or ''}".rstrip())


@keys.command
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Make a key worthless, at once and for ever."""
    if asyncio.run(_revoke(key_id)) is None:
        message = f"There is no key {key_id}. `customer-memory keys list` shows them."
        raise CustomerMemoryError(message)
    click.echo(f"Key {key_id} is revoked.")


async def _create(tenant: str, role: KeyRole, label: str | None, *, if_none: bool) -> tuple[ApiKey, str] | None:
    async with open_store(find_settings(load_settings()), patience=PATIENCE_SECONDS) as store:
        if if_none and await store.access.any():
            return None
        try:
            return await store.access.create(tenant, role, label)
        except ValueError as error:
            message = f"--tenant: {error}"
            raise CustomerMemoryError(message) from error


async def _list() -> list[ApiKey]:
    async with open_store(find_settings(load_settings()), patience=PATIENCE_SECONDS) as store:
        return await store.access.list()


async def _revoke(key_id: str) -> ApiKey | None:
    async with open_store(find_settings(load_settings()), patience=PATIENCE_SECONDS) as store:
        key = await store.access.revoke(key_id)
        if key is not None and key.revoked_at is not None:
            # Named so, it is kept once, however often the key is revoked.
            action = Action(f"act_revoke_{key_id}", key.revoked_at, "revoke-key", "cli", f"key {key_id}")
            await store.tenant(key.tenant).act(action)
        return key
