"""Fitting one turn's context to the token budget.

The order is the same for every turn, stable parts first, so that Claude's prompt cache keeps hitting: the system
prompt, which holds the agent's instructions and nothing stored; blocks of data about the customer; the newest turns;
what is newer than the blocks, or was recalled for this message; the customer's newest message.

The cache breakpoint stands behind the newest message, where the next turn will have it at the same place: else behind
the newest turns.

Who gets the room is told by the table in `budget`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.context.blocks import Turn, heading, merge, render
from shared.context.budget import PARTS, Meter
from shared.context.cached import claude_tokens, claude_tokens_of_frame, claude_tokens_of_text
from shared.context.data import build_digests
from shared.context.frame import NOTHING
from shared.context.instructions import fit_instructions
from shared.context.lessons import lesson_of
from shared.context.matters import late
from shared.context.memory import build_memory, texts_of
from shared.context.newest import Newest
from shared.context.plan import Plan, plan, squeeze
from shared.context.prices import least_cached
from shared.context.recall import build_recall
from shared.context.receipt import Account, account, make_receipt
from shared.context.room import Room
from shared.context.sources import Context, Draft, Part, Recalled
from shared.context.strategies import STRATEGIES
from shared.context.tokens import TokenCounter
from shared.context.tools import HANDOFF_TOOL
from shared.models import PartName, ReceiptPart

__all__ = ["Context", "Draft", "assemble", "render"]


@dataclass(frozen=True, slots=True)
class Late:
    """What comes after the window: what is newer than the pin, and what was recalled."""

    memory: Part = NOTHING
    digests: Part = NOTHING
    recall: Part = NOTHING

    @property
    def texts(self) -> list[str]:
        """The blocks' texts, in their order."""
        return [part.text for part in (self.memory, self.digests, self.recall) if part.text]

    @property
    def tokens(self) -> int:
        """What they cost, in scaled tokens."""
        return self.memory.tokens + self.digests.tokens + self.recall.tokens


def assemble(draft: Draft, counter: TokenCounter) -> Context:
    """Return the context of one turn; the same for the same draft.

    Raises:
        SettingsError: the budget leaves fewer than MINIMUM_BEYOND_INSTRUCTIONS tokens even without instructions.

    """
    meter = Meter(counter, draft.model, draft.correction)
    draft, instructions = fit_instructions(draft, meter)
    system, system_part = instructions.text, account("system", instructions)
    room = Room.beyond(system_part.tokens, draft)
    newest = Newest.of(draft, counter)
    cost = newest.cost(meter)
    others = _others(draft, system, newest.whole)
    made = plan(draft, system, room, others, meter)
    if made.frame.tokens + made.window.tokens + cost > room.rest:
        made = squeeze(made, draft, room, cost, others, meter)
    left = room.rest - made.frame.tokens - made.window.tokens
    late = _late(draft, made, room, left - cost, others, meter)
    last, said = newest.fit(left - late.tokens, meter)

    before = [Turn("user", text) for text in made.frame.texts] + made.window.turns
    after = [Turn("user", text) for text in [*late.texts, *said]]
    parts = [system_part, *_accounts(draft, made, late), account("newest", last)]
    tokens = sum(part.tokens for part in parts)
    again = _comes_again(newest, last, late, made) and newest.longest(meter) <= room.of_one_message
    cached = tokens if again else tokens - late.tokens - last.tokens
    if (
        draft.cache_ttl == "off"
        or not (before or again)
        or not _cacheable(system, made, last.text if again else "", meter)
    ):
        cached = 0
    messages = merge([*before, *after], (len(before) + again * len(said)) if cached else 0, draft.cache_ttl)
    tools = (HANDOFF_TOOL,) if draft.handoff else ()
    receipt = make_receipt(Account(draft, meter, made, parts, tokens, cached), system, messages, tools)
    lesson = lesson_of(system, [*made.frame.texts, *late.texts, *said], made.window.chosen, meter)
    return Context(system, messages, draft.budget.reserve, tokens, receipt, made.pin, lesson, tools, newest.counted)


def _comes_again(newest: Newest, last: Part, late: Late, made: Plan) -> bool:
    """Return whether the next turn will have the newest message at the same place, byte by byte."""
    return not (late.texts or made.squeezed or last.reasons or newest.blank)


def _others(draft: Draft, system: str, newest: str) -> list[str]:
    """Return every text of the context, as one; none may hold the delimiter of a block, which has no line end.

    What was read and stays out is among them, and nothing is rendered for it: only digits count here.
    """
    summaries = [each.text for each in (draft.summary, draft.pinned_summary) if each]
    digests = [digest.text for digest in draft.digests]
    said = [message.content for message in draft.history] + [turn.text for turn in draft.recalled]
    headings = [heading(each.attachments, each.author) for each in draft.history if each.attachments or each.author]
    remembered = [text for entry in draft.memory for text in texts_of(entry)]
    return ["\n".join([system, newest, *said, *headings, *remembered, *summaries, *digests])]


def _late(draft: Draft, made: Plan, room: Room, left: int, others: Sequence[str], meter: Meter) -> Late:
    """Return what comes after the window, in what is left beside the newest message."""
    memory = digests = recall = NOTHING
    if made.compacted is None and draft.pin is not None:
        entries, sessions = late(draft, made.pin)
        most = min(int(room.base * PARTS["late"].most), left)
        if entries and most > 0:
            memory = build_memory(entries, most, others, meter)
        if sessions and most > memory.tokens:
            digests = build_digests(sessions, most - memory.tokens, others, meter)
    recalled = _out_of_sight(draft, made)
    if recalled:
        # What the message leaves is shared: for a short one that is more than was kept free.
        share = int((left + made.frame.tokens + made.window.tokens) * draft.recall_share)
        recall = build_recall(recalled, max(0, min(share, left - memory.tokens - digests.tokens)), others, meter)
    return Late(memory, digests, recall)


def _out_of_sight(draft: Draft, made: Plan) -> list[Recalled]:
    """Return the recalled turns that the window does not hold."""
    seen = {(draft.session_id, item.message.seq) for item in made.window.chosen}
    return [turn for turn in draft.recalled if (turn.session_id, turn.seq) not in seen]


def _cacheable(system: str, made: Plan, newest: str, meter: Meter) -> bool:
    """Return whether the beginning is long enough for Claude to keep it, with the newest message where it is in it."""
    real = claude_tokens_of_text(system, meter) + claude_tokens_of_text(newest, meter)
    real += claude_tokens_of_frame(made.frame, meter)
    return real + claude_tokens(made.window.chosen, meter) >= least_cached(meter.model)


def _accounts(draft: Draft, made: Plan, late: Late) -> list[ReceiptPart]:
    window = Part(
        tokens=made.window.tokens,
        included=tuple(item.message.id for item in made.window.chosen),
        omitted=made.window.omitted,
        reasons=made.window.reasons,
    )
    newer_ones = Part(
        tokens=late.memory.tokens + late.digests.tokens,
        included=(*late.memory.included, *late.digests.included),
        omitted=(*late.memory.omitted, *late.digests.omitted),
        reasons=(*late.memory.reasons, *late.digests.reasons),
    )
    named: list[tuple[PartName, Part]] = [
        ("memory", _whole_account(made.frame.memory, [entry.key for entry in draft.memory], late.memory)),
        ("summary", _waiting(made, draft)),
        ("digests", _whole_account(made.frame.digests, [digest.id for digest in draft.digests], late.digests)),
        ("window", window),
        ("late", newer_ones),
        ("recall", late.recall),
    ]
    always = {"memory", "window"}
    return [account(name, part) for name, part in named if name in always or part.tokens or part.omitted]


def _waiting(made: Plan, draft: Draft) -> Part:
    """Return the summary's part, with what was written since the pin as left out."""
    part, waits = made.frame.summary, draft.summary
    if waits is None or made.compacted is not None or not STRATEGIES[draft.strategy].summarises:
        return part
    name = f"summary {waits.version}"
    if name in part.included + part.omitted or waits.version == made.pin.summary:
        return part
    reasons = (*part.reasons, f"version {waits.version} waits until the window begins anew")
    return replace(part, omitted=(*part.omitted, name), reasons=reasons)


def _whole_account(part: Part, names: Sequence[str], late: Part) -> Part:
    """Return the part with everything as left out that went in neither here nor late, and is not told there."""
    told = {*part.included, *part.omitted, *late.included, *late.omitted}
    missing = [name for name in names if name not in told]
    if not missing:
        return part
    reasons = (*part.reasons, f"left out {len(missing)} since the window was begun anew")
    return replace(part, omitted=(*part.omitted, *missing), reasons=reasons)
