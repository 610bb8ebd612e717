"""Names in a value that nobody said: words with a capital inside a sentence, but in German."""

from __future__ import annotations

import re
from typing import Final

from shared.recall.words import terms

SHORT: Final = 3  # letters of what is all capitals and names nobody: ID, VIP

_WORD: Final = re.compile(r"[^\W\d_][\w'’-]*")  # noqa: RUF001 - the apostrophe people type
_BEGINS: Final = re.compile(r"(?:^|[.!?:;\n])\W*$")
_GERMAN: Final = re.compile(r"\b(?:ich|und|nicht|für|bitte|ist|mein\w*|eine?|kein\w*|der|dem)\b", re.IGNORECASE)


def unsaid_names(value: str, said: str) -> tuple[str, ...]:
    """Return the names of a value that nobody said; none in German, where every noun has a capital."""
    if _GERMAN.search(said):
        return ()
    known = set(terms(said))
    return tuple(
        match[0]
        for match in _WORD.finditer(value)
        if _is_name(match[0]) and not _BEGINS.search(value, 0, match.start()) and not known.issuperset(terms(match[0]))
    )


def _is_name(word: str) -> bool:
    return word[0].isupper() and len(word) > 1 and not (word.isupper() and len(word) <= SHORT)
