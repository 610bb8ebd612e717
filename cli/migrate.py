"""`customer-memory migrate`: move tenants from one store to another, most of it while the service runs."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

import click

from cli.moved import Comparison, Held
from cli.moved_callbacks import move_callbacks
from cli.moved_hooks import move_hooks
from cli.moved_index import move_index
from cli.mover import Mover
from shared.connections import REDIS_SCHEMES
from shared.errors import CustomerMemoryError
from shared.settings import Settings, load_settings
from shared.storage import address_of, limits_of
from shared.storage.contract import Store
from shared.storage.dynamodb.address import Address
from shared.storage.keys import valid_tenant
from shared.storage.portable import Portable

PATIENCE_SECONDS: Final = 30.0
CONNECTIONS: Final = 64
LIVE_PASSES: Final = 5
FINAL_PASSES: Final = 10
# While the service runs, a pass that changed this share of what it looked at, or less, is the last.
LITTLE: Final = 0.01
LINE_SECONDS: Final = 10.0
INTERRUPTED: Final = 130

KNOWN: Final = "redis://host:port/0, redis (REDIS_URL), dynamodb (AWS_REGION, DYNAMODB_TABLE_NAME), dynamodb://table"
NAMES: Final = ("sessions", "messages", "requests", "entries", "contents")


@click.command(epilog="Everything about it: docs/how-to/move-between-stores.md")
@click.option("--from", "origin", required=True, metavar="STORE", help="Where it is.")
@click.option("--to", "aim", required=True, metavar="STORE", help="Where it shall be.")
@click.option("--tenant", "tenants", multiple=True, metavar="NAME", help="Only this tenant; may be given again.")
@click.option("--final", is_flag=True, help="The service is stopped: copy the rest, then compare.")
@click.option("--check", "only_check", is_flag=True, help="Only compare both stores; change nothing.")
def migrate(origin: str, aim: str, tenants: tuple[str, ...], *, final: bool, only_check: bool) -> None:
    """Move tenants from one store to another: sessions, messages, requests, memory, instructions, API keys.

    \b
    1. customer-memory migrate --from redis://… --to dynamodb
       while the service runs; it copies everything, then what has changed meanwhile.
    2. Stop web, workers and beat.
    3. customer-memory migrate --from redis://… --to dynamodb --final
       copies the rest, waiting requests too, and compares both stores. It exits 1 when they differ.
    4. Start the service on the new store. What waited is answered there.

    Cut off, it is simply started again; what is there already is passed over. What is deleted meanwhile is deleted in
    the target too. A store whose sessions have moved on by themselves is never written over.

    \b
    STORE is one of
      redis://host:port/0                      or redis, for REDIS_URL
      dynamodb                                 the table and region of the settings
      dynamodb://table?region=…&endpoint=…     another table
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    settings = load_settings()
    for tenant in tenants:
        if not valid_tenant(tenant):
            raise CustomerMemoryError(f"--tenant: {tenant!r} is no tenant's name")
    source, target = _place("--from", origin, settings), _place("--to", aim, settings)
    if source == target:
        raise CustomerMemoryError("--from and --to name the same store")
    job = Job(settings, source, target, tenants)
    try:
        right = asyncio.run(job.check() if only_check else job.move(final=final))
    except KeyboardInterrupt:
        click.echo("Interrupted. Nothing is lost: the same command goes on from here.", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(0 if right else 1)


@dataclass(frozen=True, slots=True)
class Place:
    """Which store: a Redis URL, or a table."""

    url: str = ""
    table: str = ""
    region: str = ""
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the command."""

    settings: Settings
    source: Place
    target: Place
    tenants: tuple[str, ...]

    async def move(self, *, final: bool) -> bool:
        """Copy; at the end, with `final`, compare. Return whether all is well."""
        async with AsyncExitStack() as closing:
            mover = await self._mover(closing, live=not final)
            await self._passes(mover, final=final)
            if not final:
                click.echo("Now stop web, workers and beat, and run the same command with --final.")
                return True
            rows = await mover.move_rows()
            click.echo(f"Announcements that wait: {rows} copied")
            async with _opened(self.source, self.settings) as source, _opened(self.target, self.settings) as target:
                click.echo(f"Hooks: {await move_hooks(source, target, self.tenants)} copied")
                click.echo(f"Callbacks: {await move_callbacks(source, target, self.tenants)} deliveries copied")
                click.echo(f"Lists: {await move_index(source, target, self.tenants)} customers copied")
            return await self._compare(mover, mark=True)

    async def check(self) -> bool:
        """Compare both stores; return whether they are the same."""
        async with AsyncExitStack() as closing:
            return await self._compare(await self._mover(closing, live=False), mark=False)

    async def _passes(self, mover: Mover, *, final: bool) -> None:
        most, before = FINAL_PASSES if final else LIVE_PASSES, 0
        for number in range(1, most + 1):
            with Progress(f"Pass {number}", await mover.size()) as progress:
                mover.on_session = progress.step
                passed = await mover.run_pass()
            click.echo(f"Pass {number}: {passed.copied} copied, {passed.removed} removed, {passed.same} were the same")
            if final and passed.busy:
                message = (
                    f"{passed.busy} sessions are being answered on the source. Stop the workers; after one was killed, "
                    "wait for LEASE_SECONDS. Then run the same command again."
                )
                raise CustomerMemoryError(message)
            if passed.changed <= (0 if final else LITTLE * (passed.changed + passed.same)):
                return
            if not final and number > 1 and passed.changed > before / 2:
                return  # the service changes as much meanwhile: another pass would find no less
            before = passed.changed
        if final:
            raise CustomerMemoryError("The source keeps changing: the service still runs. Stop web, workers and beat.")

    async def _compare(self, mover: Mover, *, mark: bool) -> bool:
        with Progress("Comparing", await mover.size()) as progress:
            mover.on_session = progress.step
            found = await mover.compare(limits_of(self.settings).request_retention_ms, mark=mark)
        for line in _table(found):
            click.echo(line)
        if not found.differing:
            click.echo("Both stores hold the same.")
            return True
        for line in found.named:
            click.secho(line, err=True, fg="red")
        click.secho(f"{found.differing} differ. Was the service stopped? Run it again.", err=True, fg="red")
        return False

    async def _mover(self, closing: AsyncExitStack, *, live: bool) -> Mover:
        stores = []
        for place in (self.source, self.target):
            stores.append(_open(place, self.settings))
            closing.push_async_callback(stores[-1].close)
        return Mover(stores[0], stores[1], self.tenants, live=live)


class Progress:
    """A bar on a terminal; elsewhere a line now and then."""

    def __init__(self, label: str, length: int) -> None:
        self._label = label
        self._length = length
        self._count = 0
        self._told = time.monotonic()
        self._bar = click.progressbar(length=max(1, length), label=f"{label}, sessions", file=sys.stderr, show_pos=True)
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Self:
        if self._shown:
            self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._bar.__exit__(kind, fault, trace)

    def step(self) -> None:
        """Count one more."""
        self._count += 1
        if self._shown:
            self._bar.update(1)
        elif time.monotonic() - self._told >= LINE_SECONDS:
            self._told = time.monotonic()
            click.echo(f"{self._label}: {self._count} of about {self._length} sessions", err=True)


def _place(option: str, text: str, settings: Settings) -> Place:
    """Return the store that an option names.

    Raises:
        CustomerMemoryError: none.

    """
    parts = urlsplit(text)
    if text == "redis":
        if settings.redis_url is None:
            raise CustomerMemoryError(f"{option}: REDIS_URL is not set. Set it, or write redis://host:port/0")
        return Place(url=settings.store_url)
    if parts.scheme in REDIS_SCHEMES:
        return Place(url=text)
    if text != "dynamodb" and parts.scheme != "dynamodb":
        raise CustomerMemoryError(f"{option}: no such store; write one of {KNOWN}")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = given.keys() - {"region", "endpoint"}
    if unknown:
        raise CustomerMemoryError(f"{option}: {', '.join(sorted(unknown))} is not known there; region and endpoint are")
    region = given.get("region") or settings.aws_region
    if region is None:
        raise CustomerMemoryError(f"{option}: which region? Write dynamodb://table?region=…, or set AWS_REGION")
    return Place(
        table=parts.netloc or settings.dynamodb_table_name,
        region=region,
        endpoint=given.get("endpoint") or settings.aws_endpoint_url,
    )


def open_portable(settings: Settings) -> Portable:
    """Return the store that the settings name, as moving sees it; nothing is sent yet."""
    return _open(_place("the settings", settings.store_kind, settings), settings)


def _open(place: Place, settings: Settings) -> Portable:
    """Return a store; nothing is sent yet."""
    limits = limits_of(settings)
    if place.url:
        from shared.storage.redis.client import connect  # noqa: PLC0415 - each adapter is imported where it is used
        from shared.storage.redis.portable import RedisPortable  # noqa: PLC0415 - see above

        return RedisPortable(connect(place.url, PATIENCE_SECONDS, CONNECTIONS), limits)
    from shared.storage.dynamodb.client import Client  # noqa: PLC0415 - see above
    from shared.storage.dynamodb.portable import DynamoPortable  # noqa: PLC0415 - see above

    return DynamoPortable(Client(_address(place, settings), PATIENCE_SECONDS, CONNECTIONS), limits)


def _opened(place: Place, settings: Settings) -> Store:
    """Return a store as the service opens it; nothing is sent yet."""
    limits = limits_of(settings)
    if place.url:
        from shared.storage.redis.store import open_redis  # noqa: PLC0415 - as above

        return open_redis(place.url, limits, PATIENCE_SECONDS, CONNECTIONS)
    from shared.storage.dynamodb.store import open_dynamodb  # noqa: PLC0415 - as above

    return open_dynamodb(_address(place, settings), limits, PATIENCE_SECONDS, CONNECTIONS)


def _address(place: Place, settings: Settings) -> Address:
    known = address_of(settings.model_copy(update={"aws_region": place.region}))
    return replace(known, table=place.table, endpoint_url=place.endpoint)


def _table(found: Comparison) -> list[str]:
    """Return the counts of both stores as lines."""
    lines = [f"{'tenant':<20} {'':<10} {'source':>16} {'target':>16}"]
    for tenant, (source, target) in sorted(found.tenants.items()):
        for name, first, second in zip(NAMES, _told(source), _told(target), strict=True):
            mark = "" if first == second else "  differs"
            lines.append(f"{tenant if name == NAMES[0] else '':<20} {name:<10} {first:>16} {second:>16}{mark}")
    return lines


def _told(held: Held) -> tuple[str, ...]:
    counts = (held.sessions, held.messages, held.requests, held.entries)
    return (*map(str, counts), f"{held.digest:016x}")
