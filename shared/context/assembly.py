"""Fitting one turn's context to the token budget.

The order is the same for every turn, stable parts first: the system prompt, which holds the agent's instructions and
nothing stored; a block of data about the customer; the newest turns; the customer's newest message.

Who gets the room: the instructions; then the newest message, whole wherever it fits beside them; then memory, up to
its share; the window has the rest. A newest message that must be cut anyway leaves memory its share first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from shared.context.blocks import Turn, merge, render
from shared.context.budget import MEMORY_SHARE, MINIMUM_BEYOND_INSTRUCTIONS, Meter, factor_of
from shared.context.clip import clip
from shared.context.memory import MemoryBlock, build_memory
from shared.context.receipt import MOST_LISTED, account, hash_request
from shared.context.strategies import sliding_window
from shared.context.tokens import TokenCounter
from shared.errors import SettingsError
from shared.models import AgentInstructions, MemoryEntry, Message, Receipt, ReceiptPart, TokenBudget

__all__ = ["Context", "Draft", "assemble", "render"]

BLANK: Final = "[an empty message]"  # stands for a newest message of white space, which the Messages API refuses


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything a turn needs to assemble its context."""

    instructions: AgentInstructions
    memory: Sequence[MemoryEntry]
    """What is remembered of the customer, newest first, capped by the store."""
    history: Sequence[Message]
    """The newest stored messages, oldest first, capped by the store. It may start with an assistant's message and
    end with unanswered ones. `tokens` is the raw count of `render(message)`; 0 where unknown: then it is counted."""
    history_complete: bool
    """False when older messages exist that were not read."""
    newest: str
    """The customer's newest message, which is not part of `history`."""
    newest_id: str
    """The request id of the newest message."""
    model: str
    budget: TokenBudget


@dataclass(frozen=True, slots=True)
class Context:
    """What Claude is sent, fitted to the budget."""

    system: str
    """The instructions; the empty text where there are none, or no room for any."""
    messages: tuple[dict[str, Any], ...]
    """`{"role": …, "content": [{"type": "text", "text": …}, …]}`; roles alternate, the first and last are `user`."""
    max_tokens: int
    """Most tokens of the reply: the budget's reserve."""
    tokens: int
    """Scaled tokens of system and messages; never above `budget.max - budget.reserve`."""
    receipt: Receipt


def assemble(draft: Draft, counter: TokenCounter) -> Context:
    """Return the context of one turn; the same for the same draft.

    Raises:
        SettingsError: the budget leaves fewer than MINIMUM_BEYOND_INSTRUCTIONS tokens even without instructions.

    """
    meter = Meter(counter, factor_of(draft.model))
    system, system_part = _fit_instructions(draft, meter)
    rest = draft.budget.available - system_part.tokens
    newest = draft.newest if draft.newest.strip() else BLANK
    cost = meter.block(newest)
    memory = _fit_memory(draft, system, rest, cost, meter)
    newest, newest_part = _fit_newest(draft, newest, cost, rest - memory.tokens, meter)
    window = sliding_window.choose(draft.history, rest - memory.tokens - newest_part.tokens, meter)

    remembered = [Turn("user", memory.text)] if memory.text else []
    messages = merge([*remembered, *window.turns, Turn("user", newest)])
    parts = [system_part, _account_memory(memory), _account_window(window, draft), newest_part]
    tokens = sum(part.tokens for part in parts)
    receipt = Receipt(
        strategy=sliding_window.NAME,
        model=draft.model,
        counter=meter.name,
        budget=draft.budget,
        tokens=tokens,
        parts=parts,
        instructions_version=draft.instructions.version,
        request_hash=hash_request(draft.model, system, messages, draft.budget.reserve),
    )
    return Context(system, messages, draft.budget.reserve, tokens, receipt)


def _fit_instructions(draft: Draft, meter: Meter) -> tuple[str, ReceiptPart]:
    """Return the system prompt. It is whole wherever `check_budget` was heeded; else its end is cut, as a last resort.

    Raises:
        SettingsError: the budget leaves no room for a conversation.

    """
    room = draft.budget.available - MINIMUM_BEYOND_INSTRUCTIONS
    if room < 0:
        message = (
            f"TOKEN_BUDGET_MAX - TOKEN_BUDGET_RESERVE ({draft.budget.max} - {draft.budget.reserve}) is smaller than "
            f"{MINIMUM_BEYOND_INSTRUCTIONS}. Raise TOKEN_BUDGET_MAX or lower TOKEN_BUDGET_RESERVE."
        )
        raise SettingsError(message)
    text = draft.instructions.instructions
    cost = meter.text(text)
    if cost <= room:
        return text, account("system", cost)
    clipped = clip(text, room, cost, meter.text, tail=False)
    reason = f"clipped the instructions, {cost} tokens, to the {room} that the budget leaves them"
    return clipped, account("system", meter.text(clipped), reasons=[reason])


def _fit_memory(draft: Draft, system: str, rest: int, newest_cost: int, meter: Meter) -> MemoryBlock:
    """Return the data block.

    Its share is reckoned from the newest message's minimum, not its length: so that the block, which stands before
    all turns, stays the same from turn to turn.
    """
    if not draft.memory:
        return MemoryBlock()
    share = int((rest - MINIMUM_BEYOND_INSTRUCTIONS) * MEMORY_SHARE)
    room = min(share, rest - newest_cost) if newest_cost <= rest else share
    others = [system, draft.newest, *map(render, draft.history)]
    return build_memory(draft.memory, room, others, meter)


def _fit_newest(draft: Draft, newest: str, cost: int, room: int, meter: Meter) -> tuple[str, ReceiptPart]:
    """Return the newest message, head and tail of it where it is too long."""
    if cost <= room:
        return newest, account("newest", cost, [draft.newest_id])
    clipped = clip(newest, room, cost, meter.block)
    reason = f"clipped the message, {cost} tokens, to the {room} that are left"
    return clipped, account("newest", meter.block(clipped), [draft.newest_id], reasons=[reason])


def _account_memory(memory: MemoryBlock) -> ReceiptPart:
    included = islice(memory.included, MOST_LISTED)
    return account("memory", memory.tokens, included, memory.omitted, memory.reasons)


def _account_window(window: sliding_window.Window, draft: Draft) -> ReceiptPart:
    unread = () if draft.history_complete else ("older messages were not read",)
    return account("window", window.tokens, window.included, window.omitted, [*window.reasons, *unread])
