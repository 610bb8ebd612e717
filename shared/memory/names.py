"""Names in a value that nobody said: words with a capital inside a sentence.

In German every noun has a capital. There a name is told by where it stands: behind another word with a capital ("Frau
Berger", "Tochter Marie"), before one without an article ("Anna Berger"), or behind words that a name follows ("heißt").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from shared.recall.words import terms

SHORT: Final = 3  # letters of what is all capitals and names nobody: ID, VIP

_WORD: Final = re.compile(r"[^\W\d_][\w'’-]*")  # noqa: RUF001 - the apostrophe people type
_BEGINS: Final = re.compile(r"(?:^|[.!?:;\n])\W*$")
_GERMAN: Final = re.compile(r"\b(?:ich|und|nicht|für|bitte|ist|mein\w*|eine?|kein\w*|der|dem)\b", re.IGNORECASE)
# What a German name follows: "heißt Marie", "wohnt in Köln"; "mit Lotte ansprechen" has its own below.
_INTRODUCED: Final = re.compile(
    r"\b(?:hei(?:ß|ss)(?:t|en|e)|namens|genannt|nennt|nennen|(?:vor|nach|ruf)?name(?: (?:ist|lautet|war)|:)|"
    r"(?:wohn|leb)\w* (?:jetzt )?in|(?:komm|stamm)\w* aus|(?:zieh|zog|umgezogen|umzug) nach)\s+$",
    re.IGNORECASE,
)
_ADDRESSED: Final = re.compile(r"\s+(?:genannt|ansprechen|angesprochen|heißen)\b", re.IGNORECASE)
_WITH: Final = re.compile(r"\b(?:mit|als)\s+$", re.IGNORECASE)
_ARTICLE: Final = re.compile(
    r"\b(?:de[rmns]|die|das|eine?[rmns]?|kein\w*|mein\w*|dein\w*|sein\w*|ihr\w*|unser\w*|eure?\w*|diese\w*|zu[rm]|[ai]m|vom|beim|"
    r"\w+e[rnms]?)\s+$",
    re.IGNORECASE,
)
# Nouns that stand before names and times without an article.
_TITLES: Final = frozenset(
    {
        *("herr", "herrn", "frau", "familie", "firma", "dr", "prof", "kunde", "kundin", "kollege", "kollegin"),
        *("tochter", "sohn", "mutter", "vater", "bruder", "schwester", "hund", "katze", "anfang", "mitte", "ende"),
    }
)


def unsaid_names(value: str, said: str) -> tuple[str, ...]:
    """Return the names of a value that nobody said."""
    words = [match for match in _WORD.finditer(value) if _is_name(match[0])]
    found = _in_german(value, words) if _GERMAN.search(said) else _inside(value, words)
    known = set(terms(said))
    return tuple(match[0] for match in found if not known.issuperset(terms(match[0])))


def _inside(value: str, words: Sequence[re.Match[str]]) -> Iterator[re.Match[str]]:
    """Yield words with a capital that no sentence begins with."""
    return (match for match in words if not _opens(value, match))


def _in_german(value: str, words: Sequence[re.Match[str]]) -> Iterator[re.Match[str]]:
    """Yield words that stand where German has names."""
    for number, match in enumerate(words):
        before = words[number - 1] if number else None
        after = words[number + 1] if number + 1 < len(words) else None
        follows = (
            before is not None and _beside(value, before, match) and (_titled(before) or not _opens(value, before))
        )
        leads = after is not None and _beside(value, match, after) and not _titled(match) and not _opens(value, match)
        if (
            follows
            or (leads and not _ARTICLE.search(value, 0, match.start()))
            or _INTRODUCED.search(value, 0, match.start())
            or (_ADDRESSED.match(value, match.end()) and _WITH.search(value, 0, match.start()))
        ):
            yield match


def _opens(value: str, word: re.Match[str]) -> bool:
    """Whether a sentence begins with a word, which then has a capital whatever it is."""
    return _BEGINS.search(value, 0, word.start()) is not None


def _titled(word: re.Match[str]) -> bool:
    return word[0].casefold() in _TITLES


def _beside(value: str, first: re.Match[str], second: re.Match[str]) -> bool:
    return re.fullmatch(r"\.?[ \t]+", value[first.end() : second.start()]) is not None


def _is_name(word: str) -> bool:
    return word[0].isupper() and len(word) > 1 and not (word.isupper() and len(word) <= SHORT)
