"""How `customer-memory hooks` tells of a hook."""

from __future__ import annotations

import json
from typing import Any, Final

import click

from shared.platforms.registry import PLATFORMS, Platform

PAGES: Final = {"chatwoot": "connect-chatwoot", "zendesk": "connect-zendesk", "intercom": "connect-intercom"}


def show_hook(found: dict[str, Any]) -> None:
    """Print a hook; secrets that were made just now are the last lines of standard output."""
    click.echo(f"hook     {found['id']}  {found['platform']}  {found['name']}")
    click.echo(f"address  {found['url']}")
    if found["disabled"]:
        click.echo("rests    nothing is taken or posted; `hooks set --enable` ends that")
    for name, value in found["settings"].items():
        click.echo(f"setting  {name}={json.dumps(value, ensure_ascii=False)}")
    for each in found["secrets"]:
        until = f"valid until {each['validUntil'][:16]}" if "validUntil" in each else "valid until another is given"
        click.echo(f"secret   {each['name']}, given {each['createdAt'][:16]}, {until}")
    if "notice" in found:
        click.echo(found["notice"], err=True)
    for name, text in found.get("made", {}).items():
        click.echo(f"The {name} secret is shown this once; keep it:", err=True)
        click.echo(text)


def show_next(found: dict[str, Any]) -> None:
    """Say what is still to be done until the hook works."""
    platform: Platform = PLATFORMS[found["platform"]]
    held = {each["name"] for each in found["secrets"]}
    page = f"docs/how-to/{PAGES.get(platform.name, 'connect-any-platform')}.md"
    click.echo(f"\nIn {platform.title}: have it post to the address above. Step by step: {page}", err=True)
    if found["url"].startswith("http://"):
        click.echo("No helpdesk reaches that address from outside: set PUBLIC_URL, an https:// address.", err=True)
    for name, kind in platform.secrets.items():
        if name in held or kind.made_by == "us":
            continue
        click.echo(f"Then: customer-memory hooks rotate {found['id']} {name}   # {kind.what}", err=True)
