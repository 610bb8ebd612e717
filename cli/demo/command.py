"""The command: finds or starts a service, loads the shop, and says what to open and what to ask."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

import click

from cli import up
from cli.demo.loader import Loader, Step
from cli.demo.shop import Shop, read_shop
from cli.embedded import free_port
from cli.http import Api
from cli.options import service_options
from cli.rundir import DEMO, RunDir
from shared.errors import CustomerMemoryError
from shared.settings import Settings, load_settings

Result = TypeVar("Result")

# What a customer says is to be remembered while one watches, and only what goes wrong is worth a line.
LIVELY: Final = {"MEMORY_DELAY_SECONDS": "5", "LOG_LEVEL": "WARNING"}

LOADED: Final = """
The demo is loaded: {customers} customers of an invented shop, {conversations} conversations of the last month; {added}

  open       {url}/#customer=maria.lopez
  ask        Where is my refund?
  also       {url}/#customer=jonas.weber       Wie war der Code meiner Gutschrift?
             {url}/#customer=priya.natarajan   When will the hinge be posted?
             {url}/#customer=tom.okafor        When is my bookshelf delivered?
  look       {url}/console
"""
LATER: Final = (
    "Not all is remembered yet; that goes on by itself. Does a `summaries` worker run? customer-memory doctor\n"
)


@click.command
@click.option("--tenant", help="Act for this tenant; needs an operator's key.")
@service_options
def demo(*, tenant: str | None, url: str | None, key: str | None) -> None:
    """Load an invented shop: customers, a month of conversations, a few memory entries.

    Without --url it goes into a service of its own, with its data in DATA_DIR/demo, which is started here and runs
    until Ctrl-C; none of your data are touched. With --url it goes into that service. Run again, it adds what is
    missing.
    """
    settings = load_settings()
    running = None if url else RunDir(settings.data_dir / DEMO).running()
    place = url or (running.url if running else None)
    if place is not None:
        click.echo(asyncio.run(_load(Api(place, key, tenant=tenant))))
        return
    if tenant or key:
        raise click.UsageError("--key and --tenant go with --url: the demo's own service needs none")
    if os.name != "posix":
        raise click.ClickException("Starting a service needs Linux or macOS. Start it by Docker, and give --url")
    sys.exit(_start(settings))


def _start(settings: Settings) -> int:
    """Start a service for the demo alone, load it, and run until stopped; return the exit code."""
    own = _own(settings)
    run_dir = RunDir(own.data_dir)
    lock = run_dir.lock(click.echo)
    env = {"STORE": "redis", "HOST": own.host, "PORT": str(own.port), **_unset(LIVELY)}
    plan = up.make_plan(own, run_dir, lock, **env)

    async def load(say: Callable[[str], None]) -> None:
        say(await _load(Api(plan.record.url, None)))

    return up.run(plan, run_dir, lock, load)


def _own(settings: Settings) -> Settings:
    """Return the settings of the demo's own service: an embedded store, on loopback, on a port that is free."""
    port = settings.port
    try:
        up.check_port("127.0.0.1", port)
    except CustomerMemoryError:
        port = free_port()
    return load_settings(
        store="redis",
        redis_url=None,
        broker_url=None,
        aws_region=None,
        host="127.0.0.1",
        port=port,
        data_dir=settings.data_dir / DEMO,
    )


def _unset(wanted: dict[str, str]) -> dict[str, str]:
    """Return of these variables those that the environment does not set."""
    return {name: value for name, value in wanted.items() if not os.environ.get(name)}


async def _load(api: Api) -> str:
    """Load all of it, with a progress bar; return what to tell."""
    now = datetime.now(UTC)
    shop = read_shop(now)
    conversations = sum(len(each.conversations) for each in shop.customers)
    async with api:
        loader = Loader(api, shop, now)
        await _shown("Recording  ", loader.steps, loader.record)
        whole = await _shown("Remembering", conversations, loader.remembered)
        await _shown("Asking     ", len(shop.questions), loader.converse)
    return _told(api.url, shop, conversations, loader.added) + ("" if whole else LATER)


async def _shown(label: str, length: int, work: Callable[[Step], Awaitable[Result]]) -> Result:
    with click.progressbar(length=length, label=label, file=sys.stderr, show_pos=True, show_eta=False) as bar:
        return await work(lambda: bar.update(1))


def _told(url: str, shop: Shop, conversations: int, added: int) -> str:
    news = f"{added} things were new." if added else "nothing was missing."
    return LOADED.format(url=url, customers=len(shop.customers), conversations=conversations, added=news)
