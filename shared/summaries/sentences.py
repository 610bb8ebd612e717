"""Sentences: where they stand in a text, and the text without some of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

# A full stop ends a sentence before white space, unless it belongs to an abbreviation or a German ordinal.
_END: Final = re.compile(
    r"(?<![.!?\u2026])(?<!\b[A-Za-z]\.[A-Za-z])(?<!\bMr)(?<!\bDr)(?<!\bNo)(?<!\bNr)(?<!\bSt)(?<!\bMrs)(?<!\bbzw)"
    r"[.!?\u2026]+[)\"\u201d\u2019']*(?=\s)|[\u3002\uff01\uff1f]|\n+"
)
_MARKS: Final = re.compile(r"[\s>\u2022-]*(?:\*\s+)?(?:\d{1,2}[.)]\s+)?")


def sentences(text: str) -> list[tuple[int, int]]:
    """Return where the sentences stand, without the white space and list marks around them."""
    found, start = [], 0
    for end in [*(match.end() for match in _END.finditer(text)), len(text)]:
        piece = text[start:end]
        begins = start + _MARKS.match(piece).end()  # type: ignore[union-attr]  # it matches nothing, too
        ends = start + len(piece.rstrip())
        if begins < ends:
            found.append((begins, ends))
        start = end
    return found


def without(text: str, struck: Callable[[str], bool]) -> str:
    """Return the text without the sentences that are struck; the empty text where what is left is still struck."""
    for start, end in reversed(sentences(text)):
        if struck(text[start:end]):
            text = text[:start] + text[end:].lstrip(" \t")
    text = text.strip()
    return "" if struck(text) else text
