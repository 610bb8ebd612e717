"""`python -m benchmarks.recall --data FILE …`: does recall find the turns that hold the answer.

FILE is LoCoMo's JSON (snap-research/locomo), or customers a line (`{"sessions": […], "questions": […]}`). Each question
is asked after all sessions. No model judges: what counts is whether the labelled evidence is in the context.

With SEMANTIC_MODEL set, recall is by meaning too.

Weights and constants were chosen on LoCoMo's conv-26 and conv-41, and reported of the others apart.
"""

from __future__ import annotations

import asyncio
import platform
from pathlib import Path

import click

from benchmarks.recall import plain
from benchmarks.recall.data import TUNED, read
from benchmarks.recall.through import measured, told


@click.command(help="Measure recall: evidence in the context, through store and assembly; found first, beside BM25.")
@click.option("--data", type=click.Path(path_type=Path), multiple=True, help="LoCoMo's JSON, or customers a line")
@click.option("--search-only", is_flag=True, help="the search by itself, beside BM25")
def main(data: tuple[Path, ...], *, search_only: bool) -> None:
    """Run the measurement."""
    there = [path for path in data if path.exists()]
    if not there:
        click.echo("skipped: no --data: recall is measured on conversations with labelled evidence only")
        return
    click.echo(f"{platform.platform()}, Python {platform.python_version()}")
    for path in there:
        customers = read(path)
        tuned = [customer for customer in customers if customer.name in TUNED]
        held = [customer for customer in customers if customer.name not in TUNED]
        for name, group in (("tuned on", tuned), ("not tuned on", held)):
            if not group:
                continue
            turns = sum(len(said) for customer in group for said in customer.sessions.values())
            asked = sum(len(customer.questions) for customer in group)
            click.echo(f"\n== {path.name}, {name}: {len(group)} conversations, {turns:,} turns, {asked} questions")
            if not search_only:
                told(asyncio.run(measured(group)))
            plain.report(group)
        plain.sizes(customers)


if __name__ == "__main__":
    main()
