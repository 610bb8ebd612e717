"""How often terms stand around turns: sums over windows, as arrays.

The windows of a term's postings are intervals on the line, whose begins and ends ascend. So what they cover is listed
without sorting, and how many of them cover a place is the difference of two running sums. Terms are kept apart by
laying out the line once for each, one line behind the other: a place of the third term's line is `2 * turns + place`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.recall.corpus import K1, Corpus, Numbers, Weights, idf, joined
from shared.recall.query import Term


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """The texts of one width that hold terms of the query; term after term, texts ascending.

    `texts`: which text, a turn standing for the window around it; `of`: which term; `counts`: how often it stands
    there. `holding`: how many texts hold each term.
    """

    texts: Numbers
    of: Numbers
    counts: Numbers
    holding: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """BM25 of all texts of one width, as z-scores: the `texts` that hold a term, ascending, have `gains` beyond all."""

    texts: Numbers
    gains: Weights
    all_have: float

    def has(self, text: int) -> bool:
        """Return whether a text holds a term."""
        at = int(np.searchsorted(self.texts, text))
        return at < len(self.texts) and int(self.texts[at]) == text

    def among(self, texts: Numbers, of: int) -> Weights:
        """Return the gains of some texts, of so many in all."""
        gains = np.zeros(of)
        gains[self.texts] = self.gains
        return gains[texts]


def around(corpus: Corpus, found: Sequence[Term], radius: int) -> Windows:
    """Return how often terms stand in windows that reach `radius` turns to both sides within their session."""
    of = _numbers_of(found)
    places = joined(term.postings.places for term in found)
    counts = joined(term.postings.counts for term in found)
    lines = of * len(corpus)
    begins = np.maximum(corpus.starts[places], places - radius) + lines
    ends = np.minimum(corpus.ends[places], places + radius + 1) + lines
    # Of each window, what the one before it does not cover.
    fresh = np.maximum(begins, np.concatenate(([0], ends[:-1])))
    sizes = ends - fresh
    listed = np.cumsum(sizes) - sizes  # how many places are listed before it
    owners = np.repeat(np.arange(len(places)), sizes)
    covered = np.arange(len(owners)) + np.repeat(fresh - listed, sizes)
    # The windows that cover a place are the one it was listed for and those behind it that have begun by there. Where
    # a window begins was listed for one before it, what is in between was too.
    begun = np.cumsum(np.bincount(listed - (fresh - begins), minlength=len(covered)))
    sums = np.concatenate(([0], np.cumsum(counts)))
    within = sums[begun] - sums[owners]
    whose = of[owners]
    return Windows(covered - lines[owners], whose, within, np.bincount(whose, minlength=len(found)))


def by_session(corpus: Corpus, found: Sequence[Term]) -> Windows:
    """Return how often terms stand in whole sessions."""
    of = _numbers_of(found)
    among = len(corpus.spans)
    lines = of * among + corpus.session_of[joined(term.postings.places for term in found)]
    begins = np.flatnonzero(np.diff(lines, prepend=-1))
    counts = np.add.reduceat(joined(term.postings.counts for term in found), begins)
    whose = of[begins]
    return Windows(lines[begins] - whose * among, whose, counts, np.bincount(whose, minlength=len(found)))


def level(found: Sequence[Term], windows: Windows, norms: Weights) -> Level:
    """Return the scores of texts, given the length terms of all of them."""
    among = len(norms)
    gains = _said(found, windows, among) * (K1 + 1)
    gained = gains[windows.of] * windows.counts / (windows.counts + norms[windows.texts])
    texts, scores = _summed(windows.texts, gained, among)
    mean = float(scores.sum()) / among if among else 0.0
    spread = float(np.sqrt(max(0.0, float((scores * scores).sum()) / among - mean * mean))) if among else 0.0
    if spread < 1e-9:  # noqa: PLR2004 - all are alike: none stands out
        return Level(texts, np.zeros(len(texts)), 0.0)
    return Level(texts, scores / spread, -mean / spread)


def coverage(found: Sequence[Term], windows: Windows, among: int) -> Level:
    """Return the share of the query's terms, by what they say, that each window holds."""
    says = _said(found, windows, among)
    texts, shares = _summed(windows.texts, (says / sum(says.tolist()))[windows.of], among)
    return Level(texts, shares, 0.0)


def _said(found: Sequence[Term], windows: Windows, among: int) -> Weights:
    """Return how much each term says of a text of this width."""
    holding = windows.holding.tolist()
    says = [term.weight * idf(among, held) for term, held in zip(found, holding, strict=True)]
    return np.array(says, dtype=np.float64)


def _numbers_of(found: Sequence[Term]) -> Numbers:
    return np.repeat(np.arange(len(found)), [len(term.postings) for term in found])


def _summed(texts: Numbers, values: Weights, among: int) -> tuple[Numbers, Weights]:
    """Return each text once, ascending, and the sum of its values."""
    held = np.zeros(among, dtype=bool)
    held[texts] = True
    once = np.flatnonzero(held)
    numbers = np.empty(among, dtype=np.int64)
    numbers[once] = np.arange(len(once))
    sums = np.bincount(numbers[texts], values, len(once))
    return once, sums.astype(np.float64, copy=False)
