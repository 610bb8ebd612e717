"""Summaries as items: their text in pieces, each of which says what it is a piece of.

So what is read across a change is either one version or the other, or not whole, and then it is passed over. The state
of the job lies in an item of its own, `~sum`: it changes more often than the text, and should not pay for its length.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from shared.storage.dynamodb import bodies
from shared.storage.dynamodb.actions import Item
from shared.storage.dynamodb.base import SUMMARY
from shared.storage.types import KeptSummary

# Sorts before a session's messages, so that a turn does not meet it on its way to them.
EARLIER: Final = "earlier/"
CURRENT: Final = f"{SUMMARY}/"


def current_items(pk: str, kept: KeptSummary) -> list[Item]:
    """Return the items of a session's summary."""
    return _items(pk, SUMMARY, kept)


def earlier_items(pk: str, kept: KeptSummary) -> list[Item]:
    """Return the items of an earlier version of it."""
    return _items(pk, earlier_sk(kept.version), kept)


def earlier_sk(version: int) -> str:
    """Return how the sort keys of an earlier version begin."""
    return f"{EARLIER}{version:08d}"


def summaries_in(items: Iterable[Mapping[str, Any]]) -> list[KeptSummary]:
    """Return the versions that are whole in `items`, newest first, each once."""
    pieces: defaultdict[tuple[int, str], list[Mapping[str, Any]]] = defaultdict(list)
    for item in items:
        pieces[item["version"], item["sk"].rpartition("/")[0]].append(item)
    found = {}
    for (version, _), parts in pieces.items():
        parts.sort(key=lambda item: str(item["sk"]))
        text = "".join(item["text"] for item in parts)
        if len(parts) == parts[0]["pieces"] and text:
            found[version] = KeptSummary(text, parts[0]["through"], version)
    return [found[version] for version in sorted(found, reverse=True)]


def _items(pk: str, name: str, kept: KeptSummary) -> list[Item]:
    first, rest = bodies.split(kept.value, bodies.MOST)
    described = {"through": kept.through, "version": kept.version, "pieces": len(rest) + 1}
    return [{**item, **described} for item in bodies.pieces(pk, name, [first, *rest])]
