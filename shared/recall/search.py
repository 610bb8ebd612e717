"""Search: which earlier turns matter for the newest message, and why.

A turn's score is the sum of
    words      BM25 of the turn, of the window of ±2 and of ±4 turns around it: three z-scores over all turns
    session    BM25 of its whole session, a z-score over all sessions
    coverage   how much of what the query says stands within ±2 turns
    answer     a constant for turns that come behind a question: answers seldom repeat its words
    date       for turns of a time that the query speaks of
    recency    a little for what was said lately
    meaning    where a model of meanings is given: how near the turn and its windows are to the message, as z-scores
The weights were chosen by measuring: `python -m benchmarks.recall`. Cost: in proportion to the postings of the
query's terms, which `query` bounds, and to the turns of the days it speaks of; summed over arrays (`windows`), which
takes a few milliseconds at most and lets other threads run meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.recall.corpus import Corpus, Numbers, Weights
from shared.recall.dates import Period, find_periods, worths_at
from shared.recall.query import Ask, Term, known_terms, shown
from shared.recall.windows import Level, around, by_session, coverage, level

RADII: Final = (0, 2, 4)  # turns to both sides of the windows that are scored
COVERED: Final = 2  # the one of them in which the query's terms are looked for
SESSION: Final = 0.75
COVERAGE: Final = 4.0
ANSWER: Final = 1.5
DATE: Final = 8.0
RECENCY: Final = 0.5
MEANING: Final = 0.6
NEAREST: Final = 300  # turns looked at for what they mean
ALIKE: Final = 1e-6  # standard deviation of cosines that are all the same
MEANT: Final = 0.9  # z-score, of itself or a window of it, from which a turn was found by its meaning
HALF_LIFE: Final = 30 * 86_400.0  # seconds in which recency halves
REACH: Final = 4  # turns to both sides that a hit brings along
FADES: Final = 0.8  # what a turn is worth beside its neighbour nearer to the hit
ANCHORS: Final = 300  # turns found whose neighbours are looked at
MOST_HITS: Final = 40
MOST_PLACES: Final = 400


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
    meaning: float = 0.0


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
    """`words`, `nearby`, `session`, `answer`, `date`, `meaning`: without any text, as receipts want it."""
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


def search(
    corpus: Corpus,
    ask: Ask,
    *,
    most_hits: int = MOST_HITS,
    most_places: int = MOST_PLACES,
    direction: NDArray[np.float32] | None = None,
) -> Found:
    """Return the turns that matter for a message. The same chunks and the same question give the same answer.

    `direction`: the message's vector, where there is a model of meanings and the corpus was made with it.
    """
    if not len(corpus):
        return Found()
    found = known_terms(ask, corpus)
    dated = _dated(corpus, find_periods(ask.text, ask.now))
    meant = _meant(corpus, direction)
    if not found and not len(dated.texts) and not len(meant.nearest):
        return Found()
    scoring = _Scoring(corpus, found, dated, ask.now.timestamp(), meant)
    best = _largest(scoring.totals, scoring.places, max(ANCHORS, most_hits), _wanted(corpus, ask, scoring.places))
    hits = scoring.hits(best[:most_hits], shown(f"{ask.text} {ask.previous}"))
    anchors = best[:ANCHORS]
    return Found(hits, _places(corpus, ask, scoring.places[anchors], scoring.totals[anchors], most_places))


class _Scoring:
    """The scores of one search: of every turn that a term or a date leads to. `places` ascend, `totals` are theirs."""

    def __init__(self, corpus: Corpus, found: Sequence[Term], dated: Level, now: float, meant: _Meant) -> None:
        self._corpus, self._found = corpus, found
        windows = [around(corpus, found, radius) for radius in RADII]
        self._near = windows[RADII.index(COVERED)]
        self._levels = [level(found, each, corpus.norms(radius)) for each, radius in zip(windows, RADII, strict=True)]
        # The widest windows reach all that the narrower ones reach.
        widest = self._levels[-1].texts
        self.places: Numbers = widest
        for others in (dated.texts, meant.nearest):
            if len(others):
                self.places = np.union1d(self.places, others)
        turn, near, wide = (each.among(self.places, len(corpus)) for each in self._levels)
        of_all = [each.all_have for each in self._levels]
        session = level(found, by_session(corpus, found), corpus.session_norms)
        sessions = SESSION * (session.among(np.arange(len(corpus.spans)), len(corpus.spans)) + session.all_have)
        held = sessions[corpus.session_of[self.places]]
        covered = COVERAGE * coverage(found, self._near, len(corpus)).among(self.places, len(corpus))
        answer = ANSWER * corpus.answers[self.places]
        timely = DATE * dated.among(self.places, len(corpus))
        recent = RECENCY * np.exp2(np.minimum(0.0, corpus.times[self.places] - now) / HALF_LIFE)
        self.totals: Weights = wide + turn + near + covered + timely + (held + sum(of_all) + answer + recent)
        words = (column + all_have for column, all_have in zip((turn, near, wide), of_all, strict=True))
        self._meant = frozenset(meant.nearest.tolist())
        near_in_meaning = np.zeros(len(self.places))
        if len(meant.scores):
            near_in_meaning = MEANING * meant.scores[self.places]
            self.totals = self.totals + near_in_meaning
        self._columns = (*words, held, covered, answer, timely, recent, near_in_meaning)

    def hits(self, best: Numbers, words: Mapping[str, str]) -> tuple[Hit, ...]:
        """Return the turns at some of the places, given by number, and why they were found."""
        corpus, places = self._corpus, self.places[best]
        terms: dict[int, list[str]] = {place: [] for place in places.tolist()}
        stand = np.isin(self._near.texts, places)
        for place, number in zip(self._near.texts[stand].tolist(), self._near.of[stand].tolist(), strict=True):
            terms[place].append(self._found[number].text)
        first = corpus.seqs[np.maximum(corpus.starts[places], places - REACH)]
        last = corpus.seqs[np.minimum(corpus.ends[places] - 1, places + REACH)]
        columns = (places, corpus.seqs[places], first, last, corpus.times[places], self.totals[best])
        rows = zip(*(column.tolist() for column in columns), strict=True)
        parts = zip(*(column[best].tolist() for column in self._columns), strict=True)
        made = ((*row, Parts(*each)) for row, each in zip(rows, parts, strict=True))
        return tuple(
            Hit(
                corpus.span_of(place).session_id,
                seq,
                first,
                last,
                datetime.fromtimestamp(at, UTC),
                total,
                parts,
                self._why(place, parts),
                tuple(dict.fromkeys(words.get(term, term) for term in terms[place])),
            )
            for place, seq, first, last, at, total, parts in made
        )

    def _why(self, place: int, parts: Parts) -> tuple[str, ...]:
        by_words = self._levels[0].has(place)
        reasons = {
            "words": by_words,
            "nearby": not by_words and self._levels[-1].has(place),
            "session": parts.session > SESSION,
            "answer": parts.answer > 0,
            "date": parts.date > 0,
            "meaning": place in self._meant,
        }
        return tuple(reason for reason, holds in reasons.items() if holds)


@dataclass(frozen=True, slots=True, eq=False)
class _Meant:
    """How near all turns are to a message in meaning, if that is known, and which are found by that alone."""

    scores: Weights
    nearest: Numbers


def _meant(corpus: Corpus, direction: NDArray[np.float32] | None) -> _Meant:
    if direction is None or not direction.any():
        return _Meant(np.zeros(0), np.arange(0))
    scores, highest = np.zeros(len(corpus)), np.zeros(len(corpus))
    for near in corpus.nearness(direction, RADII):
        spread = float(near.std())
        if spread > ALIKE:
            standing = (near - near.mean()) / spread
            scores, highest = scores + standing, np.maximum(highest, standing)
    places = np.flatnonzero(highest >= MEANT)
    return _Meant(scores, np.sort(places[_largest(scores[places], places, NEAREST)]))


def _dated(corpus: Corpus, periods: tuple[Period, ...]) -> Level:
    """Return how much turns are meant by the times that are spoken of."""
    worths = worths_at(periods, corpus.times)
    places = np.flatnonzero(worths)
    return Level(places, worths[places], 0.0)


def _largest(values: Weights, places: Numbers, most: int, wanted: NDArray[np.bool_] | None = None) -> Numbers:
    """Return the numbers of the largest values, the largest first; of equal ones that at the later place first."""
    among = np.arange(len(values)) if wanted is None else np.flatnonzero(wanted)
    if len(among) > most:
        least = np.partition(values[among], len(among) - most)[len(among) - most]
        among = among[values[among] >= least]
    return among[np.lexsort((places[among], values[among]))[::-1][:most]]


def _wanted(corpus: Corpus, ask: Ask, places: Numbers) -> NDArray[np.bool_] | None:
    """Return which turns the context does not hold yet; None for all."""
    if not ask.seen:
        return None
    sessions, seqs = corpus.session_of[places].tolist(), corpus.seqs[places].tolist()
    seen = [ask.seen.get(span.session_id, ()) for span in corpus.spans]
    return np.array([seq not in seen[session] for session, seq in zip(sessions, seqs, strict=True)], dtype=bool)


def _places(corpus: Corpus, ask: Ask, hits: Numbers, scores: Weights, most: int) -> tuple[Place, ...]:
    """Return the hits and their neighbours; each is worth what the best hit in reach leaves it at its distance."""
    if not len(hits):
        return ()
    top, floor = scores[0], scores[-1]
    worths = (scores - floor) / (top - floor) if top > floor else np.ones(len(hits))
    away = np.arange(-REACH, REACH + 1)
    reached = hits[:, None] + away
    inside = (reached >= corpus.starts[hits][:, None]) & (reached < corpus.ends[hits][:, None])
    offers = (worths[:, None] * np.array([FADES ** abs(step) for step in away.tolist()]))[inside]
    places, of = reached[inside], np.broadcast_to(hits[:, None], reached.shape)[inside]
    # The best offer of each place; of equal ones that of the better hit.
    order = np.argsort(-offers, kind="stable")
    places, first = np.unique(places[order], return_index=True)
    offers, of = offers[order][first], of[order][first]
    ranked = _largest(offers, places, most, _wanted(corpus, ask, places))
    chosen = places[ranked]
    columns = (
        corpus.session_of[chosen],
        corpus.seqs[chosen],
        offers[ranked],
        corpus.seqs[of[ranked]],
        corpus.lengths[chosen],
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return tuple(Place(corpus.spans[session].session_id, *row) for session, *row in rows)
