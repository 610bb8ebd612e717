"""`python -m benchmarks.history`: what a reply costs a customer with a long history, beside others.

One has no history, one has just enough of it to fill the context: what she costs more than the first is what a full
context costs, whatever it is full of. The same turns by turns for all, one customer after the other: through the real
store, a worker's own parts and the SDK, to the simulator, all on one interpreter. Histories are of earlier sessions,
indexed, read and digested as a worker does it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any, Final, cast

import click
import structlog

from benchmarks.across.through import DAY, Service, service
from benchmarks.talks import generated, real
from shared.context.counted import look_at
from shared.context.tokens import load_counter
from shared.ids import Ids, bucket_of
from shared.models import Message
from shared.storage.contract import TenantStore
from shared.storage.types import NewSession

SESSION: Final = 250  # turns of an earlier session
TALK: Final = 5  # turns of a session that is measured
ENOUGH: Final = 250  # earlier turns that fill a context

Talk = Callable[[], Iterator[tuple[str, str]]]


@dataclass
class Spent:
    """What a customer's turns cost: milliseconds from the message's acceptance to the reply, and scripts called."""

    milliseconds: list[float] = field(default_factory=list)
    scripts: list[int] = field(default_factory=list)

    def at(self, share: float) -> float:
        """Return a percentile of the milliseconds."""
        return quantiles(self.milliseconds, n=100)[round(share * 100) - 1]


async def begun(
    own: TenantStore, ids: Ids, customer: str, turns: int, talk: Iterator[tuple[str, str]] | None = None
) -> list[str]:
    """Record so many turns of a customer in sessions of SESSION; return the sessions."""
    talk, per_session = talk or generated(), [min(SESSION, turns - at) for at in range(0, turns, SESSION)]
    said = [list(itertools.islice(talk, count)) for count in per_session]
    return await asyncio.gather(*(_session(own, ids, customer, each) for each in said))


async def _session(own: TenantStore, ids: Ids, customer: str, said: list[tuple[str, str]]) -> str:
    session = ids.session(bucket_of(own.tenant, customer))
    made = await own.create_session(session, NewSession(customer))
    for asked, replied in said:
        for role, text in (("user", asked), ("assistant", replied)):
            tokens, kind = look_at(load_counter(), text)
            content: dict[str, Any] = {"role": role, "content": text, "tokens": tokens, "text_kind": kind}
            await own.record(session, Message(id=ids.message(), at=made.created_at, **content), backdated=False)
    return session


def measured(running: Service, earlier: Sequence[int], count: int, talk: Talk) -> dict[int, Spent]:
    """Let customers with so many earlier turns take `count` turns each, one after the other, in short sessions."""
    for turns in earlier:
        for session in running.call(begun(running.own, running.ids, _name(turns), turns, talk())):
            running.ms += DAY + DAY // 24
            running.work(session)
    spent = {turns: Spent() for turns in earlier}
    talks = {turns: talk() for turns in earlier}
    for turns in earlier:  # what is opened and read once, is
        _talk(running, _name(turns), talks[turns], Spent())
    for _ in range(count // TALK):
        for turns, each in spent.items():
            _talk(running, _name(turns), talks[turns], each)
    return spent


def _name(turns: int) -> str:
    return f"customer-{turns}"


def _talk(running: Service, customer: str, talk: Iterator[tuple[str, str]], spent: Spent) -> None:
    session = None
    for _ in range(TALK):
        said, _ = next(talk)
        before, began = scripts(running), time.perf_counter()
        session, _ = running.say(customer, said, session)
        spent.milliseconds.append((time.perf_counter() - began) * 1000)
        spent.scripts.append(scripts(running) - before)
    if session is not None:
        running.call(running.own.delete_session(session))


def scripts(running: Service) -> int:
    """Return how many scripts the store has run: each of its operations is one."""
    stats: Any = running.call(cast("Any", running.redis.info("commandstats")))
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))


@click.command(help="Measure replies of a customer with a long history beside others.")
@click.option("--earlier", default=10_000, show_default=True, help="earlier turns of the long history")
@click.option("--turns", default=300, show_default=True, help="turns of each that are measured")
@click.option("--data", type=click.Path(path_type=Path), help="customers a line; else all say much the same words")
def main(earlier: int, turns: int, data: Path | None) -> None:
    """Run the measurement."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    click.echo(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    with service() as running:
        spent = measured(running, (0, ENOUGH, earlier), turns, lambda: real(data) if data else generated())
    click.echo(f"{'earlier turns':16}{'p50 ms':>9}{'p95 ms':>9}{'scripts a turn':>16}")
    for count, each in spent.items():
        mean = sum(each.scripts) / len(each.scripts)
        click.echo(f"{count:<16,}{each.at(0.5):9.1f}{each.at(0.95):9.1f}{mean:16.2f}")


if __name__ == "__main__":
    main()
