"""EXACT_COUNT: Claude counts a context before it is sent, and where we counted too low, it is fitted again.

Our own count errs upward, so this seldom finds anything; it costs a call of Claude's free `count_tokens` each turn,
before the reply can begin. Where Claude does not count in time, our count stands. What Claude counts above the budget
is never sent.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import ceil
from typing import Final

import structlog

from shared.context.assembly import assemble
from shared.context.calibration import Correction
from shared.context.sources import Context, Draft
from shared.context.tokens import TokenCounter
from shared.errors import ClaudeError, ClaudeFailed
from shared.prompt import ClaudeClient, Prompt

COUNT_SECONDS: Final = 5.0
TRIES: Final = 4
OVER_BUDGET: Final = "over-budget"
MORE: Final = 0.25  # by how much more than Claude counted each try after the first leaves out

log = structlog.get_logger()


def prompt_of(context: Context) -> Prompt:
    """Return what Claude is asked."""
    return Prompt(context.receipt.model, context.system, context.messages, context.max_tokens, tools=context.tools)


async def fitted_exactly(draft: Draft, counter: TokenCounter, claude: ClaudeClient) -> Context:
    """Return the draft's context, within the budget by Claude's own count too.

    Raises:
        ClaudeFailed: Claude counts more than the budget, however much was left out.

    """
    context = assemble(draft, counter)
    for number in range(TRIES):
        try:
            async with asyncio.timeout(COUNT_SECONDS):
                counted = await claude.count(prompt_of(context))
        except (ClaudeError, TimeoutError) as error:
            log.warning("count.unavailable", error=str(error) or "no answer in time")
            return context
        if counted <= context.receipt.budget.available:
            return context
        log.warning("count.too_low", ours=context.tokens, claudes=counted, counter=context.receipt.counter)
        draft = replace(draft, correction=_raised(draft.correction, counted / context.tokens * (1 + MORE * number)))
        context = assemble(draft, counter)
    available = context.receipt.budget.available
    message = f"Claude counts more than {available} tokens of the smallest context; raise the token budget"
    raise ClaudeFailed(OVER_BUDGET, message)


def _raised(correction: Correction, ratio: float) -> Correction:
    # Two digits are told in the receipt, and a context is made again by what it tells.
    return Correction(ceil(correction.english * ratio * 100) / 100, ceil(correction.others * ratio * 100) / 100)
