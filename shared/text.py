"""What text is let in: valid Unicode without control characters."""

from __future__ import annotations

import unicodedata

from pydantic import AfterValidator

_KEPT = frozenset("\t\n\r")


def find_control(text: str) -> int | None:
    """Return the index of the first control character or lone surrogate; None where there is none.

    Tab, line feed and carriage return are text, not control.
    """
    for index, character in enumerate(text):
        if character not in _KEPT and unicodedata.category(character) in {"Cc", "Cs"}:
            return index
    return None


def _refuse_controls(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    index = find_control(text)
    if index is not None:
        message = f"must not contain control characters (U+{ord(text[index]):04X} at {index}); remove it"
        raise ValueError(message)
    return text


def _refuse_blank(text: str) -> str:
    if not text.strip():
        message = "must hold more than white space"
        raise ValueError(message)
    return text


no_controls = AfterValidator(_refuse_controls)
not_blank = AfterValidator(_refuse_blank)
