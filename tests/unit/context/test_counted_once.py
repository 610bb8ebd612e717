"""Nothing is counted twice, from turn to turn and at the end of one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from shared.clock import system_clock
from shared.context.assembly import assemble
from shared.context.counted import LONG, SHORT
from shared.conversation.outcome import Makers, succeeded
from shared.ids import Ids
from shared.models import AgentInstructions, TokenUsage
from shared.prompt import Reply
from tests.contract.store import Desk

from .drafts import CL100K, conversation, draft, entry

WORDS = "The parcel with the blue ribbon has not come yet, although it was sent two weeks ago. "


@dataclass(eq=False)
class Counting:
    """Counts, and remembers how often it was asked for what."""

    name: str = "cl100k_base"
    asked: Counter[str] = field(default_factory=Counter)

    def count(self, text: str) -> int:
        self.asked[text] += 1
        return CL100K.count(text)


@dataclass
class Parts:
    """What an outcome is made with."""

    counter: Counting
    clock = staticmethod(system_clock)
    ids: Ids = field(default_factory=Ids)


def test_no_text_of_a_conversation_is_counted_twice() -> None:
    """Neither long instructions, nor a long message that is clipped each turn, nor what is remembered."""
    counter = Counting()
    history = conversation(WORDS, "I see.", WORDS * 400, "Thank you.")
    made = draft(
        WORDS * 60,
        history=history,
        memory=[entry("note", WORDS * 20), entry("tone", "formal")],
        instructions=WORDS * 70,
        available=12_000,
    )
    assert SHORT < len(made.newest) < len(made.instructions.instructions)
    first = assemble(made, counter)
    for number in range(3):
        assemble(replace(made, newest=f"{number}: {WORDS}", pin=first.pin), counter)
    twice = {text[:60]: times for text, times in counter.asked.items() if times > 1}
    assert not twice


async def test_the_newest_message_is_not_counted_again_when_it_is_stored(desk: Desk) -> None:
    counter = Counting()
    text = WORDS * (LONG // len(WORDS) + 1)
    claim = await desk.claim(await desk.accept(text))
    made = replace(draft(text), instructions=AgentInstructions(instructions="Be brief."))
    context = assemble(made, counter)
    reply = Reply("OK", TokenUsage(input=1, output=1, total=2), made.model, "end_turn", cut=False)
    makers: Makers = Parts(counter)
    outcome = succeeded(claim, context, reply, makers, simulated=False)
    assert counter.asked[text] == 1
    assert (outcome.user.tokens, outcome.user.text_kind) == (CL100K.count(text), "english")
    assert outcome.reply is not None
    assert outcome.reply.tokens == 1
