"""Which remembered sentence answers a question: shared words, weighed; policy in the tables on top."""

import math
import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from simulator.context import QUESTION_MARKS, Context, Passage, Source, quotable, sentences
from simulator.language import HINTS, STOPWORDS, SUPERSEDED_WORDS, UPDATED_WORDS
from simulator.words import content_words, fold, is_identifier, stem, words

# Factors on the share of the question's words that a sentence holds.
HINT_MISSED = 0.5
OTHER_IDENTIFIER = 0.3  # the question names A-1234, the sentence does not
A_QUESTION_ITSELF = 0.35
SUPERSEDED = 0.7
UPDATED = 1.15
PER_OTHER_WORD = 0.01  # off, for each content word the question does not have
MOST_OTHER_WORDS = 30
BY_SOURCE: dict[Source, float] = {"memory": 1.0, "user": 1.0, "assistant": 0.95}

MOST_WANTED = 64  # words of a question; the work grows with them times the context
IDENTIFIER_WEIGHT = 3.0
ENOUGH = 0.3  # of the question's weight; below that nothing was found


@dataclass(frozen=True, slots=True)
class Found:
    """A sentence that may be quoted, with the stems it was found by."""

    text: str
    source: Source
    stems: frozenset[str]


class _Candidate(NamedTuple):
    """A sentence holding at least one wanted stem, at least as a part of a word."""

    text: str
    folded: str
    source: Source
    present: list[str]


class _Question(NamedTuple):
    weights: dict[str, float]
    whole: float
    hint: re.Pattern[str] | None


def best_match(question: str, context: Context, *, memory_only: bool = False) -> Found | None:
    """Return the sentence that shares most with the question, the later of equals; None when that is too little.

    Reading words is the dear part, so sentences are read from the most promising down, until none can be better.
    """
    folded = fold(question)
    wanted = content_words(folded)[:MOST_WANTED]
    passages = [each for each in context.passages if not memory_only or each.source == "memory"]
    candidates = _candidates(passages, wanted)
    if not candidates:
        return None
    weights = _weights(wanted, candidates)
    asked = _Question(weights, sum(weights.values()), _hint(folded))
    promising = sorted(((_promise(each, asked), at) for at, each in enumerate(candidates)), reverse=True)
    best = (0.0, -1)
    for promise, at in promising:
        if promise < max(best[0], ENOUGH):
            break
        best = max(best, (promise * _fulfilled(candidates[at], asked), at))
    score, at = best
    found = candidates[at]
    return Found(found.text, found.source, frozenset(found.present)) if score >= ENOUGH else None


def newest_memory(context: Context) -> Found | None:
    """Return the last remembered sentence, for a greeting that matches nothing."""
    for passage in reversed(context.passages):
        if passage.source == "memory" and (said := sentences(passage)):
            return Found(said[-1], "memory", frozenset())
    return None


def _candidates(passages: list[Passage], wanted: list[str]) -> list[_Candidate]:
    """Find the sentences by substring search: a stem is a prefix of every form of its word."""
    found: list[_Candidate] = []
    for at, likely in sorted(_likely(passages, wanted).items()):
        passage = passages[at]
        for sentence, folded in quotable(passage):
            present = [stem for stem in likely if stem in folded]
            if present:
                found.append(_Candidate(sentence, folded, passage.source, present))
    return found


def _likely(passages: list[Passage], wanted: list[str]) -> dict[int, list[str]]:
    """Return the stems that stand in each passage, if any do. All text is searched at once, stem by stem."""
    together = fold("\0".join([passage.text.replace("\0", " ") for passage in passages]))
    starts = list(accumulate((len(text) + 1 for text in together.split("\0")), initial=0))
    found: dict[int, list[str]] = {}
    for each in wanted:
        place = together.find(each)
        while place >= 0:
            at = bisect_right(starts, place) - 1
            found.setdefault(at, []).append(each)
            place = together.find(each, starts[at + 1])
    return found


def _weights(wanted: list[str], candidates: list[_Candidate]) -> dict[str, float]:
    """Weigh the question's words: what few sentences hold says more; what none holds counts as middling."""
    seen = Counter(stem for each in candidates for stem in each.present)
    scale = math.log(len(candidates) + 1)
    return {
        stem: IDENTIFIER_WEIGHT
        if is_identifier(stem)
        else 1.0 + (math.log((len(candidates) + 1) / seen[stem]) / scale if seen[stem] else 0.5)
        for stem in wanted
    }


def _hint(question: str) -> re.Pattern[str] | None:
    said = set(words(question))
    return next((pattern for cues, pattern in HINTS if not said.isdisjoint(cues.split())), None)


def _promise(candidate: _Candidate, asked: _Question) -> float:
    """Return the most a sentence can score, from what is seen without reading its words."""
    promise = BY_SOURCE[candidate.source] * sum(map(asked.weights.__getitem__, candidate.present)) / asked.whole
    if asked.hint is not None and asked.hint.search(candidate.folded) is None:
        promise *= HINT_MISSED
    if candidate.text.endswith(QUESTION_MARKS):
        promise *= A_QUESTION_ITSELF
    return promise * UPDATED


def _fulfilled(candidate: _Candidate, asked: _Question) -> float:
    """Return which part of its promise a sentence keeps: 1 at most."""
    said = words(candidate.folded)
    stems = set(map(stem, said))
    shared = [word for word in candidate.present if word in stems]
    seen, kept = (sum(map(asked.weights.__getitem__, found)) for found in (candidate.present, shared))
    score = kept / seen
    if any(map(is_identifier, asked.weights)) and not any(map(is_identifier, shared)):
        score *= OTHER_IDENTIFIER
    score /= 1.0 if not UPDATED_WORDS.isdisjoint(said) else UPDATED
    score *= 1.0 if SUPERSEDED_WORDS.isdisjoint(said) else SUPERSEDED
    others = len(stems - STOPWORDS) - len(shared)
    return score * (1 - PER_OTHER_WORD * min(others, MOST_OTHER_WORDS))
