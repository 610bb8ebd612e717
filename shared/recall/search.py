"""Search: which earlier turns matter for the newest message, and why.

A turn's score is the sum of
    words      BM25 of the turn, of the window of ±2 and of ±4 turns around it: three z-scores over all turns
    session    BM25 of its whole session, a z-score over all sessions
    coverage   how much of what the query says stands within ±2 turns
    answer     a constant for turns that come behind a question: answers seldom repeat its words
    date       for turns of a time that the query speaks of
    recency    a little for what was said lately
The weights were chosen by measuring: `python -m benchmarks.recall`. Cost: in proportion to the postings of the
query's terms, which `query` bounds, and to the turns of the days it speaks of.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shared.recall.corpus import K1, Corpus, Norms, idf
from shared.recall.dates import Period, find_periods, worth_at
from shared.recall.query import Ask, Term, known_terms, shown

RADII: Final = (0, 2, 4)  # turns to both sides of the windows that are scored
COVERED: Final = 2  # the one of them in which the query's terms are looked for
SESSION: Final = 0.75
COVERAGE: Final = 4.0
ANSWER: Final = 1.5
DATE: Final = 8.0
RECENCY: Final = 0.5
HALF_LIFE: Final = 30 * 86_400.0  # seconds in which recency halves
REACH: Final = 4  # turns to both sides that a hit brings along
FADES: Final = 0.8  # what a turn is worth beside its neighbour nearer to the hit
ANCHORS: Final = 300  # turns found whose neighbours are looked at
MOST_HITS: Final = 40
MOST_PLACES: Final = 400

_Scores = dict[int, float]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a hit's score is the sum of, in the order of the module's table; `turn` to `wide` are the words' three."""

    turn: float
    near: float
    wide: float
    session: float
    coverage: float
    answer: float
    date: float
    recency: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A turn that was found. `first` and `last`: the seqs of the neighbours it brings along, itself among them."""

    session_id: str
    seq: int
    first: int
    last: int
    at: datetime
    score: float
    parts: Parts
    why: tuple[str, ...]
    """`words`, `nearby`, `session`, `answer`, `date`: without any text, as receipts want it."""
    matched: tuple[str, ...]
    """The words of the query that stand there or within two turns, the rarest first; for people to see."""


@dataclass(frozen=True, slots=True)
class Place:
    """A message to put into the context: a hit, or a neighbour of the hit `hit_seq`. `worth`: 0 to 1.

    `length`: how many terms it has.
    """

    session_id: str
    seq: int
    worth: float
    hit_seq: int
    length: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: hits, the best first, and the messages they come to, what matters most first."""

    hits: tuple[Hit, ...] = ()
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class _Level:
    """Scores of one granularity, as z-scores: what is touched by a term has `gains` beyond what all have."""

    gains: _Scores
    all_have: float

    def at(self, place: int) -> float:
        return self.gains.get(place, 0.0) + self.all_have


def search(corpus: Corpus, ask: Ask, *, most_hits: int = MOST_HITS, most_places: int = MOST_PLACES) -> Found:
    """Return the turns that matter for a message. The same chunks and the same question give the same answer."""
    if not len(corpus):
        return Found()
    found = known_terms(ask, corpus)
    periods = find_periods(ask.text, ask.now)
    dated = _dated(corpus, periods)
    if not found and not dated:
        return Found()
    scoring = _Scoring(corpus, found, dated, ask.now.timestamp())
    totals = scoring.totals()
    if ask.seen:
        totals = {place: total for place, total in totals.items() if not _seen(corpus, ask, place)}
    best = heapq.nlargest(max(ANCHORS, most_hits), ((total, place) for place, total in totals.items()))
    words = shown(f"{ask.text} {ask.previous}")
    hits = tuple(scoring.hit(place, total, words) for total, place in best[:most_hits])
    return Found(hits, _places(corpus, ask, best[:ANCHORS], most_places))


class _Scoring:
    """The scores of one search."""

    def __init__(self, corpus: Corpus, found: Sequence[Term], dated: Mapping[int, float], now: float) -> None:
        self._corpus = corpus
        self._found = found
        self._dated = dated
        self._now = now
        self._reached = {radius: [_spread(corpus, term, radius) for term in found] for radius in RADII}
        self._levels = [_level(found, counts, corpus.norms(radius)) for radius, counts in self._reached.items()]
        self._session = _level(found, [_by_session(corpus, term) for term in found], corpus.session_norms)
        self._coverage = _coverage(len(corpus), found, self._reached[COVERED])

    def totals(self) -> _Scores:
        """Return the score of every turn that a term or a date leads to."""
        # The widest windows reach all that the narrower ones reach. Sums by column: this is where the time goes.
        totals = dict.fromkeys(self._dated, 0.0) | self._levels[-1].gains
        for level in self._levels[:-1]:
            for place, gain in level.gains.items():
                totals[place] += gain
        for place, share in self._coverage.items():
            totals[place] += COVERAGE * share
        for place, worth in self._dated.items():
            totals[place] += DATE * worth
        times, answers, session_of = self._corpus.times, self._corpus.answers, self._corpus.session_of
        sessions = [SESSION * self._session.at(number) for number in range(len(self._corpus.spans))]
        all_have = sum(level.all_have for level in self._levels)
        for place in totals:
            totals[place] += (
                sessions[session_of[place]] + all_have + ANSWER * answers[place] + self._recency(times[place])
            )
        return totals

    def parts(self, place: int) -> Parts:
        """Return the same by column for one turn."""
        corpus = self._corpus
        turn, near, wide = (level.at(place) for level in self._levels)
        return Parts(
            turn,
            near,
            wide,
            SESSION * self._session.at(corpus.session_of[place]),
            COVERAGE * self._coverage.get(place, 0.0),
            ANSWER * corpus.answers[place],
            DATE * self._dated.get(place, 0.0),
            self._recency(corpus.times[place]),
        )

    def _recency(self, at: int) -> float:
        return RECENCY * math.exp2(min(0.0, at - self._now) / HALF_LIFE)

    def hit(self, place: int, score: float, words: Mapping[str, str]) -> Hit:
        corpus, parts = self._corpus, self.parts(place)
        span = corpus.span_of(place)
        near = zip(self._found, self._reached[COVERED], strict=True)
        matched = dict.fromkeys(words.get(term.text, term.text) for term, counts in near if place in counts)
        return Hit(
            span.session_id,
            corpus.seqs[place],
            corpus.seqs[max(span.start, place - REACH)],
            corpus.seqs[min(span.end - 1, place + REACH)],
            datetime.fromtimestamp(corpus.times[place], UTC),
            score,
            parts,
            self._why(place, parts),
            tuple(matched),
        )

    def _why(self, place: int, parts: Parts) -> tuple[str, ...]:
        reasons = {
            "words": place in self._levels[0].gains,
            "nearby": place in self._levels[-1].gains and place not in self._levels[0].gains,
            "session": parts.session > SESSION,
            "answer": parts.answer > 0,
            "date": parts.date > 0,
        }
        return tuple(reason for reason, holds in reasons.items() if holds)


def _spread(corpus: Corpus, term: Term, radius: int) -> dict[int, int]:
    """Return how often a term stands in each window that holds it."""
    if not radius:
        return dict(term.postings)
    counts: dict[int, int] = {}
    spans, session_of = corpus.spans, corpus.session_of
    for place, count in term.postings:
        span = spans[session_of[place]]
        for reached in range(max(span.start, place - radius), min(span.end, place + radius + 1)):
            counts[reached] = counts.get(reached, 0) + count
    return counts


def _by_session(corpus: Corpus, term: Term) -> dict[int, int]:
    counts: dict[int, int] = {}
    for place, count in term.postings:
        session = corpus.session_of[place]
        counts[session] = counts.get(session, 0) + count
    return counts


def _level(found: Sequence[Term], counts: Sequence[Mapping[int, int]], norms: Norms) -> _Level:
    among, of = len(norms.of), norms.of
    scores: _Scores = {}
    for term, places in zip(found, counts, strict=True):
        gain = term.weight * idf(among, len(places)) * (K1 + 1)
        for place, count in places.items():
            scores[place] = scores.get(place, 0.0) + gain * count / (count + of[place])
    mean = sum(scores.values()) / among if among else 0.0
    spread = (
        math.sqrt(max(0.0, sum(score * score for score in scores.values()) / among - mean * mean)) if among else 0.0
    )
    if spread < 1e-9:  # noqa: PLR2004 - all are alike: none stands out
        return _Level(dict.fromkeys(scores, 0.0), 0.0)
    return _Level({place: score / spread for place, score in scores.items()}, -mean / spread)


def _coverage(among: int, found: Sequence[Term], counts: Sequence[Mapping[int, int]]) -> _Scores:
    """Return the share of the query's terms, by what they say, that each window holds."""
    says = [term.weight * idf(among, len(places)) for term, places in zip(found, counts, strict=True)]
    total = sum(says)
    shares: _Scores = {}
    for share, places in zip(says, counts, strict=True):
        for place in places:
            shares[place] = shares.get(place, 0.0) + share / total
    return shares


def _dated(corpus: Corpus, periods: tuple[Period, ...]) -> dict[int, float]:
    if not periods:
        return {}
    start, end = min(period.start for period in periods), max(period.end for period in periods)
    worths = {
        place: worth_at(periods, corpus.times[place])
        for span in corpus.spans
        if span.oldest < end and span.newest >= start
        for place in range(span.start, span.end)
    }
    return {place: worth for place, worth in worths.items() if worth}


def _seen(corpus: Corpus, ask: Ask, place: int) -> bool:
    return corpus.seqs[place] in ask.seen.get(corpus.span_of(place).session_id, ())


def _places(corpus: Corpus, ask: Ask, best: Sequence[tuple[float, int]], most: int) -> tuple[Place, ...]:
    """Return the hits and their neighbours; each is worth what the best hit in reach leaves it at its distance."""
    if not best:
        return ()
    top, floor = best[0][0], best[-1][0]
    fades = [FADES**away for away in range(REACH + 1)]
    worths: dict[int, float] = {}
    of: dict[int, int] = {}
    for score, hit in best:
        span = corpus.span_of(hit)
        worth = (score - floor) / (top - floor) if top > floor else 1.0
        for place in range(max(span.start, hit - REACH), min(span.end, hit + REACH + 1)):
            offered = worth * fades[abs(place - hit)]
            if offered > worths.get(place, -1.0):
                worths[place] = offered
                of[place] = hit
    wanted = [place for place in worths if not (ask.seen and _seen(corpus, ask, place))]
    ranked = heapq.nlargest(most, wanted, key=lambda place: (worths[place], place))
    return tuple(
        Place(
            corpus.span_of(place).session_id,
            corpus.seqs[place],
            worths[place],
            corpus.seqs[of[place]],
            corpus.lengths[place],
        )
        for place in ranked
    )
