"""Facts that a summary tells and nobody said: a number altered, an amount made up.

The ledger sees what is missing; this sees what is there too much. It is lenient about form, since a summary may write
`1234.50 dollars` for `$1,234.50` and `7 March` for `March 7th`, and strict about what the characters say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from shared.recall.dates import MONTHS
from shared.summaries.ledger import Entry, find, normalised, stands_in
from shared.summaries.patterns import Kind
from shared.summaries.sentences import without

MASK: Final = "[\u2026]"
_DIGITS: Final = re.compile(r"\d+(?:[.,'\u2019\u00a0\u202f ]\d{3})*(?:[.,]\d{1,2})?(?!\d)|\d+")
_NUMBER: Final = re.compile(r"\d+")
_DIALLED: Final = re.compile(r"\d[\d ./()-]{4,24}\d")
_ALNUM: Final = re.compile(r"[^\W_]+")
# Written in whatever way, they are not each other.
_CURRENCIES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"€|\b(?:EUR|euros?)\b",
        r"\$|\b[A-Z]{2}D\b|\b(?:dollars?|dólares?|dolares?|bucks|pesos?|MXN)\b",
        r"£|\b(?:GBP|pounds?|quid|libras?)\b",
        r"\b(?:CHF|francs?|franken)\b",
        r"¥|\b(?:JPY|CNY|yen|yuan)\b",
        r"₹|\b(?:INR|rupees?)\b",
        r"%|\b(?:percent|prozent)\b",
    )
)
_BY_NUMBERS: Final[frozenset[Kind]] = frozenset({"date", "time"})


class Said:
    """What was said, in the forms by which facts are looked up."""

    def __init__(self, texts: Iterable[str]) -> None:
        whole = "\n".join(texts)
        self._folded = normalised(whole)
        self._lower = self._folded.casefold()
        self._numbers = {str(int(number)) for number in _NUMBER.findall(self._folded)}
        self._amounts = {_worth(number) for number in _DIGITS.findall(self._folded)}
        self._words = set(_joined(self._folded).split())
        self._numbers |= {
            str(MONTHS[word]) for word in self._words & MONTHS.keys()
        }  # a month may be told by its number
        self._dialled = {_only_digits(number) for number in _DIALLED.findall(self._folded)}

    def holds(self, entry: Entry) -> bool:
        """Return whether somebody said it, in whatever form."""
        if stands_in(entry.text, self._folded):
            return True
        if entry.kind in _BY_NUMBERS:  # also a weekday without any: it is told from a day that was said
            return all(str(int(number)) in self._numbers for number in _NUMBER.findall(normalised(entry.text)))
        if entry.kind == "amount":
            worths = map(_worth, _DIGITS.findall(normalised(entry.text)))
            return self._has_currency(entry.text) and all(worth in self._amounts for worth in worths)
        if entry.kind in {"email", "url"}:
            return stands_in(entry.text.casefold(), self._lower)
        if entry.kind == "phone":
            return any(_only_digits(entry.text) in dialled for dialled in self._dialled)
        named = [word for word in _joined(entry.text).split() if any(map(str.isdigit, word))] or [_joined(entry.text)]
        return all(word in self._words for word in named) or "".join(named) in self._words

    def _has_currency(self, amount: str) -> bool:
        """Return whether an amount's currency was spoken of; of those that are not known here, nothing is asked."""
        return all(each.search(self._folded) for each in _CURRENCIES if each.search(amount))


def invented(text: str, said: Said) -> tuple[Entry, ...]:
    """Return the facts of a summary that nobody said; promises are judged by the facts in them."""
    return tuple(entry for entry in find(text) if not said.holds(entry))


def without_invented(text: str, said: Said) -> str:
    """Return the text without the sentences that tell what nobody said; where none is left, without these facts."""
    return without(text, lambda sentence: bool(invented(sentence, said))) or _masked(text, said)


def _masked(text: str, said: Said) -> str:
    for entry in invented(text, said):
        text = text.replace(entry.text, MASK)
    return "" if invented(text, said) else text


def _worth(number: str) -> str:
    """Return a number without its separators and empty decimals: `1,234.50` and `1234.5` are worth the same."""
    decimals = re.search(r"[.,](\d{1,2})$", number)
    whole = number[: decimals.start()] if decimals else number
    digits = re.sub(r"\D", "", whole).lstrip("0") or "0"
    rest = decimals[1].rstrip("0") if decimals else ""
    return f"{digits}.{rest}" if rest else digits


def _joined(text: str) -> str:
    """Return the words of a text without case, marks and signs."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return " ".join(_ALNUM.findall("".join(each for each in plain if not unicodedata.combining(each))))


def _only_digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))
