"""Chunks laid out for searching: all turns of a customer on one line, session after session, by column.

Making a corpus costs time in proportion to its chunks, once; a worker keeps it as long as the chunks are the same.
What it says does not depend on the order of the chunks, nor on where a session was cut into them. Columns are arrays,
since a search sums over thousands of turns: number by number that would take ten times as long.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.recall.chunk import Chunk, merge

K1: Final = 0.9  # BM25: how soon more of the same term counts no more
B: Final = 0.75  # BM25: how much longer texts are held back
RARITY: Final = 1.2  # how much the rare is favoured beyond BM25's own measure: for languages without a list of words
PREFIX: Final = 4  # characters that an unknown word must share with a known one to stand for it
MOST_ALIKE: Final = 8  # known words that an unknown one stands for
NOTHING: Final = 1e-3  # a vector as short as this points nowhere

Numbers = NDArray[np.int64]
Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Span:
    """A session on the line: its turns are at `start` up to, not including, `end`."""

    session_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """Where a term stands: places on the line, ascending, and how often it stands at each."""

    places: Numbers
    counts: Numbers

    def __len__(self) -> int:
        return len(self.places)


class Corpus:
    """Everything of a customer's turns that a search needs. It does not change."""

    def __init__(self, chunks: Iterable[Chunk], embed: Callable[[Chunk], NDArray[np.float16]] | None = None) -> None:
        """Lay out chunks; `embed` gives the vectors of one's turns, where there is a model of meanings."""
        parts = [(session_id, part) for session_id, run in _sessions(chunks) for part in run]
        self._chunks = [part for _, part in parts]
        self._bases = [0, *accumulate(len(part.seqs) for part in self._chunks)]
        """At which place each chunk begins, and behind the last one how many turns there are."""
        self.spans: list[Span] = []
        for number, (session_id, _) in enumerate(parts):
            start, end = self._bases[number : number + 2]
            if self.spans and self.spans[-1].session_id == session_id:
                start = self.spans.pop().start
            self.spans.append(Span(session_id, start, end))
        sizes = [span.end - span.start for span in self.spans]
        self.session_of: Numbers = np.repeat(np.arange(len(sizes)), sizes)
        """The number of a turn's session in `spans`."""
        self.starts: Numbers = np.repeat(_array([span.start for span in self.spans]), sizes)
        """Where each turn's session starts."""
        self.ends: Numbers = np.repeat(_array([span.end for span in self.spans]), sizes)
        """Where it ends."""
        self.seqs: Numbers = joined(part.columns.seqs for part in self._chunks)
        self.times: Numbers = joined(part.columns.times for part in self._chunks)
        self.lengths: Numbers = joined(part.columns.lengths for part in self._chunks)
        """How many terms each turn has."""
        asks = joined(part.columns.asks for part in self._chunks)
        self.answers: Numbers = np.concatenate((asks[:0], [0], asks[:-1])) if len(asks) else asks
        """1 where a turn comes behind a question, else 0."""
        self.answers[[span.start for span in self.spans]] = 0
        self._sums: Numbers = np.concatenate(([0], np.cumsum(self.lengths)))
        self._norms: dict[int, Weights] = {}
        self._postings = [(base, part.postings) for base, part in zip(self._bases, self._chunks, strict=False)]
        self._known: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
        """What was found of terms that were asked for: a conversation asks for the same again."""
        self._vectors = [embed(chunk) for chunk in self._chunks] if embed else []
        self._spreads: dict[int, Weights] = {}

    def __len__(self) -> int:
        return self._bases[-1]

    def span_of(self, place: int) -> Span:
        """Return the session a turn stands in."""
        return self.spans[int(self.session_of[place])]

    def holding(self, term: str) -> int:
        """Return in how many turns a term stands."""
        return sum([len(row) for _, row in self._rows(term)]) // 2

    def postings(self, term: str, latest: int) -> Postings:
        """Return where a term stands: the `latest` places at most."""
        rows = self._rows(term)
        first, holding = len(rows), 0
        while first and holding < latest:
            first -= 1
            holding += len(rows[first][1]) // 2
        rows = rows[first:]
        pairs = _array(list(chain.from_iterable([row for _, row in rows])))
        bases = np.repeat(_array([base for base, _ in rows]), [len(row) // 2 for _, row in rows])
        return Postings((pairs[::2] + bases)[-latest:], pairs[1::2][-latest:])

    def _rows(self, term: str) -> list[tuple[int, tuple[int, ...]]]:
        """Return the chunks' postings of a term, each with the place where its chunk begins."""
        rows = self._known.get(term)
        if rows is None:
            rows = [(base, row) for base, postings in self._postings if (row := postings.get(term))]
            if rows:  # so no more are kept than there are terms in the chunks
                self._known[term] = rows
        return rows

    def norms(self, radius: int) -> Weights:
        """Return BM25's length terms of windows that reach `radius` turns to both sides within their session."""
        if radius not in self._norms:
            first, behind = self._window(radius)
            self._norms[radius] = _norms(self._sums[behind] - self._sums[first])
        return self._norms[radius]

    def nearness(self, direction: NDArray[np.float32], radii: Sequence[int]) -> list[Weights]:
        """Return, for each radius, the cosine between a direction and each turn's window; 0 where it has no meaning."""
        alone = np.concatenate([rows.astype(np.float32) @ direction for rows in self._vectors])
        sums = np.concatenate(([0.0], np.cumsum(alone, dtype=np.float64)))
        found = []
        for radius in radii:
            first, behind = self._window(radius)
            spread = self._spread(radius)
            found.append(np.divide(sums[behind] - sums[first], spread, out=np.zeros(len(self)), where=spread > 0))
        return found

    def _spread(self, radius: int) -> Weights:
        """Return how long the sums of the windows' vectors are; 0 where they are next to nothing."""
        if radius not in self._spreads:
            rows = np.concatenate(self._vectors)
            first, behind = self._window(radius)
            parts = []
            for span in self.spans:  # one after the other, to take little room at a time
                sums = np.cumsum(rows[span.start : span.end], axis=0, dtype=np.float64)
                sums = np.concatenate((np.zeros((1, sums.shape[1])), sums))
                within = slice(span.start, span.end)
                parts.append(
                    np.linalg.norm(sums[behind[within] - span.start] - sums[first[within] - span.start], axis=1)
                )
            lengths = np.concatenate(parts)
            self._spreads[radius] = np.where(lengths > NOTHING, lengths, 0.0)
        return self._spreads[radius]

    def _window(self, radius: int) -> tuple[Numbers, Numbers]:
        """Return where each turn's window begins, and where it ends."""
        places = np.arange(len(self))
        return np.maximum(self.starts, places - radius), np.minimum(self.ends, places + radius + 1)

    @cached_property
    def session_norms(self) -> Weights:
        """The length terms of whole sessions."""
        return _norms(_array([self._sums[span.end] - self._sums[span.start] for span in self.spans]))

    @cached_property
    def vocabulary(self) -> list[str]:
        """Every term there is, in order."""
        return sorted(set().union(*(chunk.postings for chunk in self._chunks)))

    def alike(self, term: str) -> list[str]:
        """Return known terms that begin as an unknown one does, those that share most with it first."""
        if len(term) < PREFIX:
            return []
        beginning = term[:PREFIX]
        words = self.vocabulary
        found: list[str] = []
        at = bisect_left(words, beginning)
        while at < len(words) and words[at].startswith(beginning):
            found.append(words[at])
            at += 1
        found.sort(key=lambda word: (-_shared(word, term), word))
        return found[:MOST_ALIKE]


def idf(among: int, holding: int) -> float:
    """Return how much a term says that `holding` of `among` texts hold: BM25's measure, bent towards the rare."""
    most = math.log(1 + (among + 0.5) / 1.5)
    said = math.log(1 + (among - holding + 0.5) / (holding + 0.5))
    return most * math.pow(said / most, RARITY)


def _norms(lengths: Numbers) -> Weights:
    """Weigh lengths against their mean."""
    mean = int(lengths.sum()) / len(lengths) if len(lengths) else 0.0
    return K1 * (1 - B + B * (lengths / mean if mean else np.ones(len(lengths))))


def _array(numbers: Sequence[int]) -> Numbers:
    return np.array(numbers, dtype=np.int64)


def joined(columns: Iterable[Numbers]) -> Numbers:
    """Return columns one behind the other; none give an empty one."""
    return np.concatenate([_array(()), *columns])


def _sessions(chunks: Iterable[Chunk]) -> Iterator[tuple[str, Sequence[Chunk]]]:
    by_session: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        by_session.setdefault(chunk.session_id, []).append(chunk)
    for parts in by_session.values():
        parts.sort(key=lambda chunk: (chunk.first, chunk.last))
    for session_id, parts in sorted(by_session.items(), key=lambda item: (item[1][0].times[0], item[0])):
        apart = all(before.last < after.first for before, after in pairwise(parts))
        # An old last chunk beside the one that took its place.
        yield session_id, parts if apart else merge(parts)


def _shared(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
