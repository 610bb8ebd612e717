"""`customer-memory events`: listen to what the service announces on its broker."""

from __future__ import annotations

import json
import re
import signal
from contextlib import closing
from typing import Any, Final

import click

from cli.rundir import find_settings
from shared.broker import make_celery, make_tail
from shared.settings import Settings, load_settings
from shared.storage.keys import valid_tenant

ANSWER_SECONDS: Final = 5.0
WORD: Final = re.compile(r"[a-z_]+|\*|#")
COLOURS: Final = {"completed": "green", "failed": "red"}


@click.group(epilog="How another service subscribes: docs/how-to/subscribe-to-events.md")
def events() -> None:
    """Listen to what the service announces on its broker."""


@events.command(epilog="Types and fields: docs/reference/events.md")
@click.argument("pattern", default="#")
@click.option("--tenant", help="Events of this tenant only; default: of every tenant.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole envelopes, as JSON Lines.")
@click.option("--count", type=click.IntRange(1), help="End after so many events.")
def tail(pattern: str, tenant: str | None, count: int | None, *, as_json: bool) -> None:
    """Print events as they are published, from now on, until Ctrl-C.

    PATTERN chooses by type: `*` stands for one word, `#` for any number of them. Quote it, for your shell.

    \b
      customer-memory events tail                      everything
      customer-memory events tail 'chat.#'             replies, completed and failed
      customer-memory events tail '*.reply.failed'     failures only
      customer-memory events tail 'session.*' --tenant acme
      customer-memory events tail --json | jq .data.resultUrl

    It listens on the broker itself: that of BROKER_URL, of REDIS_URL, or of the service that runs here. So it needs no
    API key, and hears every tenant. Its queue takes nothing from other subscribers, and goes when it ends.
    """  # noqa: D301 - \b is click's own mark for lines that stay as they are
    key = routing_pattern(pattern, tenant)
    settings = broker_settings(load_settings())
    app = make_celery(settings, socket_seconds=ANSWER_SECONDS)
    listening = make_tail(app, settings, key, lambda text: click.secho(text, err=True, fg="yellow"))
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: the queue is let go
        signal.signal(number, signal.default_int_handler)
    try:
        with closing(listening.events()) as heard:
            for event in heard:
                if event is None:
                    where = app.connection_for_read().as_uri()
                    click.secho(f"Listening to {key} on {where}; Ctrl-C ends.", err=True, dim=True)
                    continue
                click.echo(json.dumps(event, ensure_ascii=False) if as_json else line_of(event))
                count = count - 1 if count else None
                if count == 0:
                    return
    except KeyboardInterrupt:
        return


def routing_pattern(pattern: str, tenant: str | None) -> str:
    """Return the pattern of routing keys: that of types, behind the tenant's or anybody's.

    Raises:
        click.BadParameter: what can match nothing.

    """
    if not all(WORD.fullmatch(word) for word in pattern.split(".")):
        text = f"{pattern!r} matches no event. Write words, * or #, parted by full stops, such as 'chat.#'."
        raise click.BadParameter(text, param_hint="PATTERN")
    if tenant is not None and not valid_tenant(tenant):
        raise click.BadParameter(f"{tenant!r} is no tenant's name.", param_hint="--tenant")
    return f"{tenant or '*'}.{pattern}"


def broker_settings(settings: Settings) -> Settings:
    """Return settings that name a broker: the one they name themselves, else that of the service that runs here.

    Raises:
        NotRunning: neither is there.

    """
    return settings if settings.broker_url is not None else find_settings(settings)


def line_of(event: dict[str, Any]) -> str:
    """Return an event as a line for people: when, whose, what, and where to read more."""
    kind, data = str(event["type"]), event["data"]
    tenant = str(event["source"]).rpartition("/")[2]
    links = [text for name, text in data.items() if name.endswith("Url")]
    subject = [event["subject"]] if "subject" in event else []  # some are of a customer, and of no session
    told = [*subject, f"customer {data.get('customerId', '(erased)')}", *links]
    if "failure" in data:
        told.append(data["failure"]["detail"])
    coloured = click.style(kind.ljust(20), fg=COLOURS.get(kind.rpartition(".")[2]))
    plain = "".join(each if each.isprintable() else "?" for each in "  ".join(told))
    return f"{event['time'][11:23]}  {tenant}  {coloured}  {plain}"
