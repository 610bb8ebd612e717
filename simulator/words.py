"""Text to comparable words, in any script: case and accents folded, identifiers whole, a light stem for the rest."""

import re
import unicodedata
from functools import lru_cache

from simulator.language import STOPWORDS

# Scripts that put no spaces between words (or glue particles on, as Hangul does): read as pairs of characters.
DENSE = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Japanese, Chinese
    "\uac00-\ud7af"  # Korean
)
# Vowel signs and the like, which `\w` leaves out although they stand inside words (Devanagari, Arabic, Hebrew, …).
MARKS = "".join(chr(code) for code in range(0x300, 0x1F00) if unicodedata.category(chr(code)).startswith("M"))
LATIN_ACCENTS = re.compile("[\u0300-\u036f]+")

_LETTER = rf"(?:(?![{DENSE}])(?:[^\W_]|[{MARKS}]))"
ANY_WORD = re.compile(rf"[{DENSE}]+|{_LETTER}+(?:[-.@+]{_LETTER}+)*")
ASCII_WORD = re.compile(r"[^\W_]+(?:[-.@+][^\W_]+)*")
DENSE_RUN = re.compile(rf"[{DENSE}]")
DIGIT = re.compile(r"\d")

# Endings cut off, longest first; what is left must be at least three letters. Always a prefix of the word, so that
# a plain substring search finds every form.
SUFFIXES = ("ations", "ation", "ments", "ungen", "ment", "ings", "ing", "ung", "ies", "ied", "ed", "es", "ic", "s", "e")
MIN_STEM = 3
MIN_IDENTIFIER = 3


def fold(text: str) -> str:
    """Fold case, width and accents: `Número` and `NUMERO` become `numero`."""
    folded = text.casefold()
    if not folded.isascii():
        bare = LATIN_ACCENTS.sub("", unicodedata.normalize("NFKD", folded))
        folded = unicodedata.normalize("NFKC", bare)
    return folded.replace("e-mail", "email")


def words(folded: str) -> list[str]:
    """Return every word of folded text in order, stopwords included, unstemmed. `a-1234` and `x@y.org` stay whole."""
    if folded.isascii():
        found: list[str] = ASCII_WORD.findall(folded)
    else:
        found = [piece for run in ANY_WORD.findall(folded) for piece in _pairs(run)]
    if all(map(str.isalnum, found)):
        return found
    return [part for word in found for part in _parts(word)]


def content_words(folded: str) -> list[str]:
    """Return the stems of the words that carry meaning, in order, each once."""
    kept = (word for word in words(folded) if word not in STOPWORDS and (len(word) > 1 or not word.isascii()))
    return list(dict.fromkeys(map(stem, kept)))


def is_identifier(word: str) -> bool:
    """Tell whether the word names one thing: an order number, an address, a date; `2` does not."""
    return "@" in word or (len(word) >= MIN_IDENTIFIER and DIGIT.search(word) is not None)


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Cut the ending: ordered, orders and ordering become order. Identifiers and pairs of characters stay."""
    if len(word) <= MIN_STEM or not word.isalpha():
        return word
    cut = word
    for suffix in SUFFIXES:
        if word.endswith(suffix) and not word.endswith(("ss", "eed")) and len(word) - len(suffix) >= MIN_STEM:
            cut = word[: -len(suffix)]
            break
    if len(cut) > MIN_STEM and cut[-1] == "y" and cut[-2] not in "aeiou":
        cut = cut[:-1]  # delivery, as deliveries
    if len(cut) > MIN_STEM and cut[-1] == cut[-2]:
        cut = cut[:-1]  # cancelled, as cancel
    return cut


def _pairs(run: str) -> list[str]:
    if DENSE_RUN.match(run) is None:
        return [run]
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def _parts(word: str) -> list[str]:
    if word.isalnum() or "@" in word or DIGIT.search(word):
        return [word]
    return re.split(r"[-.+]", word)
