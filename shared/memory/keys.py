"""When two keys, or two values, are the same in all but how they are written."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from shared.recall.words import terms

LONGEST_KEY: Final = 64
LED_BY: Final = 6  # words
TELLING: Final = 2  # terms of a value by which it is known again under another key

# Letters, their marks (vowels, in many scripts) and numbers are words; what nobody sees is nothing.
_WORDS: Final = "LMN"
_TELLS: Final = "LMNS"  # in a value a sign tells as well: $20 is not €20
_ALSO: Final = "%"
_UNSEEN: Final = "Cf"
_ACCENTS: Final = re.compile("[\u0300-\u036f]")  # not the tones and vowels of other scripts: they make other words


def normal_key(text: str) -> str:
    """Return a key in the form in which extracted ones are written: `preferred-name`; empty where nothing is left."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "-".join(_words(folded, _WORDS))[:LONGEST_KEY].strip("-")


def same_key(text: str, known: Iterable[str]) -> str:
    """Return the known key that a text means, or its normal form where it means none of them."""
    wanted = normal_key(text)
    return next((key for key in known if normal_key(key) == wanted), wanted)


def near_equal(one: Any, other: Any) -> bool:
    """Return whether two values say the same: case, accents, punctuation and order of names aside."""
    if one == other:
        return True
    return isinstance(one, str) and isinstance(other, str) and _bare(one) == _bare(other)


def said_again(value: Any, known: Any) -> bool:
    """Return whether a value is few words without a number, and then a known one: `As I said, it comes by 5 May.`"""
    if not (isinstance(value, str) and isinstance(known, str)):
        return False
    words, ending = _bare(value), _bare(known)
    before = words[: -len(ending)] if ending else words
    return words[len(before) :] == ending and len(before) <= LED_BY and not any(map(str.isdigit, "".join(before)))


def telling(value: Any) -> bool:
    """Return whether a value says enough to be known again under another key; `yes` does not."""
    return len(set(terms(shown(value)))) >= TELLING


def shown(value: Any) -> str:
    """Return a value as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _bare(text: str) -> list[str]:
    apart = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return _words(unicodedata.normalize("NFC", _ACCENTS.sub("", apart)), _TELLS, _ALSO)


def _words(text: str, kinds: str, also: str = "") -> list[str]:
    seen = (each for each in text if unicodedata.category(each) != _UNSEEN)
    return "".join(each if unicodedata.category(each)[0] in kinds or each in also else " " for each in seen).split()
