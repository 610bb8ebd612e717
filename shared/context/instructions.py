"""The instructions in the system prompt: whole, wherever `check_budget` was heeded."""

from __future__ import annotations

from dataclasses import replace

from shared.context.budget import MINIMUM_BEYOND_INSTRUCTIONS, Meter
from shared.context.clip import clip
from shared.context.sources import Draft, Part
from shared.context.tools import tool_cost
from shared.errors import SettingsError
from shared.prompt import HANDOFF


def fit_instructions(draft: Draft, meter: Meter) -> tuple[Draft, Part]:
    """Return the draft with a budget that holds its instructions, and the system prompt with what tools cost.

    A session's own budget was checked when it began; where longer instructions have outgrown it since, the deployment's
    serves. Where even that one cannot hold them, because it was lowered, their end is cut, as a last resort. The tool
    is offered only where they leave room for it.

    Raises:
        SettingsError: the budget leaves no room for a conversation.

    """
    text = draft.instructions.instructions
    cost = meter.text(text)
    reasons: tuple[str, ...] = ()
    if cost > _room(draft) and draft.spare_budget and draft.spare_budget.available > draft.budget.available:
        reasons = (f"the session's own budget of {draft.budget.available} cannot hold them: the deployment's was used",)
        draft = replace(draft, budget=draft.spare_budget)
    room, tool = _room(draft), tool_cost(meter) if draft.handoff else 0
    if room < 0:
        message = (
            f"TOKEN_BUDGET_MAX - TOKEN_BUDGET_RESERVE ({draft.budget.max} - {draft.budget.reserve}) is smaller than "
            f"{MINIMUM_BEYOND_INSTRUCTIONS}. Raise TOKEN_BUDGET_MAX or lower TOKEN_BUDGET_RESERVE."
        )
        raise SettingsError(message)
    if draft.handoff and cost + tool > room:
        reasons = (*reasons, f"the hand-off tool, {tool} tokens, was not offered: no room is left for it")
        draft, tool = replace(draft, handoff=False), 0
    if cost <= room:
        return draft, Part(text, cost + tool, (HANDOFF,) if tool else (), reasons=reasons)
    clipped = clip(text, room, cost, meter.text, tail=False)
    reason = f"clipped the instructions, {cost} tokens, to the {room} that the budget leaves them"
    return draft, Part(clipped, meter.text(clipped), reasons=(*reasons, reason))


def _room(draft: Draft) -> int:
    return draft.budget.available - MINIMUM_BEYOND_INSTRUCTIONS
