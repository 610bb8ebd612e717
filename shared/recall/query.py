"""What is asked of the index: the newest message, a little of the one before it, and when it is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from shared.recall.corpus import Corpus, Postings, idf
from shared.recall.words import is_identifier, is_part, terms

PREVIOUS: Final = 0.15  # weight of the message before, at least; of its terms a follow-up lives
ENOUGH: Final = 2.5  # what a message must say (`_said`) to lean on the one before no more than that
UNKNOWN: Final = 0.5  # weight of known words that begin as an unknown one
PART: Final = 0.3  # weight of one Han character
IDENTIFIER: Final = 2.0  # weight of what names one thing
MOST_TIMES: Final = 3  # a word counts no more often in a message
HEAD: Final = 3_000  # characters looked at of a message's beginning
TAIL: Final = 1_000  # and of its end
MOST_TERMS: Final = 128  # terms looked up, identifiers first
MOST_SCORED: Final = 48  # terms that count, the rarest first
MOST_POSTINGS: Final = 4_000  # places looked at, the rarest terms first; of the first one the latest


@dataclass(frozen=True, slots=True)
class Ask:
    """A search: the newest message, when it came, and what the context holds already.

    `previous`: the message it answers or follows, if any. `seen`: session → seqs that are not wanted.
    """

    text: str
    now: datetime
    previous: str = ""
    seen: Mapping[str, Container[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the query that the index knows, and where it stands."""

    text: str
    weight: float
    postings: Postings


@dataclass(frozen=True, slots=True)
class _Known:
    """A term that the index knows, and in how many turns it stands."""

    text: str
    weight: float
    holding: int


def known_terms(ask: Ask, corpus: Corpus) -> list[Term]:
    """Return the query's terms that stand in the corpus, the rarest first, within the bounds of this module."""
    newest = _known(_wanted(ask.text), corpus)
    before = _known(_wanted(ask.previous), corpus) if ask.previous else {}
    lent = max(PREVIOUS, 1.0 - _said(newest, corpus) / ENOUGH)
    for text, term in before.items():
        if text not in newest:
            newest[text] = replace(term, weight=term.weight * lent)
    rarest = sorted(newest.values(), key=lambda term: (term.holding, term.text))[:MOST_SCORED]
    # What is not looked at is not fetched: of frequent words that is most of the time.
    kept = _affordable(rarest)
    return [Term(term.text, term.weight, corpus.postings(term.text, MOST_POSTINGS)) for term in kept]


def shown(text: str) -> dict[str, str]:
    """Return the words of a text by their terms, to tell people what was found."""
    by_term: dict[str, str] = {}
    for word in _ends(text).split():
        for term in terms(word):
            by_term.setdefault(term, word.strip(".,;:!?\"'()[]¿¡") if len(word) <= len(term) + HEAD // 100 else term)
    return by_term


def _wanted(text: str) -> dict[str, float]:
    counts = Counter(terms(_ends(text)))
    ranked = sorted(counts, key=lambda term: not is_identifier(term))  # stable: as they stand in the text
    return {term: _weight(term) * min(counts[term], MOST_TIMES) for term in ranked[:MOST_TERMS]}


def _known(wanted: Mapping[str, float], corpus: Corpus) -> dict[str, _Known]:
    """Return the terms that stand in the corpus; where one does not, those that begin as it does."""
    found: dict[str, _Known] = {}
    unknown: dict[str, float] = {}
    for text, weight in wanted.items():
        holding = corpus.holding(text)
        if holding:
            found[text] = _Known(text, weight, holding)
        elif text.isalpha():
            unknown[text] = weight
    for text, weight in unknown.items():
        for known in corpus.alike(text):
            if known not in found:
                found[known] = _Known(known, weight * UNKNOWN, corpus.holding(known))
    return found


def _said(found: Mapping[str, _Known], corpus: Corpus) -> float:
    """Return how much a message says: 1 for one word that stands in one turn, less for words that stand in many."""
    among = len(corpus)
    most = idf(among, 1)
    return sum(term.weight * idf(among, term.holding) / most for term in found.values())


def _weight(term: str) -> float:
    if is_identifier(term):
        return IDENTIFIER
    return PART if is_part(term) else 1.0


def _affordable(rarest: list[_Known]) -> list[_Known]:
    room = MOST_POSTINGS
    for number, term in enumerate(rarest):
        if term.holding > room:
            return rarest[: max(1, number)]
        room -= term.holding
    return rarest


def _ends(text: str) -> str:
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]} {text[-TAIL:]}"
