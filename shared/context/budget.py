"""Tokens by our count, and how the budget is shared.

A text costs its raw count (`counted`) times the factor of its kind (`kinds`) times what Claude's own usage taught
(`calibration`), rounded up; every text block of a message costs an overhead besides. The cost of a context is the sum
over the system prompt and all text blocks, so parts add up exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil
from operator import itemgetter
from typing import Final

from shared.context.calibration import HIGHEST, UNLEARNED, Correction
from shared.context.counted import look_at
from shared.context.kinds import factor_of
from shared.context.tokens import TokenCounter
from shared.errors import SettingsError
from shared.models import Message, PartName, TextKind, TokenBudget

# Scaled tokens beyond the instructions that every budget must leave: the newest message always has them.
MINIMUM_BEYOND_INSTRUCTIONS: Final = 256

# Scaled tokens a text block costs besides its text: Claude frames each message with 6 or 7.
BLOCK_OVERHEAD: Final = 8


@dataclass(frozen=True, slots=True)
class Share:
    """What one part of the context may take, and what it keeps.

    `floor`: scaled tokens that it keeps, while it has as many, when those before it have given way.
    `most`: of the room beyond the instructions and the newest's floor.
    """

    floor: int
    most: float
    gives_way: str


# In the order in which parts give way: the first gives first. What comes after the window is fitted into what is left;
# where the newest message needs still more, the window and the blocks before it give way, for that turn only.
PARTS: Final[dict[PartName, Share]] = {
    "recall": Share(0, 0.5, "the turns that matter least, until none is left"),
    "late": Share(0, 0.1, "what is newest stays; the rest waits for the next compaction"),
    "window": Share(200, 1.0, "the oldest turns, down to its floor"),
    "digests": Share(0, 0.1, "the sessions longest ago"),
    "summary": Share(0, 0.2, "its end is cut"),
    "memory": Share(0, 0.2, "notes, then preferences, then tickets; long values are cut"),
    "newest": Share(MINIMUM_BEYOND_INSTRUCTIONS, 1.0, "its middle is cut, head and tail stay"),
    "system": Share(0, 1.0, "never; a budget that cannot hold it is refused at start"),
}

ENTRY_SHARE: Final = 0.25  # of the memory's room, for one entry; longer ones are clipped
MESSAGE_SHARE: Final = 0.25  # of the window's room, for one stored message; longer ones are clipped
LEAST_CLIP: Final = 64  # scaled tokens; nothing is clipped below this, where the marker would cost what it saves

# A compaction cuts the window to this share of its room, the low mark; it grows from there to the high mark, all of it.
LOW_MARK: Final = 0.4
# Claude caches no short beginnings (`prices.least_cached`). Of English it makes 1.09 tokens or more of a raw one, and
# 4 frame a message. So the low mark is raised, where the budget allows, until what a compaction leaves can be cached.
CLAUDE_PER_RAW: Final = 1.08
FRAME: Final = 4
# What was learned errs upward, by about this much.
LEARNED_LESS: Final = 0.97
# A window is cut between turns, so the low mark is missed by up to a turn.
ONE_TURN: Final = 200
HIGHEST_LOW_MARK: Final = 0.75
GAPLESS_MARK: Final = 0.9  # where that leaves no message between summary and window
# Where a turn reads so many messages and they still do not fill the room, the low mark is a share of what was read:
# else the window would begin anew each turn. Where it reads fewer, it does, and all of them go in.
MANY: Final = 20


def scaled(raw: int, factor: float) -> int:
    """Return what `raw` tokens cost at this factor, rounded up."""
    return ceil(raw * factor)


def share_of(room: int, share: float) -> int:
    """Return how many of `room` tokens one part of it may take, rounded down; never less than a useful clip."""
    return max(int(room * share), LEAST_CLIP)


@dataclass(frozen=True, slots=True)
class Meter:
    """What texts cost one model, in scaled tokens. `correction`: what was learned of the model."""

    counter: TokenCounter
    model: str
    correction: Correction = UNLEARNED

    @property
    def name(self) -> str:
        """Counter, factor of what is of no special kind, and corrections: `cl100k_base*1.40*1.06, English*0.92`."""
        learned = self.correction
        raised = "" if learned.others == 1.0 else f"*{learned.others:.2f}"
        of_english = "" if learned.english == learned.others else f", English*{learned.english:.2f}"
        return f"{self.counter.name}*{factor_of(self.model):.2f}{raised}{of_english}"

    def text(self, text: str) -> int:
        """Return the cost of a bare text."""
        raw, kind = look_at(self.counter, text)
        return scaled(raw, self._factor(kind))

    def share(self, text: str) -> float:
        """Return what a text adds to the cost of a longer one, before it is rounded up."""
        raw, kind = look_at(self.counter, text)
        return raw * self._factor(kind)

    def raw(self, text: str) -> int:
        """Return the raw tokens of a text."""
        return look_at(self.counter, text).tokens

    def block(self, text: str) -> int:
        """Return the cost of `text` as a text block of a message."""
        return self.text(text) + BLOCK_OVERHEAD

    def counted(self, raw: int, kind: TextKind) -> int:
        """Return the cost of a text block whose text has `raw` tokens and is of this kind."""
        return scaled(raw, self._factor(kind)) + BLOCK_OVERHEAD

    def stored(self, message: Message, text: str) -> int:
        """Return the cost of a stored message that reads `text`; its stored count is believed."""
        if message.tokens and message.text_kind:
            return self.counted(message.tokens, message.text_kind)
        raw, kind = look_at(self.counter, text)
        return self.counted(message.tokens or raw, message.text_kind or kind)

    def _factor(self, kind: TextKind) -> float:
        learned = self.correction
        return factor_of(self.model, kind) * (learned.english if kind == "english" else learned.others)


def check_budget(
    instructions: str,
    budget: TokenBudget,
    models: Iterable[str],
    counter: TokenCounter,
    beside: Callable[[Meter], int] | None = None,
) -> None:
    """Refuse a budget that cannot hold the instructions, what stands `beside` them, and a minimum for the conversation.

    They are counted for the dearest of `models`, and as high as can ever be learned: what is accepted is never cut.

    Raises:
        SettingsError: `budget.max - budget.reserve` is smaller than what `instructions` may cost plus
            MINIMUM_BEYOND_INSTRUCTIONS. The text names the settings, the numbers and the mend.

    """
    named = "AGENT_INSTRUCTIONS with the hand-off tool" if beside else "AGENT_INSTRUCTIONS"
    meters = [Meter(counter, model, HIGHEST) for model in models]
    costs = [(meter.text(instructions) + (beside(meter) if beside else 0), meter) for meter in meters]
    cost, meter = max(costs, key=itemgetter(0))
    needed = cost + MINIMUM_BEYOND_INSTRUCTIONS
    if budget.available >= needed:
        return
    message = (
        f"TOKEN_BUDGET_MAX - TOKEN_BUDGET_RESERVE ({budget.max} - {budget.reserve} = {budget.available}) is smaller "
        f"than {named} and {MINIMUM_BEYOND_INSTRUCTIONS} tokens more ({cost} + "
        f"{MINIMUM_BEYOND_INSTRUCTIONS} = {needed} for {meter.model}, counted by {meter.name}). Raise TOKEN_BUDGET_MAX "
        f"to {needed + budget.reserve} or more, lower TOKEN_BUDGET_RESERVE, or shorten AGENT_INSTRUCTIONS."
    )
    raise SettingsError(message)
