"""`python -m benchmarks.across --data FILE …`: is a fact of one session in the context of a later one.

FILE holds customers a line, `{"sessions": [{"turns": [{"speaker": "Customer", "text": "…"}, …]}, …]}`. Of its dialogues
customers of three sessions are made. What the first one told is asked for in the third, a month later, when the others
are long over; what counts is whether the request that the simulator received holds it word for word.
"""

from __future__ import annotations

import logging
import os
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

import click
import structlog

from benchmarks.across.data import read
from benchmarks.across.through import PARTS, Asked, measured

SHOWN = 12  # of what was missed


@click.command(help="Measure what of an earlier session is in the context of a later one, through the whole service.")
@click.option("--data", type=click.Path(path_type=Path), multiple=True, help="customers a line; used in this order")
@click.option("--customers", default=250, show_default=True, help="customers made of the dialogues")
@click.option("--entries/--no-entries", default=True, help="whether sessions are read for memory entries")
@click.option("--tokens", default=4096, show_default=True, help="TOKEN_BUDGET_MAX, of which 500 stay free")
def main(data: tuple[Path, ...], customers: int, tokens: int, *, entries: bool) -> None:
    """Run the measurement."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    there = [path for path in data if path.exists()]
    if not there:
        click.echo("skipped: no --data: what is remembered across sessions is measured on conversations only")
        return
    came = read(there, customers)
    click.echo(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    with click.progressbar(came, label="customers") as bar:
        asked = measured(bar, extraction=entries, token_budget_max=tokens)
    told(asked, len(came))


def told(asked: Sequence[Asked], customers: int) -> None:
    """Print the shares, and what was missed."""
    click.echo(f"{customers} customers of three sessions, {len(asked)} questions; in the request, %")
    click.echo(f"{'':22}{'questions':>10}{'in it':>8}{''.join(f'{part:>9}' for part in PARTS)}{'tokens':>8}")
    for with_topic in (False, True):
        group = [each for each in asked if each.with_topic == with_topic]
        for kind in ("all", *sorted({each.kind for each in group})):
            rows = [each for each in group if kind in {"all", each.kind}]
            label = f"{'says the topic' if with_topic else 'says nothing'}" if kind == "all" else f"  {kind}"
            parts = "".join(f"{_share(part in each.where for each in rows):9.1f}" for part in PARTS)
            tokens = fmean(each.tokens for each in rows)
            remembered = _share(each.remembered for each in rows)
            click.echo(f"{label:22}{len(rows):10}{remembered:8.1f}{parts}{tokens:8.0f}")
    missed = [each for each in asked if not each.remembered]
    click.echo(f"missed: {dict(Counter(each.kind for each in missed))}")
    for each in missed[:SHOWN]:
        click.echo(f"  {each.customer}, {each.kind}{', topic said' if each.with_topic else ''}: {each.fact[:90]!r}")


def _share(holds: Iterable[bool]) -> float:
    return 100 * fmean(holds)


if __name__ == "__main__":
    main()
