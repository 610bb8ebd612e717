"""Which of a few short texts matter for a message: their shared terms, the rare ones counting more."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from shared.recall.words import is_identifier, is_part, terms

PART = 0.3  # weight of one Han character
IDENTIFIER = 2.0  # weight of what names one thing
KEPT = 4_096  # short texts whose terms are kept: the same entries and digests come with each turn


def relevance(message: str, texts: Sequence[str]) -> list[float]:
    """Return how much each text matters for a message: 0 where they share no term."""
    wanted = set(terms(message))
    shared = [wanted & _terms(text) for text in texts]
    holding = Counter(term for found in shared for term in found)
    return [sum(_weight(term) * math.log(1 + len(texts) / holding[term]) for term in found) for found in shared]


@lru_cache(KEPT)
def _terms(text: str) -> frozenset[str]:
    return frozenset(terms(text))


def _weight(term: str) -> float:
    if is_identifier(term):
        return IDENTIFIER
    return PART if is_part(term) else 1.0
