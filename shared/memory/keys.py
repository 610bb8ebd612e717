"""When two keys, or two values, are the same in all but how they are written."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from shared.recall.words import fold, terms

LONGEST_KEY: Final = 64
TELLING: Final = 2  # terms of a value by which it is known again under another key

_BETWEEN: Final = re.compile(r"[^\w]+|_+", re.UNICODE)


def normal_key(text: str) -> str:
    """Return a key in the form in which extracted ones are written: `preferred-name`; empty where nothing is left."""
    words = [word for word in _BETWEEN.split(unicodedata.normalize("NFKC", text).casefold()) if word]
    return "-".join(words)[:LONGEST_KEY].strip("-")


def same_key(text: str, known: Iterable[str]) -> str:
    """Return the known key that a text means, or its normal form where it means none of them."""
    wanted = normal_key(text)
    return next((key for key in known if normal_key(key) == wanted), wanted)


def near_equal(one: Any, other: Any) -> bool:
    """Return whether two values say the same: case, marks, punctuation and order of names aside."""
    if one == other:
        return True
    return isinstance(one, str) and isinstance(other, str) and _bare(one) == _bare(other)


def telling(value: Any) -> bool:
    """Return whether a value says enough to be known again under another key; `yes` does not."""
    return len(set(terms(shown(value)))) >= TELLING


def shown(value: Any) -> str:
    """Return a value as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _bare(text: str) -> str:
    return " ".join(word for word in _BETWEEN.split(fold(text)) if word)
