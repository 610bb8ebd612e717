"""What becomes of two memory entries of one key, when one customer is merged into another: pure functions.

Entries and earlier values are as the stores keep them; see `records`. What is newer at its source stands, and the
earlier values of both are kept, newest first.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.storage import records

Fields = dict[str, Any]
Place = tuple[str, int]

MOST_VERSIONS: Final = 20
_SAYS: Final = ("raw", "scope", "status")


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """An entry and its earlier values, newest first."""

    entry: Fields
    history: tuple[Fields, ...] = ()

    @property
    def said(self) -> int:
        """When it was said, or written."""
        return said_at(self.entry)

    @property
    def places(self) -> list[Place]:
        """The messages that it and its earlier values rest on."""
        return list(dict.fromkeys(place for each in (self.entry, *self.history) if (place := place_of(each))))


def merge_event() -> str:
    """Return an id for the event that tells of a merge: nothing of it can be guessed from whom it is about."""
    return f"evt_merged_{secrets.token_hex(13)}"


def said_at(entry: Mapping[str, Any]) -> int:
    """Return when an entry was said, or written."""
    return int(entry.get("said") or entry["updated"])


def place_of(entry: Mapping[str, Any]) -> Place | None:
    """Return the session and `seq` of the message that an entry rests on."""
    provenance = entry.get("prov")
    return (provenance["sessionId"], int(provenance["seq"])) if provenance else None


def without(kept: KeptEntry, lost: Collection[Place], now: int) -> KeptEntry | None:
    """Return an entry without what rests on places that are gone; None where nothing is left of it."""
    history = [each for each in kept.history if place_of(each) not in lost]
    if place_of(kept.entry) not in lost:
        return KeptEntry(kept.entry, tuple(history))
    if not history:
        return None
    past = history.pop(0)
    before = {name: past.get(name) for name in ("raw", "scope", "source", *records.FACTS)}
    before |= {"key": kept.entry["key"], "op": "", "said": past["from"], "version": kept.entry["version"] + 1}
    before |= {"created": kept.entry["created"], "updated": now}
    return KeptEntry(records.known(before), tuple(history))


def merged(stands: KeptEntry | None, comes: KeptEntry, deleted: int | None, now: int) -> KeptEntry | None:
    """Return what stands when another customer's entry comes; None: all stays as it is.

    `deleted`: when the entry of this key was last deleted here. What is older than that does not come.
    """
    if deleted is not None and deleted >= comes.said:
        return None
    if stands is None:
        return comes
    newer, older = (comes, stands) if comes.said > stands.said else (stands, comes)
    earlier = [*stands.history, *comes.history]
    if any(newer.entry.get(name) != older.entry.get(name) for name in _SAYS):
        earlier.append(records.past_entry(older.entry, {**newer.entry, "said": newer.said}))
    return _numbered(newer, older, sorted(earlier, key=lambda each: int(each["from"]), reverse=True), now)


def _numbered(newer: KeptEntry, older: KeptEntry, earlier: Sequence[Fields], now: int) -> KeptEntry:
    """Return the entry with its earlier values, their versions counted down from its own, which is a new one."""
    kept = earlier[:MOST_VERSIONS]
    version = max(newer.entry["version"], older.entry["version"], len(kept)) + 1
    entry = {**newer.entry, "said": newer.said, "version": version, "updated": now}
    entry["created"] = min(newer.entry["created"], older.entry["created"])
    return KeptEntry(entry, tuple({**each, "version": version - 1 - at} for at, each in enumerate(kept)))
