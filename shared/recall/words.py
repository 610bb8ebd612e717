"""What a text is compared by: its terms.

Words of alphabetic scripts are folded (NFKC, case, diacritics and vowel points off, since customers type without
them), lose their endings (`stems`), and are left out where they say nothing (`function_words`). Scripts without
spaces give pairs of characters; Han characters also stand alone. What holds a digit or an @ (order numbers, e-mail
addresses, dates, amounts) stands whole, without its separators, and in its parts: `W-3792453` gives `w3792453`,
`3792453`, and `2453`, the end that people read out.
"""
# ruff: noqa: RUF001 - characters of several scripts

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from shared.recall.function_words import SEVERAL
from shared.recall.stems import stem

VERSION: Final = 2
"""Grows with every change of what a text's terms are: chunks made before must be made anew."""
LONGEST_TERM: Final = 40  # characters; longer ones are told by their hash
LONGEST_TEXT: Final = 100_000  # characters looked at: as long as a message is by default
ENDING: Final = 4  # the digits that people read out of a long number
LONG_NUMBER: Final = 7  # digits from which on they do

_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_CJK: Final = f"{_HAN}\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uac00-\ud7a3"
_SPACELESS: Final = "\u0e01-\u0e4e\u0e81-\u0ecd\u1000-\u109f\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
# Vowel signs of Indic scripts belong to words, but are no word characters to `re`; dandas (U+0964, U+0965) end them.
_SIGNS: Final = "\u0900-\u0963\u0966-\u0dff"
_LETTER: Final = rf"(?:(?![{_CJK}{_SPACELESS}])[^\W_]|[{_SIGNS}])"
_JOINER: Final = r"(?:[-_.'’/@:+#]|,(?=\d{3}(?!\d)))"

_ASCII_TOKEN: Final = re.compile(r"[a-z0-9]+(?:(?:[-_.'/@:+#]|,(?=\d{3}(?!\d)))[a-z0-9]+)*")
_TOKEN: Final = re.compile(rf"[{_CJK}]+|[{_SPACELESS}]+|{_LETTER}+(?:{_JOINER}{_LETTER}+)*")
_UNSPACED: Final = re.compile(rf"[{_CJK}{_SPACELESS}]")
_ONE_HAN: Final = re.compile(f"[{_HAN}]")
_PARTS: Final = re.compile(r"[-_./@:+#,]")
_ORDINAL: Final = re.compile(r"^(\d+)(?:st|nd|rd|th)$")
_DIGITS: Final = re.compile(r"\d+")
_MARKS: Final = re.compile(
    "[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u0e48-\u0e4c]+"
)
_FOREIGN: Final = re.compile(r"[^\x00-\x7f]")
# Letters that no decomposition leads to what people type for them.
_LETTERS: Final = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "ı": "i",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "أ": "ا",
        "إ": "ا",
        "آ": "ا",
        "ى": "ي",
    }
)
_CUT_AFTER: Final = frozenset({"s", "re", "ve", "ll", "d", "m"})  # it's, we're, I've, I'll
_ELIDED: Final = frozenset({"jusqu", "lorsqu", "puisqu", "quelqu", "dell", "nell", "all", "dall", "sull", "quest"})
_LONGEST_ELISION: Final = 2  # l', d', qu'


def terms(text: str) -> list[str]:
    """Return the terms of a text in the order they stand there, repeated as they are; of the first LONGEST_TEXT."""
    text = text[:LONGEST_TEXT]
    tokens = _ASCII_TOKEN.findall(text.lower()) if text.isascii() else _TOKEN.findall(fold(text))
    return [term for token in tokens for term in _terms(token)]


def fold(text: str) -> str:
    """Return the text as it is compared: NFKC, without case and marks, digits of any script as 0 to 9."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFD", text)))
    return _FOREIGN.sub(_as_digit, text.translate(_LETTERS))


def is_identifier(term: str) -> bool:
    """Return whether a term is a longer number, or letters and digits: what names one thing."""
    return len(term) > ENDING and any(character.isdigit() for character in term)


def is_part(term: str) -> bool:
    """Return whether a term is one Han character, which a query may lean on only a little."""
    return len(term) == 1 and _ONE_HAN.match(term) is not None


def _as_digit(found: re.Match[str]) -> str:
    digit = unicodedata.digit(found[0], -1) if found[0].isdecimal() else -1
    return str(digit) if digit >= 0 else found[0]


@lru_cache(maxsize=20_000)
def _terms(token: str) -> tuple[str, ...]:
    if _UNSPACED.match(token):
        return tuple(_pairs(token))
    if any(character.isdigit() for character in token) or "@" in token:
        return tuple(dict.fromkeys(_identifying(token)))
    return tuple(stem(word) for part in _PARTS.split(token) for word in _apart(part) if word not in _NOTHING)


def _pairs(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
        return
    for index, character in enumerate(run):
        if _ONE_HAN.match(character):
            yield character
        if index:
            yield run[index - 1 : index + 1]


def _apart(word: str) -> Iterator[str]:
    """Yield what an apostrophe parts: `it`, not `s`; `annulation`, not `l`; `dont` whole."""
    pieces = [piece for piece in re.split("['’]", word) if piece]
    for index, piece in enumerate(pieces):
        after = pieces[index + 1] if index + 1 < len(pieces) else None
        if after == "t":
            yield piece + after
        elif after is not None and (len(piece) <= _LONGEST_ELISION or piece in _ELIDED) and after not in _CUT_AFTER:
            continue
        elif not (index and (piece == "t" or piece in _CUT_AFTER)):
            yield piece


def _identifying(token: str) -> Iterator[str]:
    parts = [part for part in re.split(rf"{_PARTS.pattern}|['’]", token) if part]
    if len(parts) > 1:
        yield _short("".join(parts))
    for part in parts:
        if any(character.isdigit() for character in part):
            yield from _numbered(_ORDINAL.sub(r"\1", part))
        elif part not in _NOTHING:
            yield stem(part)


def _numbered(part: str) -> Iterator[str]:
    yield _short(part)
    for run in _DIGITS.findall(part):
        if len(run) >= ENDING and run != part:
            yield _short(run)
        if len(run) >= LONG_NUMBER:
            yield run[-ENDING:]


def _short(term: str) -> str:
    if len(term) <= LONGEST_TERM:
        return term
    return blake2b(term.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


_NOTHING: Final = frozenset(fold(word) for word in SEVERAL)
