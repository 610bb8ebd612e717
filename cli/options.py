"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--url", envvar="CUSTOMER_MEMORY_URL", help="Where the service answers; default: the one started here."
    ),
    click.option("--key", envvar="CUSTOMER_MEMORY_KEY", help="API key, where the service wants one."),
)


def service_options(command: Command) -> Command:
    """Add `--url` and `--key`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
