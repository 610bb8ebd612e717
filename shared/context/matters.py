"""What of memory goes in first, and what comes late: by what it has in common with the newest message.

A compaction chooses what the beginning holds; it cannot know what later messages will be about. So what it left out
comes late where it matters for the message of the turn, beside what is new since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.clock import to_ms
from shared.context.memory import texts_of
from shared.context.pin import Pin
from shared.context.sources import Digest, Draft
from shared.models import MemoryEntry
from shared.recall.ranking import relevance

MOST_ENTRIES: Final = 5  # left out before, that come late because they matter
MOST_DIGESTS: Final = 2


def foremost(draft: Draft) -> Draft:
    """Return the draft with notes and earlier sessions in the order in which they go in.

    Notes that matter for the message go first, the newest of them first; so do sessions, after the last one.
    """
    notes = [entry for entry in draft.memory if entry.scope == "note"]
    others = [entry for entry in draft.memory if entry.scope != "note"]
    last, before = draft.digests[:1], draft.digests[1:]
    noted = [notes[place] for place in _by_relevance(draft.newest, list(map(_text, notes)), least=-1)]
    told = [before[place] for place in _by_relevance(draft.newest, [digest.text for digest in before], least=-1)]
    return replace(draft, memory=[*others, *noted], digests=[*last, *told])


def newer(draft: Draft, pin: Pin) -> tuple[list[MemoryEntry], list[Digest]]:
    """Return the entries and earlier sessions that came after the pin."""
    pinned = dict(pin.entries)
    entries = [
        entry for entry in draft.memory if to_ms(entry.updated_at) > pin.seen and pinned.get(entry.key) != entry.version
    ]
    known = set(pin.digests)
    digests = [item for item in draft.digests if to_ms(item.ended_at) > pin.seen and item.id not in known]
    return entries, digests


def late(draft: Draft, pin: Pin) -> tuple[list[MemoryEntry], list[Digest]]:
    """Return what comes after the window: what is newer than the pin, then what it left out and matters now."""
    entries, digests = newer(draft, pin)
    named = {key for key, _ in pin.entries} | {entry.key for entry in entries}
    left_out = [entry for entry in draft.memory if entry.key not in named]
    matter = _by_relevance(draft.newest, list(map(_text, left_out)))
    entries += [left_out[place] for place in matter[:MOST_ENTRIES]]
    known = {*pin.digests, *(item.id for item in digests)}
    passed_over = [item for item in draft.digests if item.id not in known]
    matter = _by_relevance(draft.newest, [item.text for item in passed_over])
    digests += [passed_over[place] for place in matter[:MOST_DIGESTS]]
    return entries, digests


def _text(entry: MemoryEntry) -> str:
    return " ".join(texts_of(entry)[:2])


def _by_relevance(message: str, texts: Sequence[str], *, least: float = 0.0) -> list[int]:
    """Return the places of those that matter more than `least` for a message: most first, else in their order."""
    scores = relevance(message, texts)
    return sorted((place for place, score in enumerate(scores) if score > least), key=lambda place: -scores[place])
