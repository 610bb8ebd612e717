"""Chunks laid out for searching: all turns of a customer on one line, session after session.

Making a corpus costs time in proportion to its turns, once; a worker keeps it as long as the chunks are the same.
What it says does not depend on the order of the chunks, nor on where a session was cut into them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Final

from shared.recall.chunk import Chunk, merge

K1: Final = 0.9  # BM25: how soon more of the same term counts no more
B: Final = 0.75  # BM25: how much longer texts are held back
RARITY: Final = 1.2  # how much the rare is favoured beyond BM25's own measure: for languages without a list of words
PREFIX: Final = 4  # characters that an unknown word must share with a known one to stand for it
MOST_ALIKE: Final = 8  # known words that an unknown one stands for


@dataclass(frozen=True, slots=True)
class Span:
    """A session on the line: its turns are at `start` up to, not including, `end`."""

    session_id: str
    start: int
    end: int
    oldest: int
    """Seconds since 1970 of its oldest turn."""
    newest: int


@dataclass(frozen=True, slots=True)
class Norms:
    """BM25's length term of each window around a turn, or of each session."""

    of: Sequence[float]

    @classmethod
    def from_lengths(cls, lengths: Sequence[int]) -> Norms:
        """Weigh the lengths against their mean."""
        mean = sum(lengths) / len(lengths) if lengths else 0.0
        return cls([K1 * (1 - B + B * (length / mean if mean else 1.0)) for length in lengths])


class Corpus:
    """Everything of a customer's turns that a search needs. It does not change."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._chunks: list[tuple[int, Chunk]] = []
        self.spans: list[Span] = []
        self.seqs: list[int] = []
        self.times: list[int] = []
        self.answers: list[bool] = []
        """Whether a turn comes behind a question."""
        self.lengths: list[int] = []
        """How many terms each turn has."""
        self.session_of: list[int] = []
        """The number of a turn's session in `spans`."""
        for session_id, parts in _sessions(chunks):
            self._append(session_id, parts)
        self._sums = [0, *accumulate(self.lengths)]
        self._norms: dict[int, Norms] = {}

    def __len__(self) -> int:
        return len(self.seqs)

    def _append(self, session_id: str, parts: Sequence[Chunk]) -> None:
        start = len(self.seqs)
        asks = [asked for part in parts for asked in part.asks]
        self.answers.extend([False, *asks[:-1]])
        for part in parts:
            self._chunks.append((len(self.seqs), part))
            self.seqs.extend(part.seqs)
            self.times.extend(part.times)
            self.lengths.extend(part.lengths)
        self.session_of.extend([len(self.spans)] * len(asks))
        times = self.times[start:]
        self.spans.append(Span(session_id, start, len(self.seqs), min(times), max(times)))

    def span_of(self, place: int) -> Span:
        """Return the session a turn stands in."""
        return self.spans[self.session_of[place]]

    def postings(self, term: str) -> list[tuple[int, int]]:
        """Return (place, count) of a term, places ascending."""
        found: list[tuple[int, int]] = []
        for base, chunk in self._chunks:
            row = chunk.postings.get(term)
            if row:
                found.extend((base + row[at], row[at + 1]) for at in range(0, len(row), 2))
        return found

    def norms(self, radius: int) -> Norms:
        """Return the length terms of windows that reach `radius` turns to both sides within their session."""
        if radius not in self._norms:
            sums = self._sums
            lengths = [
                sums[min(span.end, place + radius + 1)] - sums[max(span.start, place - radius)]
                for span in self.spans
                for place in range(span.start, span.end)
            ]
            self._norms[radius] = Norms.from_lengths(lengths)
        return self._norms[radius]

    @cached_property
    def session_norms(self) -> Norms:
        """The length terms of whole sessions."""
        return Norms.from_lengths([self._sums[span.end] - self._sums[span.start] for span in self.spans])

    @cached_property
    def vocabulary(self) -> list[str]:
        """Every term there is, in order."""
        return sorted({term for _, chunk in self._chunks for term in chunk.postings})

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
