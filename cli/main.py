"""The `customer-memory` command: its sub-commands, and how their errors are told."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import click


class Entry(NamedTuple):
    """A sub-command: where it is, and what `--help` says of it, so that help imports none of them."""

    module: str
    help: str
    hidden: bool = False


COMMANDS = {
    "up": Entry("cli.up", "Start everything: embedded store, simulator, web, workers and beat."),
    "callbacks": Entry("cli.callbacks", "Say where results are posted, and make the secrets that sign them."),
    "chat": Entry("cli.chat", "Talk to the service as one of its customers."),
    "context": Entry("cli.context", "Show what Claude would be sent now in a session, against the token budget."),
    "customers": Entry("cli.customers", "Export or erase all that is kept of a customer, or merge two."),
    "deliveries": Entry("cli.deliveries", "Show what became of callbacks, and post them again."),
    "demo": Entry("cli.demo", "Load an invented shop's customers, and start a service for them where none is named."),
    "doctor": Entry("cli.doctor", "Check settings, store, broker, workers and versions; say what to mend."),
    "dynamodb": Entry("cli.dynamodb", "Make the DynamoDB table that is the store."),
    "events": Entry("cli.events", "Print what the service announces on its broker, as it happens."),
    "hooks": Entry("cli.hooks", "Connect helpdesks and messengers: Chatwoot, Zendesk, Intercom, any other."),
    "keys": Entry("cli.keys", "Create, list and revoke API keys."),
    "memory": Entry("cli.memory", "Show what is remembered of a customer, or look for something."),
    "migrate": Entry("cli.migrate", "Move tenants from one store to another, most of it while the service runs."),
    "replay": Entry("cli.replay", "Send a file of conversations through the running service."),
    "summaries": Entry("cli.summaries", "Have many sessions summarised at half price."),
    "settings": Entry("cli.settings", "Print every setting.", hidden=True),
}


class Commands(click.Group):
    """Imports a sub-command only when it is used, and tells our own errors without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names that `--help` shows."""
        return [name for name, entry in COMMANDS.items() if not entry.hidden]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the module that holds the sub-command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(import_module(entry.module), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of sub-commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the sub-command; what we know how to name becomes a message, settings exit 2, the rest 1."""
        from shared.errors import CustomerMemoryError, SettingsError  # noqa: PLC0415 - keeps `--help` fast

        try:
            return super().invoke(ctx)
        except CustomerMemoryError as error:
            for line in str(error).splitlines():
                click.secho(line, err=True, fg="red")
            sys.exit(2 if isinstance(error, SettingsError) else 1)


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    if not value or ctx.resilient_parsing:
        return
    try:
        known = version("customer-memory")
    except PackageNotFoundError:
        known = "of this checkout, not installed"
    click.echo(f"customer-memory {known}")
    ctx.exit()


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Say which.")
def main() -> None:
    """Persistent memory for customer support."""
