"""`python -m worker ROLE`: start one worker process."""

from __future__ import annotations

import sys

import click

from shared.errors import SettingsError
from shared.settings import load_settings
from worker.main import ROLES, arguments, create_app


@click.command(help="Start one worker process: chat answers, quarantine isolates, maintenance heals, beat keeps time.")
@click.argument("role", type=click.Choice([*ROLES, "beat"]))
def main(role: str) -> None:
    """Start Celery in the given role."""
    try:
        settings = load_settings()
        app = create_app(settings, warm=role == "chat")
    except SettingsError as error:
        click.echo(error, err=True)
        sys.exit(2)
    app.start(arguments(role, settings))


if __name__ == "__main__":
    main()
