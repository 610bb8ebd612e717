"""Delimiters that stored text cannot forge.

    <memory-40210573 scope="ticket">
    …
    </memory-40210573>

The number is derived from what stands between, so a block is the same from turn to turn and Claude's prompt cache
keeps hitting; and it is one that occurs in none of the texts around, so none of them can end the block or begin
another.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final

# Two plain sets: as one alternative they took more than twice as long.
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]+"
)
_FOREIGN_DIGIT: Final = re.compile(r"[^\D0-9]")
ANY_NUMBER: Final = "00000000"  # costs what every number costs: digits are counted in threes


def opening(name: str, number: str, **attributes: str) -> str:
    """Return a block's first line. Attributes are ours, never stored text."""
    told = "".join(f' {attribute}="{value}"' for attribute, value in attributes.items())
    return f"<{name}-{number}{told}>\n"


def closing(name: str, number: str) -> str:
    """Return a block's last line."""
    return f"</{name}-{number}>\n"


def number_in_none(contents: Sequence[str], others: Iterable[str]) -> str:
    """Return eight digits derived from `contents` that occur neither there nor in `others`.

    Digits without letters, because a number has no upper case to be mistaken in; digits of other scripts, and
    those with something unseen between, count as these.
    """
    texts = [_as_read(text) for text in (*contents, *others)]
    joined = "".join(contents)
    taken: set[str] | None = None
    for attempt in count():
        digest = hashlib.sha256(f"{attempt}\n{joined}".encode("utf-8", "surrogatepass")).digest()
        number = f"{int.from_bytes(digest[:8], 'big') % 10**8:08}"
        if taken is None:
            if not any(number in text for text in texts):
                return number
            # Somebody wrote it. All numbers they wrote are gathered once, so that many guesses cost little.
            taken = {run for text in texts for run in re.findall(r"(?=([0-9]{8}))", text)}
        elif number not in taken:
            return number
    raise AssertionError  # pragma: no cover - count() does not end


def _as_read(text: str) -> str:
    """Return a text with the digits that a reader sees in it."""
    if text.isascii():
        return text
    return _FOREIGN_DIGIT.sub(_digit, _UNSEEN.sub("", unicodedata.normalize("NFKC", text)))


def _digit(found: re.Match[str]) -> str:
    return str(unicodedata.decimal(found[0]))
