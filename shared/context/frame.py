"""The frame: what stands before the window. It and the window's beginning stay the same between two compactions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from shared.clock import to_ms
from shared.context.budget import PARTS, Meter
from shared.context.data import build_digests, build_summary
from shared.context.memory import build_memory
from shared.context.pin import Pin
from shared.context.sources import Draft, Part
from shared.context.strategies import STRATEGIES

NOTHING: Final = Part()


@dataclass(frozen=True, slots=True)
class Frame:
    """The blocks before the window."""

    memory: Part = NOTHING
    digests: Part = NOTHING
    summary: Part = NOTHING

    @property
    def parts(self) -> tuple[Part, Part, Part]:
        """The blocks in their order."""
        return self.memory, self.digests, self.summary

    @property
    def texts(self) -> list[str]:
        """Their texts, in their order."""
        return [part.text for part in self.parts if part.text]

    @property
    def tokens(self) -> int:
        """What they cost, in scaled tokens."""
        return sum(part.tokens for part in self.parts)


def fresh_pin(draft: Draft, base: int, most: int) -> Pin:
    """Return the pin of a context whose beginning is chosen anew, before anything was chosen."""
    times = [entry.updated_at for entry in draft.memory] + [digest.ended_at for digest in draft.digests]
    return Pin(
        start=0,
        strategy=draft.strategy,
        model=draft.model,
        correction=draft.correction,
        available=draft.budget.available,
        instructions=draft.instructions.version,
        base=base,
        most=most,
        seen=max(map(to_ms, times), default=0),
    )


def pinned(draft: Draft, pin: Pin) -> Draft | None:
    """Return the draft with only what the pin names; None where its summary is not there any more.

    A summary that was rewritten since stays as it was until the next compaction: it would change every byte behind it.
    """
    versions, digests = dict(pin.entries), set(pin.digests)
    summary = next(
        (each for each in (draft.summary, draft.pinned_summary) if each and each.version == pin.summary), None
    )
    if pin.summary and summary is None:
        return None
    return replace(
        draft,
        memory=[entry for entry in draft.memory if versions.get(entry.key) == entry.version],
        digests=[item for item in draft.digests if item.id in digests],
        summary=summary,
    )


def build_frame(draft: Draft, base: int, most: int, others: Iterable[str], meter: Meter) -> Frame:
    """Return the blocks, each within its share of `base`, all of them within `most` scaled tokens.

    Given a draft that holds only what went in, with the same base and meter, it is the same frame again.
    """
    texts = list(others)
    left = max(0, most)

    def room(share: float) -> int:
        return min(int(base * share), left)

    memory = build_memory(draft.memory, room(PARTS["memory"].most), texts, meter) if draft.memory else NOTHING
    left -= memory.tokens
    summary = NOTHING
    if STRATEGIES[draft.strategy].summarises:
        summary = build_summary(draft.summary, room(PARTS["summary"].most), texts, meter)
        left -= summary.tokens
    digests = build_digests(draft.digests, room(PARTS["digests"].most), texts, meter) if draft.digests else NOTHING
    return Frame(memory, digests, summary)
