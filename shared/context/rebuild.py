"""A context once sent, made again from its receipt.

The receipt names what went in, by id and version, and holds the hash of the request. So what comes out is either what
was sent, byte by byte, or nothing: once a message, an entry's version or the instructions are gone, it cannot be had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.context.assembly import assemble
from shared.context.calibration import Correction
from shared.context.pin import Pin
from shared.context.sources import Context, Draft
from shared.context.tokens import TokenCounter
from shared.models import MemoryEntry, Receipt
from shared.prompt import HANDOFF

# The setting may have changed since; the hash tells which it was.
CACHE_TTLS: Final = ("5m", "1h", "off")


def rebuild(receipt: Receipt, parts: Draft, counter: TokenCounter) -> Context | None:
    """Return the context that was sent, or None where it cannot be made again.

    Args:
        receipt: of the request.
        parts: what there is of the same session today: entries with their history, messages from the receipt's pin
            on, the newest message as it was asked. What came later is left aside; budget, strategy, model and pin are
            the receipt's.
        counter: the one that counted then; another leads to another context, which is refused.

    """
    pin = Pin.read(receipt.pin)
    if pin is None or parts.instructions.version != receipt.instructions_version:
        return None
    then = replace(
        parts,
        memory=_entries(parts.memory, {**dict(pin.entries), **receipt.memory_versions}),
        digests=[each for each in parts.digests if each.id in {*pin.digests, *_included(receipt, "late")}],
        recalled=[each for each in parts.recalled if each.id in _included(receipt, "recall")],
        model=receipt.model,
        budget=receipt.budget,
        strategy=receipt.strategy,
        correction=Correction(receipt.english_correction, receipt.correction),
        pin=pin,
        handoff=HANDOFF in _included(receipt, "system"),
    )
    for ttl in CACHE_TTLS:
        context = assemble(replace(then, cache_ttl=ttl), counter)
        if context.receipt.request_hash == receipt.request_hash:
            return context
    return None


def _included(receipt: Receipt, name: str) -> Sequence[str]:
    return next((part.included for part in receipt.parts if part.name == name), ())


def _entries(entries: Sequence[MemoryEntry], versions: dict[str, int]) -> list[MemoryEntry]:
    """Return the entries of these versions, as they were; newest first."""
    named = [_as_it_was(entry, versions[entry.key]) for entry in entries if entry.key in versions]
    return sorted((entry for entry in named if entry), key=lambda entry: entry.updated_at, reverse=True)


def _as_it_was(entry: MemoryEntry, version: int) -> MemoryEntry | None:
    if entry.version == version:
        return entry
    for old in entry.history:
        if old.version == version:
            was = {"value": old.value, "scope": old.scope, "source": old.source, "provenance": old.provenance}
            was |= {"version": version, "updated_at": old.valid_from, "valid_from": old.valid_from}
            return entry.model_copy(update=was)
    return None
