"""`python -m worker ROLE`: start one worker process."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Final

import click
from celery.exceptions import SecurityWarning

from shared.errors import SettingsError
from shared.remembering.semantic import load_meaning
from shared.settings import load_settings
from worker.main import ROLES, arguments, create_app

RECALLING: Final = ("chat", "quarantine")


@click.command(
    help="Start one worker process: chat answers, quarantine isolates, maintenance heals, summaries writes ahead, "
    "callbacks posts results, beat keeps time."
)
@click.argument("role", type=click.Choice([*ROLES, "beat"]))
def main(role: str) -> None:
    """Start Celery in the given role."""
    try:
        settings = load_settings()
        if role in RECALLING:
            load_meaning(settings.semantic_model)
        app = create_app(settings, on_warm=_tell if role == "chat" else None, role=role)
    except SettingsError as error:
        click.echo(error, err=True)
        sys.exit(2)
    # It warns of root, because a message could be code: ours are JSON. In a container root is no exception, and five
    # processes would say so.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    app.start(arguments(role, settings))


def _tell() -> None:
    """Say to whoever started this process that it is ready, where they named a file to say it by."""
    name = os.environ.get("READY_FILE")
    if name:
        Path(name).touch()


if __name__ == "__main__":
    main()
