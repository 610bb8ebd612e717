"""The search by itself, beside plain BM25: what is found first, and what fits into a budget.

Found@k: the share of a question's evidence turns among the first k hits; for customers, where any evidence will do,
whether one is among them. Within N tokens: whether all evidence (any, for customers) is among the turns that fit, each
session's header counted once.
"""

from __future__ import annotations

import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import click

from benchmarks.recall.data import BUDGETS, Customer, Question, Turn
from shared.context.tokens import load_counter
from shared.recall.chunk import index
from shared.recall.codec import pack, unpack
from shared.recall.corpus import Corpus, idf
from shared.recall.query import Ask
from shared.recall.search import search
from shared.recall.words import terms
from shared.remembering.semantic import load_meaning
from shared.settings import Settings

Ranked = tuple[Sequence[Turn], Sequence[Turn]]  # hits; turns in the order they are packed

FIRST: Final = (5, 10, 25, 50)
HEADER: Final = 10  # tokens of a session's header


class PlainBm25:
    """What is compared with: BM25 over single turns, k1 1.2 and b 0.75, packed turn by turn without neighbours."""

    def __init__(self, customer: Customer, split: Callable[[str], list[str]]) -> None:
        self._split = split
        self._turns = [(session, message.seq) for session, said in customer.sessions.items() for message in said]
        texts = [split(message.content) for said in customer.sessions.values() for message in said]
        self._lengths = [len(text) for text in texts]
        self._mean = statistics.fmean(self._lengths)
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, text in enumerate(texts):
            for term, count in Counter(text).items():
                self._postings[term].append((number, count))

    def ask(self, question: str) -> Ranked:
        """Return the turns that share a word with the question, best first."""
        scores: dict[int, float] = defaultdict(float)
        for term in set(self._split(question)):
            found = self._postings.get(term, [])
            for number, count in found:
                norm = 1.2 * (0.25 + 0.75 * self._lengths[number] / self._mean)
                scores[number] += idf(len(self._turns), len(found)) * count * 2.2 / (count + norm)
        ranked = [self._turns[number] for number in sorted(scores, key=lambda number: (-scores[number], number))]
        return ranked, ranked


class Recall:
    """The service's own: chunks, packed and read again, and the search over them."""

    def __init__(self, customer: Customer) -> None:
        chunks = [unpack(packed) for packed in packed_chunks(customer)]
        self._meaning = load_meaning(Settings().semantic_model)
        self._corpus = Corpus(chunks, self._meaning.of_chunk if self._meaning else None)
        self._now = customer.now

    def ask(self, question: str) -> Ranked:
        """Return hits, and turns in the order the context takes them."""
        direction = self._meaning.of_message(question) if self._meaning else None
        found = search(self._corpus, Ask(question, self._now), most_hits=max(FIRST), direction=direction)
        return [(hit.session_id, hit.seq) for hit in found.hits], [(at.session_id, at.seq) for at in found.places]


def packed_chunks(customer: Customer) -> list[bytes]:
    """Return a customer's index as it is stored."""
    return [pack(chunk) for session, said in customer.sessions.items() for chunk in index(session, said)]


METHODS: Final[dict[str, Callable[[Customer], PlainBm25 | Recall]]] = {
    "BM25, turns, words": lambda customer: PlainBm25(customer, lambda text: re.findall(r"\w+", text.lower())),
    "BM25, turns, terms": lambda customer: PlainBm25(customer, terms),
    "recall": Recall,
}


def report(customers: Sequence[Customer]) -> None:
    """Print what is found, and what fits."""
    heads = [f"@{first}" for first in FIRST] + [f"{budget:,}" for budget in BUDGETS]
    columns = "".join(f"{head:>8}" for head in heads)
    click.echo(f"{'':34}{'found':>20}{'within tokens':>36}\n{'':34}{columns}{'ms p50':>9}{'p95':>7}")
    for method, make in METHODS.items():
        rows, times = _measured(customers, make)
        cuts = statistics.quantiles(times, n=20)
        for kind in ("all", *sorted(rows.keys() - {"all"})):
            label = f"{method if kind == 'all' else '':20}{kind} ({len(rows[kind])})"
            figures = "".join(f"{100 * statistics.fmean(column):8.1f}" for column in zip(*rows[kind], strict=True))
            click.echo(f"{label:34}{figures}" + (f"{cuts[9]:9.2f}{cuts[18]:7.2f}" if kind == "all" else ""))


def _measured(
    customers: Iterable[Customer], make: Callable[[Customer], PlainBm25 | Recall]
) -> tuple[dict[str, list[list[float]]], list[float]]:
    """Return the figures of each question by kind, and the milliseconds each took, of this thread."""
    rows: dict[str, list[list[float]]] = defaultdict(list)
    times = []
    for customer in customers:
        method, costs = make(customer), _costs(customer)
        for question in customer.questions:
            began = time.thread_time()
            hits, order = method.ask(question.text)
            times.append((time.thread_time() - began) * 1000)
            row = [_share(question, hits[:first]) for first in FIRST]
            row += [float(_share(question, _fitting(order, costs, budget)) == 1) for budget in BUDGETS]
            rows["all"].append(row)
            rows[question.kind].append(row)
    return rows, times


def _share(question: Question, turns: Iterable[Turn]) -> float:
    found = len(question.evidence & set(turns))
    return float(found > 0) if question.any_will_do else found / len(question.evidence)


def _costs(customer: Customer) -> dict[Turn, int]:
    count = load_counter().count
    return {
        (session, message.seq): count(f"{message.content}\n")
        for session, said in customer.sessions.items()
        for message in said
    }


def _fitting(order: Sequence[Turn], costs: dict[Turn, int], room: int) -> list[Turn]:
    taken: list[Turn] = []
    headed: set[str] = set()
    for turn in order:
        cost = costs[turn] + (0 if turn[0] in headed else HEADER)
        if cost <= room:
            room -= cost
            taken.append(turn)
            headed.add(turn[0])
    return taken


def sizes(customers: Sequence[Customer]) -> None:
    """Print how long the index is, and how long a cold worker takes to read it."""
    sizes = [len(packed) for customer in customers for packed in packed_chunks(customer)]
    messages = [message for customer in customers for said in customer.sessions.values() for message in said]
    text = sum(len(message.content.encode()) for message in messages)
    click.echo(
        f"\nchunks: {len(sizes)}, {statistics.fmean(sizes):,.0f} bytes each, largest {max(sizes):,}; "
        f"{sum(sizes) / len(messages):.0f} bytes a turn, {sum(sizes) / text:.0%} of the text"
    )
    largest = max(customers, key=lambda customer: len(customer.sessions))
    packed = packed_chunks(largest)
    began = time.thread_time()
    chunks = [unpack(each) for each in packed]
    read_in = time.thread_time()
    turns = len(Corpus(chunks))
    laid_out = time.thread_time()
    click.echo(
        f"a cold worker, {turns:,} turns in {len(packed)} chunks: reads them in {1000 * (read_in - began):.1f} ms, "
        f"lays them out in {1000 * (laid_out - read_in):.1f} ms"
    )
