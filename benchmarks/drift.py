"""`python -m benchmarks.drift`: what of a conversation's facts survives many rounds of summarising.

Eight facts in the first turns, then 48 turns of small talk, summarised in ten rounds by a summariser that forgets and
alters, as models do. With the ledger each summary is verified before it counts; without it, it counts as it comes.
Told are the facts that survive, and the facts that nobody said.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from shared.context.tokens import load_counter
from shared.models import Message, TokenUsage
from shared.prompt import Prompt, Reply
from shared.summaries.invented import Said, invented
from shared.summaries.ledger import Entry, find_all, missing
from shared.summaries.steps import Made, Previous, Rules
from shared.summaries.summarise import summarise

FACTS: Final = (
    "My order is #W3792453.",
    "It was $1,234.50 in all.",
    "I ordered it on March 7th, 2026.",
    "Write to mia.berg@example.com, please.",
    "My number is +49 431 555 0199.",
    "The tracking number is 1Z999AA10123456784.",
    "The page is https://shop.example/help/77.",
    "The invoice is INV-2026-0042.",
)
TALK: Final = (
    "I have been waiting for quite a while now, and I am not amused.",
    "I understand, and I am sorry for the trouble.",
    "It was a present for my sister, who is getting married soon.",
    "What a pity. I keep looking.",
)
FILLER_TURNS: Final = 48
ROUNDS: Final = 10
COUNT: Final = load_counter().count


class Forgetful:
    """A summariser that drops each fact it is shown with one chance, and alters it with another, at each call."""

    def __init__(self, seed: int, drops: float, alters: float) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - chance to measure with
        self._drops = drops
        self._alters = alters

    async def ask(self, prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        """Answer with the facts that it has not forgotten."""
        del on_text
        text = "".join(block["text"] for message in prompt.messages for block in message["content"])
        told = [entry.text for entry in find_all([_message(0, text)])]
        kept = [self._retold(fact) for fact in dict.fromkeys(told) if self._chance.random() > self._drops]
        said = f"The customer waits and is not amused. Known: {'; '.join(kept)}."
        return Reply(said, TokenUsage(input=0, output=0, total=0), prompt.model, "end_turn", cut=False)

    async def count(self, prompt: Prompt) -> int:
        """Count nothing: nobody asks."""
        del prompt
        return 0

    async def close(self) -> None:
        """Nothing is open."""

    def _retold(self, fact: str) -> str:
        digits = [match.start() for match in re.finditer(r"\d", fact)]
        if not digits or self._chance.random() > self._alters:
            return fact
        at = self._chance.choice(digits)
        return f"{fact[:at]}{(int(fact[at]) + 1) % 10}{fact[at + 1 :]}"


def conversation() -> list[Message]:
    """Return the conversation."""
    said = [text for fact in FACTS for text in (fact, "Thank you, noted.")]
    said += [TALK[number % len(TALK)] for number in range(FILLER_TURNS * 2)]
    return [_message(seq, text) for seq, text in enumerate(said, 1)]


async def surviving(seed: int, drops: float, alters: float, *, ledger: bool) -> tuple[list[float], list[int]]:
    """Return the share of facts that stand verbatim in the summary, and how many nobody said, after each round."""
    messages, claude = conversation(), Forgetful(seed, drops, alters)
    facts, said = find_all(messages), Said(message.content for message in messages)
    rules, summary, shares, wrong = Rules("none", 300), Previous(), list[float](), list[int]()
    for number in range(1, ROUNDS + 1):
        upto = messages[: len(messages) * number // ROUNDS]
        if ledger:
            made = await summarise(claude, summary, upto, rules, COUNT)
            if not isinstance(made, Made):
                raise TypeError(made)
            summary = made.summary
        else:
            fresh = "\n".join(message.content for message in upto if message.seq > summary.through)
            block = {"role": "user", "content": [{"type": "text", "text": f"{summary.text}\n{fresh}"}]}
            reply = await claude.ask(Prompt("none", "", (block,), 1000), print)
            summary = Previous(reply.text, 1, upto[-1].seq)
        known = [fact for fact in facts if fact.seq <= summary.through]
        shares.append(1 - len(missing(known, summary.text)) / len(known))
        wrong.append(len(invented(summary.text, said)))
    return shares, wrong


@click.command(help="Measure how many facts survive ten rounds of summarising, with the ledger and without.")
@click.option("--runs", default=50, show_default=True, help="conversations, each with another chance")
@click.option("--drops", default=0.1, show_default=True, help="share of facts the summariser forgets in a round")
@click.option("--alters", default=0.05, show_default=True, help="share of facts it gets wrong in a round")
def main(runs: int, drops: float, alters: float) -> None:
    """Run both, and print the share of facts after each round."""
    click.echo(f"{len(_distinct())} facts, {FILLER_TURNS} turns of small talk, {ROUNDS} rounds, {runs} runs")
    click.echo(f"a summariser that forgets {drops:.0%} and alters {alters:.0%} of what it is shown, each round\n")
    click.echo("round         " + "".join(f"{number:>7}" for number in range(1, ROUNDS + 1)))
    for name, ledger in (("with ledger", True), ("without", False)):
        told = [asyncio.run(surviving(seed, drops, alters, ledger=ledger)) for seed in range(runs)]
        means = [sum(round_) / runs for round_ in zip(*(shares for shares, _ in told), strict=True)]
        wrong = [sum(round_) / runs for round_ in zip(*(wrong for _, wrong in told), strict=True)]
        click.echo(f"{name:<14}" + "".join(f"{mean:>7.1%}" for mean in means))
        click.echo("  made up     " + "".join(f"{mean:>7.2f}" for mean in wrong))


def _distinct() -> Sequence[Entry]:
    return find_all(conversation())


def _message(seq: int, text: str) -> Message:
    at = datetime(2026, 11, 2, 9, 30, tzinfo=UTC) + timedelta(minutes=seq)
    return Message(id=f"msg_{seq}", seq=seq, role="user" if seq % 2 else "assistant", content=text, at=at)


if __name__ == "__main__":
    main()
