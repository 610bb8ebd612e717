"""What of a word is compared: endings off, and of long words the beginning.

One rule for all languages of a script, since a query of five words does not say its language. On LoCoMo it does as
well as the Snowball stemmer for English; cutting long words is what serves the languages that have many endings.
"""
# ruff: noqa: RUF001 - endings of several scripts

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

LONGEST: Final = 6  # characters of a word's beginning that are compared
SHORTEST: Final = 3  # characters that stay of a word, whatever its endings

_VOWEL: Final = re.compile("[aeiouy]")
_CYRILLIC: Final = re.compile(
    "(?:иями|ями|ами|ого|его|ому|ему|ыми|ими|иях|ях|ах|ов|ев|еи|ои|ии|ыи|ая|яя|ое|ее|ые|ие|ию|ия|ам|ям|ом|ем|"
    "а|я|о|е|ы|и|у|ю|ь|і|ї)$"
)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return what is compared of a folded word without digits."""
    first = word[0]
    if "a" <= first <= "z":
        word = _latin(word)
    elif "а" <= first <= "џ":
        ending = _CYRILLIC.search(word, SHORTEST)
        word = word[: ending.start()] if ending else word
    elif word.startswith("ال") and len(word) > SHORTEST + 1:
        word = word[2:]  # the Arabic article is written with its word
    return word[:LONGEST]


def _latin(word: str) -> str:
    if len(word) <= SHORTEST:
        return word
    word = _participle(_singular(word))
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "i"
    if word.endswith(("e", "a", "o")) and len(word) > SHORTEST:
        word = word[:-1]
    return word[:-2] if word.endswith("en") and len(word) > LONGEST else word  # Paketen, Paket


def _singular(word: str) -> str:
    if word.endswith(("ies", "ied")) and len(word) > SHORTEST + 1:
        return word[:-2]
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us")) and _VOWEL.search(word[:-2]):
        return word[:-1]
    return word


def _participle(word: str) -> str:
    for ending in ("ingly", "edly", "ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) > 1 and _VOWEL.search(rest):
            doubled = len(rest) > SHORTEST and rest[-1] == rest[-2] and rest[-1] not in "lsz"
            return rest[:-1] if doubled else rest
    return word
