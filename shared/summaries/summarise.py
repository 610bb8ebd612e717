"""The summariser: asks a Claude client for each step of `steps`, and returns what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shared.errors import ClaudeError, ClaudeLater
from shared.models import Message
from shared.prompt import ClaudeClient, Prompt, Reply
from shared.summaries.appendix import Measure
from shared.summaries.steps import Made, NotMade, Previous, Rules, Work, begin, hear, prompt_of


async def summarise(
    claude: ClaudeClient,
    previous: Previous,
    messages: Sequence[Message],
    rules: Rules,
    measure: Measure,
    seconds: float | None = None,
) -> Made | NotMade:
    """Return the summary of `previous` and the messages after it, or why there is none.

    `messages` end at the boundary (`material.boundary`). `seconds`: the longest one call may take, where the client's
    own limit is too long.
    """
    # Cutting into chunks, and the ledger of one, take tenths of a second, in which other tasks of the loop would wait.
    work: Work | Made | NotMade = await asyncio.to_thread(begin, previous, messages, rules, measure)
    while isinstance(work, Work):
        answer = await ask_once(claude, prompt_of(work), seconds)
        work = await asyncio.to_thread(hear, work, answer)
    return work


async def ask_once(claude: ClaudeClient, prompt: Prompt, seconds: float | None) -> Reply | ClaudeError:
    """Return Claude's reply, or why there is none; `seconds`: how long it may take."""
    try:
        async with asyncio.timeout(seconds):
            return await claude.ask(prompt, _unheard)
    except ClaudeError as error:
        return error
    except TimeoutError:
        return ClaudeLater("timeout", "the summariser did not answer in time")


def _unheard(_text: str) -> None:
    """Nobody listens while a summary is written."""
