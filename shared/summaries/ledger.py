"""The ledger: what must survive a summary unaltered.

Identifiers, amounts with their currency, days and times, addresses, telephone numbers, and promises of the support
side (`promises`). What is found is kept exactly as it was said; a summary has it when it stands there as a whole,
compared after Unicode NFKC and with all white space alike, and in no other way: `$20` does not stand in `$200`, nor
`4711` in `A-4711`. An entry that is missed although it is there costs a line; one that is altered costs a customer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from shared.models import Message, Model, Role
from shared.summaries.patterns import NOTHING, PATTERNS, Kind
from shared.summaries.promises import find_promises

LONGEST: Final = 400  # characters of one entry; nobody's identifier is longer, and a promise is cut to its beginning
AROUND: Final = 16  # characters beside an entry that may make another thing of it
SHORTEST: Final = 4  # characters of a number that stands without its label

_TRAILING: Final = ".,;:!?*_~'\"\u2019\u201d"
_BRACKETS: Final = {")": "(", "]": "["}
# Letters and digits that would make another word of an entry they touch. Scripts without spaces are not among them.
_GLUE: Final = "A-Za-z0-9_\u00c0-\u024f"
_SPACE: Final = re.compile(r"\s+")


class Entry(Model):
    """One thing that must survive. `seq`, `role`: the message it was last said in, and whose that was."""

    kind: Kind
    text: str
    seq: int = 0
    role: Role = "user"


def find(text: str, seq: int = 0, role: Role = "user") -> tuple[Entry, ...]:
    """Return what must survive of one message, in the order it stands there; of what is said twice, the first."""
    spans = _facts(text)
    if role == "assistant":
        spans += [(start, end, "promise") for start, end in find_promises(text)]
    entries = [
        Entry(kind=kind, text=_whole(text, start, end), seq=seq, role=role)
        for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1]))
    ]
    entries = [entry for entry in entries if len(entry.text) <= LONGEST]
    return tuple({_key(entry): entry for entry in reversed(entries)}.values())[::-1]


def _facts(text: str) -> list[tuple[int, int, Kind]]:
    """Return where facts stand, without promises; none overlaps another."""
    return [(start, end, kind) for start, end, kind, _ in _matches(text)]


def reaches(text: str) -> list[tuple[int, int]]:
    """Return from where to where facts reach, their labels included: where to cut a text would change them."""
    return sorted(reach for _, _, _, reach in _matches(text))


def _matches(text: str) -> list[tuple[int, int, Kind, tuple[int, int]]]:
    found: list[tuple[int, int, Kind, tuple[int, int]]] = []
    taken = bytearray(len(text))
    for kind, pattern in PATTERNS:
        for match in pattern.finditer(text):
            labelled = pattern.groups > 0 and kind == "identifier"
            # A number of one to three digits says nothing without its label.
            alone = labelled and len(match[1]) >= SHORTEST
            start, end = _trimmed(text, *match.span(1 if alone else 0))
            if start < end and not any(taken[start:end]) and (labelled or _is_one(kind, text[start:end])):
                found.append((start, end, kind, match.span()))
                taken[start:end] = b"\x01" * (end - start)
    return found


def find_all(messages: Iterable[Message]) -> tuple[Entry, ...]:
    """Return what must survive of a conversation, oldest first."""
    return merge((), (entry for message in messages for entry in find(message.content, message.seq, message.role)))


def merge(earlier: Sequence[Entry], later: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return both, each thing once, where it was said last: what was repeated is not old."""
    found = {_key(entry): entry for entry in earlier}
    for entry in later:
        found.pop(_key(entry), None)
        found[_key(entry)] = entry
    return tuple(found.values())


def missing(entries: Iterable[Entry], summary: str) -> tuple[Entry, ...]:
    """Return the entries that do not stand in the summary unaltered, in their order."""
    folded = normalised(summary)
    return tuple(entry for entry in entries if not stands_in(entry.text, folded))


def normalised(text: str) -> str:
    """Return the form in which texts are compared: NFKC, white space alike."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text)).strip()


def stands_in(text: str, folded: str) -> bool:
    """Whether `text` stands as a whole in `folded`, which is normalised."""
    wanted = normalised(text)
    at = folded.find(wanted) if wanted else -1
    while at >= 0:
        if not _glued(folded, at, at + len(wanted)):
            return True
        at = folded.find(wanted, at + 1)
    return False


_BEFORE: Final = re.compile(rf"[{_GLUE}]\Z|[{_GLUE}][-/@_.]\Z")
_BEFORE_SYMBOL: Final = re.compile(r"[A-Z]\Z|\d[,.]?\Z")
_AFTER: Final = re.compile(rf"[{_GLUE}]|[-@_][{_GLUE}]|[./:]\d|,\d{{3}}(?!\d)|%")
_THOUSANDS: Final = re.compile(r"\d{3}(?!\d)")


def _glued(text: str, start: int, end: int) -> bool:
    """Whether what stands around makes another thing of it."""
    wordy = re.match(rf"[{_GLUE}+]", text[start]) is not None
    around = text[max(start - 2, 0) : start]
    if (_BEFORE if wordy else _BEFORE_SYMBOL).search(around):
        return True
    if _THOUSANDS.match(text, start) and re.search(r"\d,\Z", around):
        return True
    return re.match(rf"[{_GLUE}]", text[end - 1]) is not None and _AFTER.match(text, end) is not None


def _whole(text: str, start: int, end: int) -> str:
    """Return what was found; with all that touches it, where without that it would not be found again."""
    around = normalised(text[max(start - AROUND, 0) : end + AROUND])
    if stands_in(text[start:end], around):
        return text[start:end]
    # What is longer than LONGEST is no entry: how much longer does not matter.
    first, last = max(start - LONGEST, 0), min(end + LONGEST, len(text))
    while start > first and not text[start - 1].isspace():
        start -= 1
    while end < last and not text[end].isspace():
        end += 1
    return text[start:end]


def _key(entry: Entry) -> tuple[str, str]:
    return ("promise" if entry.kind == "promise" else "", normalised(entry.text))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Take off what ends the sentence rather than the thing: punctuation, a bracket opened before it."""
    end = min(end, start + 2 * LONGEST)
    while end > start and _ends_the_sentence(text, start, end):
        end -= 1
    return start, end


def _ends_the_sentence(text: str, start: int, end: int) -> bool:
    last = text[end - 1]
    if last in _BRACKETS:
        return text.count(last, start, end) > text.count(_BRACKETS[last], start, end)
    if text[start:end].endswith(("a.m.", "p.m.", "A.M.", "P.M.")):
        return False
    return last.isspace() or last in _TRAILING


def _is_one(kind: Kind, text: str) -> bool:
    """Whether what looks like an identifier, and has no label before it, is one."""
    if kind != "identifier" or text.startswith("#"):
        return True
    if NOTHING.fullmatch(text):
        return False
    digits = sum(map(str.isdigit, text))
    return digits >= 2 or (len(text) >= 5 and text.upper() == text)  # noqa: PLR2004 - one digit alone names little
