"""`python -m benchmarks.context`: what assembling a context costs, and what prompts cost with Claude's prompt cache.

Time and memory are those of `assemble` alone: counts and kinds of stored messages are read, as in the service. Prices
follow the simulator's accounting of the cache, and the price list; counting learns from it, as in the service. The
baseline is a window that slides by one message each turn, at the same budget, by the same counter, without breakpoints.
"""

from __future__ import annotations

import platform
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import click

from benchmarks.talks import Talk, digests, generated, memories, real
from shared.context.assembly import Draft, assemble
from shared.context.blocks import Turn, merge
from shared.context.budget import Meter
from shared.context.calibration import Calibration, Correction, Lesson, correction_of, key_of
from shared.context.counted import forget
from shared.context.prices import Price, price_of, spent
from shared.models import TokenBudget
from simulator.blocks import blocks_of
from simulator.cache import InputUsage, PromptCache, prefixes_of
from simulator.tokens import TokenCounter, load_encoding
from simulator.wire import MessagesRequest

Turns = Callable[[], Iterator[tuple[str, str]]]

STORED: Final = (10, 100, 1_000, 10_000)
DEFAULT: Final = TokenBudget(max=4096, reserve=500)
LARGE: Final = TokenBudget(max=16_384, reserve=500)
ROUNDS: Final = 400  # assemblies timed for each figure
LAST: Final = 60  # turns run before measuring, so that the window is as full as windows are

VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "sliding_window": {},
    "summarization": {"settings": {"strategy": "summarization"}, "summarised": True},
    "hybrid": {"settings": {"strategy": "hybrid"}, "summarised": True},
    "sliding_window, recall 0.25": {"settings": {"recall_share": 0.25}, "recalls": 40},
    "sliding_window, recall 0.4": {"settings": {"recall_share": 0.4}, "recalls": 64},
    "sliding_window, 0.4 free": {"settings": {"recall_share": 0.4}},
    "hybrid, recall 0.4": {
        "settings": {"strategy": "hybrid", "recall_share": 0.4},
        "summarised": True,
        "recalls": 64,
    },
}


def heavier() -> dict[str, dict[str, Any]]:
    """Return what is timed beside the default."""
    remembered = {"memory": memories(50), "digests": digests(10)}
    return {
        "summarization": {"settings": {"strategy": "summarization"}, "summarised": True},
        "hybrid, 50 entries, 10 digests": {"settings": {"strategy": "hybrid", **remembered}, "summarised": True},
    }


@dataclass
class Bill:
    """What a conversation's requests came to."""

    price: Price
    turns: int = 0
    fresh: int = 0
    read: int = 0
    written: int = 0
    compactions: int = 0

    def add(self, usage: InputUsage, *, compacted: bool) -> None:
        """Take one request's usage in."""
        self.turns += 1
        self.fresh += usage.fresh
        self.read += usage.read
        self.written += usage.created_5m
        self.compactions += compacted

    @property
    def tokens(self) -> int:
        """All input tokens, as Claude would count them."""
        return self.fresh + self.read + self.written

    @property
    def per_100(self) -> float:
        """US dollars for the input of 100 turns."""
        return spent(self.price, self.fresh, self.read, self.written) * 100 / self.turns


def total(usage: InputUsage) -> int:
    """Return all input tokens of a request."""
    return usage.fresh + usage.read + usage.created_5m + usage.created_1h


class Learned:
    """What Claude's usage taught of counting so far."""

    def __init__(self, talk: Talk) -> None:
        self._model, self._counter = talk.model, talk.counter.name
        self._kept: dict[str, Calibration] = {}

    @property
    def correction(self) -> Correction:
        """What counts are multiplied by."""
        return correction_of(self._kept, self._model, self._counter)

    def learn(self, lesson: Lesson, usage: InputUsage) -> None:
        """Take one request's usage in."""
        key = key_of(self._model, self._counter, lesson.of)
        self._kept[key] = self._kept.get(key, Calibration()).learned(lesson.counted, total(usage))


class Claude:
    """Claude's side of the bill: the simulator's cache and counter, in this process."""

    def __init__(self, pause: float) -> None:
        self._cache = PromptCache()
        self._counter = TokenCounter(load_encoding())
        self._pause = pause
        self._now = 0.0

    def account(self, model: str, system: str, messages: tuple[dict[str, Any], ...]) -> InputUsage:
        """Return the usage of a request that comes `pause` seconds after the one before."""
        body = {"model": model, "system": system, "messages": list(messages), "max_tokens": 500}
        request = MessagesRequest.model_validate(body)
        prefixes = prefixes_of(request, blocks_of(request), self._counter)
        self._now += self._pause
        usage = self._cache.account(prefixes, self._now)
        self._cache.remember(prefixes, self._now)
        return usage


@click.command(
    help="Measure the context: time and memory of assembling it, and the price of prompts beside a baseline."
)
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="real conversations: a customer a line")
@click.option("--turns", default=400, show_default=True, help="turns of each priced conversation")
@click.option("--pause", default=30.0, show_default=True, help="seconds between two turns, for the cache")
@click.option("--model", default="claude-sonnet-4-6", show_default=True)
@click.option("--read", default=200, show_default=True, help="CONTEXT_MESSAGES: most messages a turn reads")
def main(data: Path | None, turns: int, pause: float, model: str, read: int) -> None:
    """Run both measurements."""
    said: Turns = (lambda: real(data)) if data else generated
    source = data.name if data else "generated"
    click.echo(f"{platform.platform()}, Python {platform.python_version()}; {model}; conversations: {source}")
    click.echo("\nassembling one turn, budget 4,096 - 500: ms of this thread, p50 and p95")
    click.echo("                                 stored turns   pinned        compaction    pinned, cold   peak KB")
    for stored in STORED:
        _report_time("sliding_window", _talk(DEFAULT, model, read), stored, said)
    for name, variant in heavier().items():
        _report_time(name, _talk(DEFAULT, model, read, **variant), 1_000, said)
    price = price_of(model)
    if price is None:
        click.echo(f"no price is known of {model}")
        return
    for budget in (DEFAULT, LARGE):
        click.echo(f"\ninput of {turns} turns, {pause:g} s apart, budget {budget.max:,} - {budget.reserve}")
        click.echo(
            "                               $ per 100 turns   of baseline   cache hits   tokens a turn   compactions"
        )
        base = _baseline(_talk(budget, model, read), said, turns, Claude(pause), Bill(price))
        _report_bill("baseline: slides by one", base, base)
        for name, variant in VARIANTS.items():
            _report_bill(
                name, _priced(_talk(budget, model, read, **variant), said, turns, Claude(pause), Bill(price)), base
            )


def _talk(budget: TokenBudget, model: str, read: int, **variant: Any) -> Talk:
    return Talk(budget, model, read, **variant)


def _report_time(name: str, talk: Talk, stored: int, said: Turns) -> None:
    turns = said()
    for text, reply in islice(turns, max(0, stored - LAST)):
        talk.store(text, reply)
    last = []
    for text, reply in islice(turns, min(stored, LAST)):
        draft = talk.draft(text)
        if talk.turn(text, reply).receipt.compacted is None:
            last.append(draft)
    pinned = [
        replace(draft, newest=f"{number}: {draft.newest}")
        for number, draft in zip(range(ROUNDS), cycle(last), strict=False)
    ]
    anew = [replace(draft, newest=f"Again {draft.newest}", pin=None) for draft in pinned]
    cold = [replace(draft, newest=f"Cold {draft.newest}") for draft in pinned[: ROUNDS // 4]]
    figures = [*_times(pinned, talk), *_times(anew, talk), *_times(cold, talk, cold=True)]
    columns = "".join(f"{p50:8.2f} {p95:5.2f}" for p50, p95 in zip(figures[::2], figures[1::2], strict=True))
    click.echo(f"{name:33}{stored:12,}{columns} {_peak(pinned[0], talk):9.0f}")


def _times(drafts: list[Draft], talk: Talk, *, cold: bool = False) -> tuple[float, float]:
    """Return p50 and p95 in milliseconds of this thread; no message is assembled twice, so that none is remembered.

    `cold`: nothing else is remembered either, as in the first turn of a conversation that a process meets.
    """
    times = []
    for draft in drafts:
        if cold:
            forget()
        began = time.thread_time()
        assemble(draft, talk.counter)
        times.append((time.thread_time() - began) * 1000)
    cuts = statistics.quantiles(times, n=20)
    return cuts[9], cuts[18]


def _peak(draft: Draft, talk: Talk) -> float:
    """Return the most kilobytes that one assembly holds at a time."""
    tracemalloc.start()
    try:
        assemble(draft, talk.counter)
        return tracemalloc.get_traced_memory()[1] / 1024
    finally:
        tracemalloc.stop()


def _priced(talk: Talk, said: Turns, turns: int, claude: Claude, bill: Bill) -> Bill:
    learned = Learned(talk)
    for text, reply in islice(said(), turns):
        talk.settings["correction"] = learned.correction
        context = talk.turn(text, reply)
        usage = claude.account(talk.model, context.system, context.messages)
        bill.add(usage, compacted=context.receipt.compacted is not None)
        learned.learn(context.lesson, usage)
    return bill


def _baseline(talk: Talk, said: Turns, turns: int, claude: Claude, bill: Bill) -> Bill:
    """Run the conversation through a window that begins one message later whenever it is full."""
    learned = Learned(talk)
    for text, reply in islice(said(), turns):
        meter, bare = Meter(talk.counter, talk.model, learned.correction), Meter(talk.counter, talk.model)
        draft = talk.draft(text)
        system = draft.instructions.instructions
        memory = "".join(f"{each.key}: {each.value}\n" for each in draft.memory)
        room = draft.budget.available - meter.text(system) - meter.block(memory) - meter.block(text)
        window: list[Turn] = []
        counted = bare.text(system) + bare.block(memory) + bare.block(text)
        for message in reversed(draft.history):
            cost = meter.stored(message, message.content)
            if cost > room:
                break
            room -= cost
            counted += bare.stored(message, message.content)
            window.insert(0, Turn(message.role, message.content))
        messages = merge([Turn("user", memory), *window, Turn("user", text)])
        usage = claude.account(talk.model, system, messages)
        bill.add(usage, compacted=False)
        learned.learn(Lesson(counted, "english"), usage)
        talk.store(text, reply)
    return bill


def _report_bill(name: str, bill: Bill, base: Bill) -> None:
    share = bill.read / bill.tokens if bill.tokens else 0.0
    click.echo(
        f"{name:31}{bill.per_100:15.4f} {bill.per_100 / base.per_100:13.3f} {share:12.1%}"
        f" {bill.tokens / bill.turns:15,.0f} {bill.compactions:13}"
    )


if __name__ == "__main__":
    main()
