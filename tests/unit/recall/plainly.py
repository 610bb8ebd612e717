"""The search written down as it is described, number by number: what the one with arrays is held against."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.recall.chunk import Chunk, IndexedTurn
from shared.recall.corpus import K1, B, idf
from shared.recall.dates import find_periods
from shared.recall.query import ENOUGH, MOST_POSTINGS, MOST_SCORED, PREVIOUS, UNKNOWN, Ask, _wanted
from shared.recall.search import (
    ANCHORS,
    ANSWER,
    COVERAGE,
    COVERED,
    DATE,
    FADES,
    HALF_LIFE,
    RADII,
    REACH,
    RECENCY,
    SESSION,
)

Turn = tuple[str, int]  # session and seq
Counts = Mapping[int, int]


@dataclass
class Line:
    """All turns, session after session in the order of their beginning."""

    turns: list[IndexedTurn] = field(default_factory=list)
    sessions: list[tuple[str, range]] = field(default_factory=list)
    of: list[int] = field(default_factory=list)
    """The number of each turn's session."""

    @classmethod
    def of_chunks(cls, chunks: Sequence[Chunk]) -> Line:
        by_session: dict[str, dict[int, IndexedTurn]] = defaultdict(dict)
        for chunk in sorted(chunks, key=lambda chunk: chunk.last):
            by_session[chunk.session_id] |= {turn.seq: turn for turn in chunk.turns}
        line = cls()
        said = [(name, [turns[seq] for seq in sorted(turns)]) for name, turns in by_session.items()]
        for name, turns in sorted(said, key=lambda session: (session[1][0].at, session[0])):
            line.of.extend([len(line.sessions)] * len(turns))
            line.sessions.append((name, range(len(line.turns), len(line.turns) + len(turns))))
            line.turns.extend(turns)
        return line

    def near(self, place: int, radius: int) -> range:
        """Return the places around one, of its session."""
        session = self.sessions[self.of[place]][1]
        return range(max(session.start, place - radius), min(session.stop, place + radius + 1))

    def name(self, place: int) -> Turn:
        return self.sessions[self.of[place]][0], self.turns[place].seq


def terms_of(line: Line, ask: Ask) -> list[tuple[str, float, dict[int, int]]]:
    """Return the terms that count: text, weight, and how often each stands where."""
    stands: dict[str, dict[int, int]] = defaultdict(dict)
    for place, turn in enumerate(line.turns):
        for term, count in turn.terms.items():
            stands[term][place] = count

    def known(text: str) -> dict[str, float]:
        wanted = _wanted(text)
        found = {term: weight for term, weight in wanted.items() if term in stands}
        for term in (each for each in wanted if each not in stands and each.isalpha() and len(each) >= 4):
            alike = [each for each in stands if each.startswith(term[:4])]
            alike.sort(key=lambda each: (-_shared(each, term), each))
            for each in alike[:8]:
                found.setdefault(each, wanted[term] * UNKNOWN)
        return found

    among, newest, before = len(line.turns), known(ask.text), known(ask.previous)
    says = sum(weight * idf(among, len(stands[term])) / idf(among, 1) for term, weight in newest.items())
    lent = max(PREVIOUS, 1.0 - says / ENOUGH)
    weights = {term: weight * lent for term, weight in before.items()} | newest
    rarest = sorted(weights, key=lambda term: (len(stands[term]), term))[:MOST_SCORED]
    kept: list[tuple[str, float, dict[int, int]]] = []
    room = MOST_POSTINGS
    for term in rarest:
        if len(stands[term]) > room:
            kept = kept or [(term, weights[term], dict(sorted(stands[term].items())[-MOST_POSTINGS:]))]
            break
        kept.append((term, weights[term], stands[term]))
        room -= len(stands[term])
    return kept


def search(chunks: Sequence[Chunk], ask: Ask) -> tuple[list[tuple[Turn, float]], list[tuple[Turn, float]]]:
    """Return the turns found, best first, with their scores; and the turns they bring along, with their worths."""
    line = Line.of_chunks(chunks)
    terms = terms_of(line, ask) if line.turns else []
    periods = find_periods(ask.text, ask.now)
    meant = (
        (place, max((each.worth for each in periods if each.start <= turn.at < each.end), default=0.0))
        for place, turn in enumerate(line.turns)
    )
    dates = {place: worth for place, worth in meant if worth}
    if not terms and not dates:
        return [], []
    totals = _totals(line, terms, dates, ask.now.timestamp())
    wanted = [place for place in totals if line.name(place)[1] not in ask.seen.get(line.name(place)[0], ())]
    best = sorted(wanted, key=lambda place: (totals[place], place), reverse=True)[:ANCHORS]
    worths: dict[int, float] = {}
    for hit in best:
        spread = totals[best[0]] - totals[best[-1]]
        worth = (totals[hit] - totals[best[-1]]) / spread if spread else 1.0
        for place in line.near(hit, REACH):
            worths[place] = max(worths.get(place, 0.0), worth * FADES ** abs(place - hit))
    along = sorted(worths, key=lambda place: (worths[place], place), reverse=True)
    seen = [place for place in along if line.name(place)[1] not in ask.seen.get(line.name(place)[0], ())]
    return [(line.name(place), totals[place]) for place in best], [(line.name(place), worths[place]) for place in seen]


def _totals(
    line: Line, terms: Sequence[tuple[str, float, Counts]], dates: Mapping[int, float], now: float
) -> dict[int, float]:
    lengths = [turn.length for turn in line.turns]
    widths = {}
    for radius in RADII:
        counts = [_around(line, places, radius) for _, _, places in terms]
        widths[radius] = counts, [sum(lengths[near] for near in line.near(at, radius)) for at in range(len(lengths))]
    levels = {radius: _scores(terms, counts, norms) for radius, (counts, norms) in widths.items()}
    by_session = [Counter[int]() for _ in terms]
    for held, (_, _, places) in zip(by_session, terms, strict=True):
        for place, count in places.items():
            held[line.of[place]] += count
    whole = _scores(terms, by_session, [sum(lengths[at] for at in places) for _, places in line.sessions])
    near = widths[COVERED][0]
    says = [weight * idf(len(lengths), len(counts)) for (_, weight, _), counts in zip(terms, near, strict=True)]
    totals = {}
    for place in {at for counts in widths[max(RADII)][0] for at in counts} | set(dates):
        covered = sum(said for said, counts in zip(says, near, strict=True) if place in counts)
        behind = place - 1 in line.near(place, 1) and line.turns[place - 1].asks
        totals[place] = (
            sum(scores[place] for scores in levels.values())
            + SESSION * whole[line.of[place]]
            + (COVERAGE * covered / sum(says) if says else 0.0)
            + ANSWER * behind
            + DATE * dates.get(place, 0.0)
            + RECENCY * 2 ** (min(0.0, line.turns[place].at - now) / HALF_LIFE)
        )
    return totals


def _around(line: Line, places: Counts, radius: int) -> Counter[int]:
    counts = Counter[int]()
    for place, count in places.items():
        for near in line.near(place, radius):
            counts[near] += count
    return counts


def _scores(
    terms: Sequence[tuple[str, float, Counts]], counts: Sequence[Counts], lengths: Sequence[int]
) -> list[float]:
    """Return BM25 of every text as z-scores."""
    mean_length = sum(lengths) / len(lengths)
    scores = [0.0] * len(lengths)
    for (_, weight, _), held in zip(terms, counts, strict=True):
        for text, count in held.items():
            norm = K1 * (1 - B + B * (lengths[text] / mean_length if mean_length else 1.0))
            scores[text] += weight * idf(len(lengths), len(held)) * (K1 + 1) * count / (count + norm)
    mean = sum(scores) / len(scores)
    spread = math.sqrt(max(0.0, sum(score * score for score in scores) / len(scores) - mean * mean))
    return [(score - mean) / spread if spread > 1e-9 else 0.0 for score in scores]


def _shared(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
