"""`customer-memory chat`: talk to the service as one of its customers, and see the reply as it is written."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, suppress

import click

from cli.http import Api, Unreachable
from cli.options import service_options
from cli.rundir import find_url
from cli.talk import Talk, TurnFailed
from shared.settings import load_settings


@click.command
@click.option("--customer", default="demo", show_default=True, help="Whom to speak as.")
@click.option("--session", help="Resume this session.")
@click.option("--conversation", help="Your own id of the conversation: its open session is resumed.")
@service_options
def chat(customer: str, session: str | None, conversation: str | None, url: str | None, key: str | None) -> None:
    """Talk to the service as one of its customers."""
    address = find_url(load_settings(), url)

    def write(text: str) -> None:
        click.echo(text, nl=False)

    with asyncio.Runner() as runner:
        talk = Talk(Api(address, key), customer, session, conversation, write)
        connections = AsyncExitStack()
        runner.run(connections.enter_async_context(talk.api))
        try:
            runner.run(talk.open())
            failed = converse(runner, talk)
        finally:
            runner.run(connections.aclose())
    if talk.session:
        click.echo(f"\nResume with: customer-memory chat --customer {customer} --session {talk.session}")
    if failed and not sys.stdin.isatty():
        sys.exit(1)


def converse(runner: asyncio.Runner, talk: Talk) -> bool:
    """Read lines and answer them until the input ends, Ctrl-C or /quit; return whether a turn failed."""
    if sys.stdin.isatty():
        with suppress(ImportError):
            # Line editing and history for `input`; not on every platform.
            import readline  # noqa: F401, PLC0415 - for its effect, and only at a terminal
    failed = False
    while True:
        try:
            line = input("> " if sys.stdin.isatty() else "").strip()
            if line.startswith("/"):
                if not runner.run(talk.command(line)):
                    return failed
            elif line:
                runner.run(talk.say(line))
        except (EOFError, KeyboardInterrupt):
            return failed
        except (TurnFailed, Unreachable) as error:
            failed = True
            click.secho(str(error), err=True, fg="red")
