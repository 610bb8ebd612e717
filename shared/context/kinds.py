"""What kind of text it is, and how many tokens Claude makes of one cl100k_base token of that kind.

A vocabulary made for English splits other languages finer, and so does Claude's, but not by as much; code is split by
both, differently. So one factor per model would either let English pay for German or count German too low. The kind
is told from the letters and the commonest words. Where it cannot be told, the factor is that of German, which is the
highest of the languages; capitals and identifiers cost more than any language.

The factors are the highest ratio measured for the kind, rounded up, for each of Claude's two tokenizers
(docs/explanation/context.md has the table).
"""

from __future__ import annotations

import re
from functools import lru_cache
from statistics import fmean
from string import ascii_letters, ascii_uppercase, digits
from typing import Final

from shared.models import TextKind

OLD, NEW = 0, 1

# Models up to Claude 4.6 share one tokenizer; later ones have another, which makes more tokens of the same text.
OLD_MODELS: Final = (
    "claude-3",
    "claude-sonnet-4-0",
    "claude-sonnet-4-20250514",
    "claude-sonnet-4-5",
    "claude-sonnet-4-6",
    "claude-haiku-4-5",
    "claude-opus-4-0",
    "claude-opus-4-20250514",
    "claude-opus-4-1",
    "claude-opus-4-5",
    "claude-opus-4-6",
)

# The cheapest first.
FACTORS: Final[dict[TextKind, tuple[float, float]]] = {
    "script": (1.12, 1.12),
    "english": (1.15, 1.68),
    "code": (1.32, 1.7),
    "other": (1.4, 2.0),
    "names": (1.7, 2.35),
    "dense": (1.85, 3.3),
}

LEAST_WORDS: Final = 6
PIECE: Final = 2_000  # code points looked at in one go: a long text may begin in one language and go on in another
MOST_PIECES: Final = 64  # pieces of a text that are looked at; of a longer one so many, evenly spread
# How often names are joined, for each letter, in text that is full of them, and in text that is nothing else.
NAMES, DENSE = 0.04, 0.11
LEAST_CAPITALS: Final = 8
TITLES: Final = 0.12  # capitals for each letter: more than any language has, but for titles

_LETTERS: Final = ascii_letters.encode()
_CAPITALS: Final = ascii_uppercase.encode()
_DIGITS: Final = digits.encode()
_MARKS: Final = bytes(set(range(33, 127)) - set(_LETTERS + _DIGITS + b".,;:!?'\"()-"))
_TO_WORDS: Final = bytes(code if code in _LETTERS else 32 for code in range(256)).lower()
# Scripts that were measured: Cyrillic, Arabic, Devanagari, kana, Han.
_SCRIPTS = re.compile(r"[\u0400-\u04ff\u0600-\u06ff\u0900-\u097f\u3040-\u30ff\u4e00-\u9fff]")
_INDENTED = re.compile(rb"\n[ \t]+")
# Where Claude's tokenizers begin a new token, and cl100k_base often does not: capitals and underscores inside a name;
# and half as often, what joins the names of a path, a package or an address.
_HUMPS = re.compile(rb"[a-zA-Z0-9](?=[A-Z]|_[a-zA-Z0-9])")
_JOINTS = re.compile(rb"[a-zA-Z](?=[./:=?&-][a-zA-Z])")

# Words that are common in English and rare, or nothing, in the languages that share its letters.
_ENGLISH = frozenset(
    b"the and you my is are have not with this that it of for please your to be been was were they we our can will "
    b"what when where how but would could there their from has had do does did".split()
)
_FOREIGN = (
    frozenset(
        b"der die das und ich nicht ist sie mit den dem ein eine auf wir haben bitte zu el la los las que de en un "
        b"una por con para no se es le les des et je vous est pas une dans pour il che di non per sono mi ho een het "
        b"van ik niet te och att det som jag nie na jest do uma com em os as voce ve bir bu icin".split()
    )
    - _ENGLISH
)


def kind_of(text: str) -> TextKind:
    """Return the kind of a text.

    A long one is looked at piece by piece; it is of the cheapest kind that is dear enough for what they cost together.
    """
    if len(text) <= 2 * PIECE:
        return _kind_of_piece(text)
    number = min(-(-len(text) // PIECE), MOST_PIECES)
    starts = [len(text) * each // number for each in range(number)]
    found = [FACTORS[_kind_of_piece(text[start : start + PIECE])] for start in starts]
    old, new = (round(fmean(factors), 6) for factors in zip(*found, strict=True))
    return next(kind for kind, (by_old, by_new) in FACTORS.items() if by_old >= old and by_new >= new)


@lru_cache(maxsize=256)
def factor_of(model: str, kind: TextKind = "other") -> float:
    """Return the model's tokens per cl100k_base token; a dated name counts as the model it dates."""
    old = any(model == name or model.startswith(f"{name}-") for name in OLD_MODELS)
    return FACTORS[kind][OLD if old else NEW]


def _kind_of_piece(text: str) -> TextKind:
    plain = text.encode("ascii", "ignore")
    beyond = len(text) - len(plain)
    letters = _number_of(_LETTERS, plain)
    if beyond > 4 * letters and _is_script(text, letters):
        return "script"
    joined = len(_HUMPS.findall(plain)) + len(_JOINTS.findall(plain)) / 2
    of = max(letters, beyond)
    if joined > DENSE * of:
        return "dense"
    if joined > NAMES * of or _number_of(_CAPITALS, plain) > max(LEAST_CAPITALS, TITLES * of):
        return "names"
    if beyond * 50 > len(text) or _number_of(_DIGITS, plain) * 5 > len(text):
        return "other"  # neither long numbers were measured, nor every language
    if _number_of(_MARKS, plain) * 25 > len(text) or len(_INDENTED.findall(plain)) * 150 > len(text):
        return "code"
    return "english" if _is_english(plain) else "other"


def _number_of(codes: bytes, plain: bytes) -> int:
    return len(plain) - len(plain.translate(None, codes))


def _is_script(text: str, letters: int) -> bool:
    script = len(_SCRIPTS.findall(text))
    return script > 4 * letters and script * 2 > len(text.replace(" ", ""))


def _is_english(plain: bytes) -> bool:
    """Return whether the words are English: common ones are frequent, those of other languages are not."""
    words = plain.translate(_TO_WORDS).split()
    english = sum(map(_ENGLISH.__contains__, words))
    foreign = sum(map(_FOREIGN.__contains__, words))
    return len(words) >= LEAST_WORDS and english * 8 >= len(words) and english > 3 * foreign
