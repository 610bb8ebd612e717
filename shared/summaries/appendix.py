"""What the summariser left out, set down below what it wrote, within the limit.

    Customer waits for a refund of order #W3792453.

    Word for word:
    promise: "You will be refunded by March 7th."
    amount: $12.50; $3.99

What gives way when it does not fit, in this order: the end of the prose, down to PROSE_SHARE of the limit; then times,
web addresses, days, telephone numbers, e-mail addresses, amounts, promises, identifiers; of one kind the oldest first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from shared.summaries.ledger import LONGEST, Entry, missing, normalised, stands_in
from shared.summaries.patterns import Kind
from shared.summaries.sentences import sentences

HEADING: Final = "Word for word:"
PROSE_SHARE: Final = 0.4
TRIMMINGS: Final = 4  # of the prose, each of which may cost it facts that need room again
KEPT_LONGEST: Final[tuple[Kind, ...]] = ("identifier", "promise", "amount", "email", "phone", "date", "url", "time")

ENOUGH: Final = 60  # entries that found no room: then there is none

_HEADING: Final = re.compile(rf"^{HEADING}[ \t]*$", re.MULTILINE)
# What a fact may be made of: a text cut inside of one would tell another.
_FACT_END: Final = re.compile(r"[A-Za-z0-9$€£¥#@_.,:/+%-]*\Z")

Measure = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The text, what of the ledger stands in it, and what gave way. `trimmed`: the prose lost its end."""

    text: str
    kept: tuple[Entry, ...]
    dropped: tuple[Entry, ...]
    appended: int = 0
    trimmed: bool = False


def fit(text: str, ledger: Sequence[Entry], limit: int, measure: Measure) -> Fitted:
    """Return the summary with every entry that does not stand in it appended, within `limit`."""
    if measure(text) <= limit and not missing(ledger, text):
        return Fitted(text, tuple(ledger), ())
    prose = without_appendix(text)
    shorter = _shortened(prose, ledger, limit, measure)
    chosen = choose(missing(ledger, shorter), limit - measure(shorter), measure)
    whole = _joined(shorter, chosen)
    while measure(whole) > limit and chosen:
        chosen = chosen[:-1]
        whole = _joined(shorter, chosen)
    while measure(whole) > limit:  # nothing is left to give way but the prose
        whole = trim(whole, measure(whole) - 1, measure)
    gone = missing(ledger, whole)
    lost = set(gone)
    kept = tuple(entry for entry in ledger if entry not in lost)
    return Fitted(whole, kept, gone, len(chosen), trimmed=shorter != prose)


def choose(entries: Sequence[Entry], room: int, measure: Measure) -> list[Entry]:
    """Return the entries that fit into `room`, what is kept longest first; none that stands in another one."""
    ordered = sorted(entries, key=lambda entry: (KEPT_LONGEST.index(entry.kind), -entry.seq))
    chosen: list[Entry] = []
    promised, in_vain = "", 0
    for entry in ordered:
        if in_vain == ENOUGH:
            break
        if stands_in(entry.text, promised):
            continue
        if measure(_appended([*chosen, entry])) > room:
            in_vain += 1
            continue
        chosen.append(entry)
        if entry.kind == "promise":
            promised = normalised(f"{promised} {entry.text}")
    return chosen


def written(entries: Sequence[Entry]) -> str:
    """Return the entries as lines under the heading: a promise has its own, the others share one for each kind."""
    lines = [HEADING]
    for kind in KEPT_LONGEST:
        said = [" ".join(entry.text.split()) for entry in entries if entry.kind == kind]
        if kind == "promise":
            lines += [f'promise: "{text}"' for text in said]
        elif said:
            lines.append(f"{kind}: {'; '.join(said)}")
    return "\n".join(lines)


def without_appendix(text: str) -> str:
    """Return the prose: what stands before the heading, ours or one the summariser copied."""
    return _HEADING.split(text, maxsplit=1)[0].rstrip()


def trim(prose: str, limit: int, measure: Measure) -> str:
    """Return as many whole sentences from the beginning as fit; where not even one does, its beginning."""
    if measure(prose) <= limit:
        return prose
    ends = [end for _, end in sentences(prose)]
    fits, exceeds = 0, len(ends)
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if measure(prose[: ends[middle - 1]]) <= limit:
            fits = middle
        else:
            exceeds = middle
    if fits:
        return prose[: ends[fits - 1]]
    piece = prose[: limit * 8]
    while piece and measure(piece) > limit:
        piece = piece[: len(piece) * 9 // 10]
    return _at_a_word(piece).rstrip() if len(piece) < len(prose) else piece


def _at_a_word(piece: str) -> str:
    """Return a text that was cut somewhere without what may be half a word; of scripts without spaces, half a fact."""
    head = piece.rpartition(" ")[0]
    if len(head) * 2 >= len(piece):
        return head
    return piece[:-LONGEST] + _FACT_END.sub("", piece[-LONGEST:], count=1)


def _shortened(prose: str, ledger: Sequence[Entry], limit: int, measure: Measure) -> str:
    """Return the prose, cut until what it does not say of the ledger has room below it; what was cut off may say it."""
    for _ in range(TRIMMINGS):
        lost = missing(ledger, prose)
        room = limit - (measure(_appended(lost)) if lost else 0)
        shorter = trim(prose, max(room, int(limit * PROSE_SHARE)), measure)
        if shorter == prose:
            break
        prose = shorter
    return prose


def _appended(entries: Sequence[Entry]) -> str:
    return f"\n\n{written(entries)}"


def _joined(prose: str, entries: Sequence[Entry]) -> str:
    return f"{prose}{_appended(entries)}".strip() if entries else prose
