"""Contexts of several messages that are answered at once, and of an agent that may hand off."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.context.assembly import Draft, assemble
from shared.context.budget import Meter
from shared.context.rebuild import rebuild
from shared.context.sources import Said
from shared.context.tokens import TokenCounter
from shared.context.tools import HANDOFF_TOOL, tool_cost

from .drafts import CL100K, draft, drafts, part, recount, spoken_texts, texts

moderate = settings(max_examples=150, deadline=None)
bursts = st.lists(spoken_texts, max_size=9)


@given(case=drafts(), said=bursts, offered=st.booleans())
@moderate
def test_neither_burst_nor_tool_exceeds_the_budget(
    case: tuple[Draft, TokenCounter], said: list[str], *, offered: bool
) -> None:
    """All of a burst is there, whole where it fits; the tool is counted where it is offered, and only then."""
    made, counter = case
    earlier = [Said(f"req_{number}", text) for number, text in enumerate(said)]
    made = replace(made, earlier=earlier, handoff=offered)

    context = assemble(made, counter)

    tool = tool_cost(Meter(counter, made.model)) if context.tools else 0
    assert recount(context, counter, made.model) + tool == context.tokens
    assert context.tokens <= made.budget.available
    assert part(context, "newest").included == [*(each.id for each in earlier), "req_newest"]
    assert len(context.newest) == len(earlier) + 1
    if part(context, "newest").reason is None:
        assert texts(context)[-len(earlier) - 1 :] == [*said, made.newest]


@given(case=drafts(), said=bursts, offered=st.booleans())
@moderate
def test_they_are_made_again_from_the_receipt(
    case: tuple[Draft, TokenCounter], said: list[str], *, offered: bool
) -> None:
    """The tool is in the receipt, and a burst that of its first request."""
    made, counter = case
    earlier = [Said(f"req_{number}", text) for number, text in enumerate(said)]
    made = replace(made, earlier=earlier, handoff=offered)
    context = assemble(made, counter)

    again = rebuild(context.receipt, replace(made, handoff=not offered), counter)

    assert again is not None
    assert (again.tools, again.messages, again.system) == (context.tools, context.messages, context.system)


def test_the_receipt_tells_what_the_tool_costs() -> None:
    """It stands with the system prompt."""
    without, with_it = (assemble(replace(draft(), handoff=offered), CL100K) for offered in (False, True))
    assert with_it.tools == (HANDOFF_TOOL,)
    assert part(with_it, "system").included == ["handoff"]
    cost = tool_cost(Meter(CL100K, "claude-sonnet-4-6"))
    assert part(with_it, "system").tokens == part(without, "system").tokens + cost
    assert with_it.receipt.request_hash != without.receipt.request_hash


def test_a_budget_without_room_for_the_tool_offers_none_and_says_so() -> None:
    """Nothing else gives way to it but what may always give way."""
    context = assemble(replace(draft(available=600), handoff=True), CL100K)
    assert context.tools == ()
    assert "hand-off tool" in str(part(context, "system").reason)
    assert context.system == "You are a support agent."


def test_a_long_burst_keeps_its_beginning_and_its_end() -> None:
    """As one text, cut in the middle."""
    long = "And then it rained, as it does here in autumn, and nobody came. " * 200
    made = replace(draft(f"{long}LAST"), earlier=[Said("req_1", f"FIRST {long}"), Said("req_2", long)])
    context = assemble(made, CL100K)
    (said,) = texts(context)
    assert said.startswith("FIRST ")
    assert said.endswith("LAST")
    assert "3 messages as one" in str(part(context, "newest").reason)
