"""`customer-memory replay`: send a file of conversations through the running service, and say how it did."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from pathlib import Path

import click

from cli.http import Api
from cli.options import service_options
from cli.player import Player
from cli.rundir import find_url
from cli.transcript import Row, conversations, read_rows
from shared.settings import load_settings

INTERRUPTED = 130


@click.command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--record", is_flag=True, help="Only store the messages, at their own times; ask for no replies.")
@click.option("--concurrency", type=click.IntRange(1, 2000), default=32, show_default=True, help="At a time.")
@click.option("--limit", type=click.IntRange(1), help="Only the first N conversations.")
@click.option("--prefix", default="", help="Put before every customer and conversation id, to keep runs apart.")
@click.option("--tenant", help="Act for this tenant; needs an operator's key.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@service_options
def replay(  # noqa: PLR0913 - one parameter for each option
    *,
    file: Path,
    concurrency: int,
    limit: int | None,
    prefix: str,
    tenant: str | None,
    url: str | None,
    key: str | None,
    record: bool,
    as_json: bool,
) -> None:
    """Send FILE, a message a line, through the running service as fast as it can.

    A line is {"customerId": ..., "message": ...}, with "conversationId", "at", "role" and "author" where you have
    them. The messages of a conversation go one after the other, each when the one before has its reply; conversations
    go side by side. Without --record only the customers' own messages are sent.
    """
    rows = [row for row in read_rows(file) if record or row.role == "user"]
    work = conversations(rows, limit)
    api = Api(find_url(load_settings(), url), key, connections=concurrency, tenant=tenant)
    player = Player(api, record=record, prefix=prefix, run=secrets.token_hex(8))
    with click.progressbar(
        length=sum(map(len, work)), label="Recording" if record else "Replaying", file=sys.stderr, show_pos=True
    ) as bar:
        player.on_turn = lambda: bar.update(1)
        interrupted = _run(player, work, concurrency)
    report = player.report()
    click.echo(json.dumps(report.as_dict(), indent=2) if as_json else report.as_text())
    if player.refused:
        click.secho(f"Stopped: {player.refused}. Give --key, or set CUSTOMER_MEMORY_KEY.", err=True, fg="red")
    if interrupted:
        sys.exit(INTERRUPTED)
    sys.exit(1 if report.failures else 0)


def _run(player: Player, work: list[list[Row]], concurrency: int) -> bool:
    """Play everything; return whether Ctrl-C cut it short."""
    try:
        asyncio.run(player.play(work, concurrency))
    except KeyboardInterrupt:
        return True
    return False
