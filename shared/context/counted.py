"""One look at a text: its raw tokens, and its kind, which says how they are scaled. No text is looked at twice.

Raw tokens are the counter's, and what it misses of runs: cl100k_base has tokens of up to 128 equal marks, letters or
blanks, where Claude's tokenizers make many. How many was measured, of runs of 3 to 400.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from math import ceil
from string import ascii_letters
from typing import Final, NamedTuple

from shared.context.kinds import kind_of
from shared.context.tokens import TokenCounter
from shared.models import TextKind

RULERS: Final = frozenset("-=*_.#/")  # that lines are drawn of: both tokenizers know long ones
PER_RULER: Final = 0.2
PER_MARK: Final = 0.7
PER_BLANK: Final = 0.07
LEAST_MIXED: Final = 6  # different marks in a row; code has some

_MARKS = re.compile(r"[^\w\s]{3,}|_{3,}")
_LETTERS = re.compile(r"([a-zA-Z])\1{3,}")
_BLANKS = re.compile(r"[^\S\n]{16,}")
_FOUR_LETTERS: Final = tuple(letter * 4 for letter in ascii_letters)
_MANY_BLANKS: Final = tuple(blank * 16 for blank in (" ", "\t", "\xa0"))

FEW: Final = 300  # code points in which it is as quick to look for runs as to look whether there are any

# What is remembered: texts up to so many code points, and how many of them; a few longer ones, such as instructions.
SHORT: Final = 4_000
LONG: Final = 100_000


class Counted(NamedTuple):
    """What a text was found to be."""

    tokens: int
    """Raw: before the factor of the kind."""
    kind: TextKind


def look_at(counter: TokenCounter, text: str) -> Counted:
    """Return the raw tokens and the kind of a text."""
    if len(text) <= SHORT:
        return _short(counter, text)
    return _long(counter, text) if len(text) <= LONG else _looked_at(counter, text)


def _looked_at(counter: TokenCounter, text: str) -> Counted:
    return Counted(counter.count(text) + ceil(sum(_missed(text))), kind_of(text))


_short = lru_cache(maxsize=2_048)(_looked_at)  # memos of a pure function: 8 MB at most, of European text
_long = lru_cache(maxsize=64)(_looked_at)  # and 6 MB


def forget() -> None:
    """Forget all that was looked at: what a turn costs a process that has not met the conversation yet."""
    _short.cache_clear()
    _long.cache_clear()


def _missed(text: str) -> Iterator[float]:
    """Yield the tokens that the counter misses, run by run."""
    for run in _MARKS.findall(text):
        if run == run[0] * len(run):
            yield len(run) * (PER_RULER if run[0] in RULERS else PER_MARK)
        elif len(run) >= LEAST_MIXED:
            yield len(run) * PER_MARK
    if len(text) < FEW or any(four in text for four in _FOUR_LETTERS):
        yield from (len(run[0]) * PER_MARK for run in _LETTERS.finditer(text))
    if any(many in text for many in _MANY_BLANKS):
        yield from (len(run) * PER_BLANK for run in _BLANKS.findall(text))
