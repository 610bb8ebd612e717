"""Tokens by our count, and how the budget is shared.

A text costs its raw count times the model's factor, rounded up; every text block of a message costs an overhead
besides. The cost of a context is the sum over the system prompt and all text blocks, so parts add up exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

from shared.context.tokens import TokenCounter
from shared.errors import SettingsError
from shared.models import TokenBudget

# Scaled tokens beyond the instructions that every budget must leave: the newest message always has them.
MINIMUM_BEYOND_INSTRUCTIONS: Final = 256

# Scaled tokens a text block costs besides its text: Claude frames each message with 6 or 7.
BLOCK_OVERHEAD: Final = 8

# What may be taken of what. The window has whatever the others leave.
MEMORY_SHARE: Final = 0.25  # of the room after the system prompt and the newest message's minimum
ENTRY_SHARE: Final = 0.25  # of the memory's room, for one entry; longer ones are clipped
MESSAGE_SHARE: Final = 0.25  # of the window's room, for one stored message; longer ones are clipped
LEAST_CLIP: Final = 64  # scaled tokens; nothing is clipped below this, where the marker would cost what it saves

# Claude tokens per cl100k_base token: the most seen in any of eleven scripts and kinds of text, rounded up.
# Claude 4.6 and earlier share one tokenizer; later ones have a new one, which makes more tokens of the same text.
OLD_TOKENIZER: Final = 1.4
NEW_TOKENIZER: Final = 2.0
FACTORS: Final = {
    "claude-3": OLD_TOKENIZER,
    "claude-sonnet-4-0": OLD_TOKENIZER,
    "claude-sonnet-4-20250514": OLD_TOKENIZER,
    "claude-sonnet-4-5": OLD_TOKENIZER,
    "claude-sonnet-4-6": OLD_TOKENIZER,
    "claude-haiku-4-5": OLD_TOKENIZER,
    "claude-opus-4-0": OLD_TOKENIZER,
    "claude-opus-4-20250514": OLD_TOKENIZER,
    "claude-opus-4-1": OLD_TOKENIZER,
    "claude-opus-4-5": OLD_TOKENIZER,
    "claude-opus-4-6": OLD_TOKENIZER,
}
UNKNOWN_MODEL: Final = NEW_TOKENIZER


def factor_of(model: str) -> float:
    """Return the model's factor: Claude tokens per raw token. A dated name counts as the model it dates."""
    for name, factor in FACTORS.items():
        if model == name or model.startswith(f"{name}-"):
            return factor
    return UNKNOWN_MODEL


def scaled(raw: int, factor: float) -> int:
    """Return what `raw` tokens cost a model with this factor, rounded up."""
    return ceil(raw * factor)


def share_of(room: int, share: float) -> int:
    """Return how many of `room` tokens one part of it may take, rounded down; never less than a useful clip."""
    return max(int(room * share), LEAST_CLIP)


@dataclass(frozen=True, slots=True)
class Meter:
    """What texts cost one model, in scaled tokens."""

    counter: TokenCounter
    factor: float

    @property
    def name(self) -> str:
        """Counter and factor, such as `cl100k_base*1.40`."""
        return f"{self.counter.name}*{self.factor:.2f}"

    def text(self, text: str) -> int:
        """Return the cost of a bare text."""
        return scaled(self.counter.count(text), self.factor)

    def block(self, text: str) -> int:
        """Return the cost of `text` as a text block of a message."""
        return self.counted(self.counter.count(text))

    def counted(self, raw: int) -> int:
        """Return the cost of a text block whose text has `raw` tokens."""
        return scaled(raw, self.factor) + BLOCK_OVERHEAD


def check_budget(instructions: str, budget: TokenBudget, model: str, counter: TokenCounter) -> None:
    """Refuse a budget that cannot hold the instructions and a minimum for the conversation.

    Raises:
        SettingsError: `budget.max - budget.reserve` is smaller than the cost of `instructions` for `model` plus
            MINIMUM_BEYOND_INSTRUCTIONS. The text names the settings, the numbers and the mend.

    """
    meter = Meter(counter, factor_of(model))
    cost = meter.text(instructions)
    needed = cost + MINIMUM_BEYOND_INSTRUCTIONS
    if budget.available >= needed:
        return
    message = (
        f"TOKEN_BUDGET_MAX - TOKEN_BUDGET_RESERVE ({budget.max} - {budget.reserve} = {budget.available}) is smaller "
        f"than AGENT_INSTRUCTIONS and {MINIMUM_BEYOND_INSTRUCTIONS} tokens more ({cost} + "
        f"{MINIMUM_BEYOND_INSTRUCTIONS} = {needed} for {model}, counted by {meter.name}). Raise TOKEN_BUDGET_MAX to "
        f"{needed + budget.reserve} or more, lower TOKEN_BUDGET_RESERVE, or shorten AGENT_INSTRUCTIONS."
    )
    raise SettingsError(message)
