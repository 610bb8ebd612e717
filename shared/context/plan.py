"""Where the window begins, and whether what the turn before began with still holds.

The window grows turn by turn until it no longer fits (the high mark). Then a compaction chooses the beginning anew,
down to the low mark, and what was chosen is pinned: until the next compaction every request begins with the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.context.blocks import is_blank
from shared.context.budget import (
    GAPLESS_MARK,
    HIGHEST_LOW_MARK,
    LOW_MARK,
    MANY,
    MESSAGE_SHARE,
    MINIMUM_BEYOND_INSTRUCTIONS,
    ONE_TURN,
    PARTS,
    Meter,
    share_of,
)
from shared.context.cached import claude_tokens, claude_tokens_of_frame, claude_tokens_of_text
from shared.context.frame import Frame, build_frame, fresh_pin, pinned
from shared.context.matters import foremost, newer
from shared.context.pin import Pin
from shared.context.prices import least_cached
from shared.context.room import Room
from shared.context.sources import Draft, Summary
from shared.context.strategies import STRATEGIES
from shared.context.window import Chosen, Window, measured, newest, since, told
from shared.models import Message, MessageRange


@dataclass(frozen=True, slots=True)
class Plan:
    """How the context begins: frame and window, the pin that keeps them, and why they were chosen anew, if so."""

    frame: Frame
    window: Window
    pin: Pin
    compacted: str | None
    summary: Summary | None
    """The summary that the frame was given: the pin's version of it."""
    gap: MessageRange | None
    squeezed: bool = False
    """Whether the window gave way to a long message, for this turn only."""


def plan(draft: Draft, system: str, room: Room, others: Sequence[str], meter: Meter) -> Plan:
    """Return how the context begins."""
    held = _held(draft, room, others, meter)
    if isinstance(held, Plan):
        return held
    fresh = fresh_pin(draft, room.base, room.base - room.kept_free)
    frame = build_frame(foremost(draft), fresh.base, fresh.most, others, meter)
    items = measured(draft.history, room.of_one_message, meter, room.base)
    high = room.high(frame)
    summary = draft.summary if frame.summary.included else None
    chosen = None if summary else _whole(draft, items, room.high(frame, room.free_of_whole(draft)))
    whole = chosen is not None
    if chosen is None:
        many = not draft.history_complete and len(draft.history) >= MANY
        reach = min(high, sum(item.cost for item in items)) if many else high
        chosen = STRATEGIES[draft.strategy].begin(items, _low(reach, frame, system, items, meter), summary)
        chosen = _without_gap(items, chosen, summary, int(reach * GAPLESS_MARK)) if summary else chosen
    window = told(draft.history, chosen, complete=draft.history_complete)
    versions = {entry.key: entry.version for entry in draft.memory}
    pin = fresh.model_copy(
        update={
            "start": window.start or _next_seq(draft),
            "entries": tuple((key, versions[key]) for key in frame.memory.included),
            "digests": frame.digests.included,
            "summary": summary.version if summary else 0,
            "newest_summary": draft.summary.version if draft.summary else 0,
            "whole": whole,
        }
    )
    return Plan(frame, window, pin, held, summary, _gap(draft, frame, window, summary))


def squeeze(made: Plan, draft: Draft, room: Room, cost: int, others: Sequence[str], meter: Meter) -> Plan:
    """Return the plan with room for a newest message of `cost` scaled tokens, for this turn only; the pin stays.

    The window gives way first, down to its floor, then what stands before it. Where the message is longer than all
    there is, it will be cut, and they keep their shares.
    """
    frame = made.frame
    floor = sum(item.cost for item in newest(made.window.chosen, PARTS["window"].floor))
    left = room.rest - cost
    if left < 0:
        left = room.rest - max(MINIMUM_BEYOND_INSTRUCTIONS, room.rest - frame.tokens - floor)
    if frame.tokens > left - floor:
        frame = build_frame(pinned(draft, made.pin) or draft, room.base, left - floor, others, meter)
    window = told(draft.history, newest(made.window.chosen, left - frame.tokens), complete=draft.history_complete)
    reasons = (*window.reasons, "squeezed by a long message, for this turn")
    gap = _gap(draft, frame, window, made.summary)
    return replace(made, frame=frame, window=replace(window, reasons=reasons), gap=gap, squeezed=True)


def _held(draft: Draft, room: Room, others: Sequence[str], meter: Meter) -> Plan | str | None:
    """Return the plan that the pin keeps, or why it does not hold; None where there was no pin."""
    pin = draft.pin
    if pin is None:
        return None
    versions = {entry.key: entry.version for entry in draft.memory}
    reason = pin.broken_by(
        fresh_pin(draft, room.base, room.base), versions, frozenset(item.id for item in draft.digests)
    )
    named = pinned(draft, pin)
    if reason is not None or named is None:
        return reason or "the summary changed"
    if not draft.history_complete and draft.history and draft.history[0].seq > pin.start:
        return "more messages came than a turn reads"
    return _as_pinned(draft, pin, named, room, others, meter)


def _as_pinned(draft: Draft, pin: Pin, named: Draft, room: Room, others: Sequence[str], meter: Meter) -> Plan | str:
    """Return the plan of a pin that nothing has broken, given what it names; or why it does not fit any more."""
    steady = Meter(meter.counter, meter.model, pin.correction)
    frame = build_frame(named, pin.base, pin.most, others, steady)
    if frame.memory.included != tuple(key for key, _ in pin.entries) or frame.digests.included != pin.digests:
        return "the room for what is remembered changed"
    kept = [message for message in draft.history if message.seq >= pin.start]
    items = measured(kept, share_of(pin.base, MESSAGE_SHARE), steady)
    if not _reaches_back(kept, items):
        return "a message is too long to be cut for this budget"
    window = told(draft.history, since(items, pin.start), complete=draft.history_complete)
    frame, window = _costed(frame, meter, steady), _recosted(window, meter, steady)
    late = int(room.base * PARTS["late"].most) if any(newer(draft, pin)) else 0
    free = room.free_of_whole(draft) if pin.whole else None
    if window.tokens > room.high(frame, free) - late:
        return "the window is full"
    gap = _gap(draft, frame, window, named.summary)
    if gap is not None and _has_come(draft, pin, gap):
        return "a summary of what was missing has come"
    return Plan(frame, window, pin, None, named.summary, gap)


def _has_come(draft: Draft, pin: Pin, gap: MessageRange) -> bool:
    """Return whether there is a summary of all that is missing, made since the pin was."""
    summary = draft.summary if STRATEGIES[draft.strategy].summarises else None
    return summary is not None and summary.version > pin.newest_summary and summary.through >= gap.last


def _costed(frame: Frame, meter: Meter, then: Meter) -> Frame:
    """Return the frame at what it costs by today's meter, not by `then`; its text is the pin's."""
    if meter == then:
        return frame
    memory, digests, summary = (
        replace(part, tokens=meter.block(part.text) if part.text else 0) for part in frame.parts
    )
    return Frame(memory, digests, summary)


def _recosted(window: Window, meter: Meter, then: Meter) -> Window:
    """Return the window at what it costs by today's meter, not by `then`; its texts are the pin's."""
    if meter == then:
        return window
    chosen = [
        replace(item, cost=meter.block(item.text) if item.clipped else meter.stored(item.message, item.text))
        for item in window.chosen
    ]
    return replace(window, chosen=tuple(chosen), tokens=sum(item.cost for item in chosen))


def _whole(draft: Draft, items: Sequence[Chosen], high: int) -> list[Chosen] | None:
    """Return all of a session that is short enough to go in whole; None where it is not."""
    if not draft.history_complete:
        return None
    chosen = since(items, 0)
    return chosen if sum(item.cost for item in chosen) <= high and _reaches_back(draft.history, items) else None


def _without_gap(items: Sequence[Chosen], chosen: list[Chosen], summary: Summary, most: int) -> list[Chosen]:
    """Return the window from the summary's end on, where it would begin later and no more than `most` is needed."""
    if not chosen or chosen[0].message.seq <= summary.through + 1:
        return chosen
    wider = since(items, summary.through + 1)
    return wider if sum(item.cost for item in wider) <= most else chosen


def _reaches_back(messages: Sequence[Message], items: Sequence[Chosen]) -> bool:
    """Return whether all that was said could go in: nothing was too long to be clipped so far."""
    return len(items) == sum(not is_blank(message) for message in messages)


def _low(high: int, frame: Frame, system: str, items: Sequence[Chosen], meter: Meter) -> int:
    """Return the low mark: a share of the room, or as much as makes the beginning long enough to be cached.

    `high`: the room, or what was read where that is less: of many short messages a turn does not read all that fit.
    """
    real = claude_tokens(items, meter)
    per_real = sum(item.cost for item in items) / real if real else 1.0
    before = claude_tokens_of_text(system, meter) + claude_tokens_of_frame(frame, meter)
    cacheable = int(max(0, least_cached(meter.model) + ONE_TURN - before) * per_real)
    return min(max(int(high * LOW_MARK), cacheable), int(high * HIGHEST_LOW_MARK))


def _next_seq(draft: Draft) -> int:
    return draft.history[-1].seq + 1 if draft.history else 1


def _gap(draft: Draft, frame: Frame, window: Window, summary: Summary | None) -> MessageRange | None:
    """Return the messages that are neither in the window nor covered by the summary that went in."""
    covered = summary.through if summary and frame.summary.included else 0
    last = window.start - 1 if window.start else _next_seq(draft) - 1
    return MessageRange(first=covered + 1, last=last) if last > covered else None
