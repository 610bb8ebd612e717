"""Cutting a long text around a marker, never through a character as people see it.

A cut does not part a base from its combining marks, an emoji from its skin tone, its joiners or its tags, the two
letters of a flag, a Hangul syllable from its vowel, CR from LF, or a surrogate from its other half. It is a part of
what Unicode calls grapheme clusters: consonants joined by a virama may be parted, and so may clusters of more than
`REACH` code points, which nobody writes.

Source: https://www.unicode.org/reports/tr29/#Grapheme_Cluster_Boundaries
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

REACH: Final = 64  # how far a cut moves to find a place between two characters, in code points
SPARSEST: Final = 16  # most code points kept per unit of the limit: a million blanks are not worth counting again
ROUNDS: Final = 16  # most candidates measured for one clip; four or five do for ordinary text
_EVEN_ROUNDS: Final = 4  # of these, how many guess by proportion before halving

_JOINER = "\u200d"
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
_FIRST_MARK = "\u0300"
_EXTENDING = (
    range(0x200C, 0x200E),  # joiner and non-joiner
    range(0xFF9E, 0xFFA0),  # half-width Japanese sound marks
    range(0x0E33, 0x0E34),  # Thai vowel am
    range(0x0EB3, 0x0EB4),  # Lao vowel am
    range(0x1160, 0x1200),  # Hangul vowels and finals
    range(0xD7B0, 0xD7FC),
    range(0xDC00, 0xE000),  # the second half of a surrogate pair
    range(0x1F3FB, 0x1F400),  # skin tones
    range(0xE0020, 0xE0080),  # tags of regional flags
)


def marker(left_out: int) -> str:
    """Return what stands where `left_out` characters were. Never more than three of its digits stand in a row."""
    return f" [… {left_out:,} characters left out …] "


def clip(text: str, limit: int, total: int, measure: Callable[[str], int], *, tail: bool = True) -> str:
    """Return as much of `text` as fits, around a marker; the empty text where not even the marker fits.

    Head and tail are kept in equal parts, in code points; without `tail`, the head only.

    Args:
        text: what must be cut; it does not fit as it is.
        limit: the most the result may measure, in the unit of `measure`. It has at most SPARSEST code points for each.
        total: what `text` measures; only a first guess is made of it.
        measure: what a candidate costs. The result has been measured, so it never exceeds the limit.
        tail: whether the end of the text is kept too.

    """
    best, fits, exceeds = "", 0, min(len(text), limit * SPARSEST)
    kept = len(text) * limit // max(total, 1)
    for turn in range(ROUNDS):
        kept = min(max(kept, fits + 1), exceeds - 1)
        if kept <= fits:
            break
        candidate = _around(text, kept, tail=tail)
        size = measure(candidate)
        if size <= limit:
            best, fits = candidate, kept
        else:
            exceeds = kept
        if limit * 0.95 <= size <= limit:
            break
        even = turn < _EVEN_ROUNDS and size > 0
        kept = kept * limit * 49 // (size * 50) if even else (fits + exceeds) // 2
    if best:
        return best
    bare = _around(text, 0, tail=tail)
    return bare if measure(bare) <= limit else ""


def clip_below(heading: str, text: str, limit: int, total: int, measure: Callable[[str], int]) -> str:
    """Return `text` clipped below its heading, which stays whole where it takes less than half of the limit."""
    if not heading:
        return clip(text, limit, total, measure)
    if measure(heading) * 2 > limit:
        return clip(heading + text, limit, total, measure)
    clipped = clip(text, limit, total, lambda part: measure(heading + part))
    return heading + clipped if clipped else ""


def _around(text: str, kept: int, *, tail: bool) -> str:
    """Return at most `kept` code points of `text` around the marker."""
    end = _move(text, kept - kept // 2 if tail else kept, -1)
    start = _move(text, len(text) - kept // 2, +1) if tail else len(text)
    return f"{text[:end]}{marker(start - end)}{text[start:]}"


def _move(text: str, index: int, step: int) -> int:
    """Return the nearest place from `index` in the direction of `step` where no character is parted.

    One of more than REACH code points is: else, where only few are kept, nothing at all would be left.
    """
    if not _parts(text, index):
        return index
    first, last = _end_of_character(text, index, -1), _end_of_character(text, index, +1)
    if last - first > REACH:
        return index
    return first if step < 0 else last


def _end_of_character(text: str, index: int, step: int) -> int:
    """Return where the character around `index` ends in the direction of `step`, or REACH code points on."""
    place = index
    for _ in range(REACH):
        place += step
        if not _parts(text, place):
            break
    return place


def _parts(text: str, index: int) -> bool:
    """Whether a cut before `text[index]` would part what belongs together."""
    if not 0 < index < len(text):
        return False
    before, after = text[index - 1], text[index]
    if after < _FIRST_MARK:
        return before == "\r" and after == "\n"
    if before in _FLAG_LETTERS and after in _FLAG_LETTERS:
        run = index - len(text[:index].rstrip(_FLAG_LETTERS))
        return run % 2 == 1
    return _JOINER in (before, after) or _extends(after)


def _extends(character: str) -> bool:
    if unicodedata.category(character).startswith("M"):
        return True
    code = ord(character)
    return any(code in extending for extending in _EXTENDING)
