"""What a turn does when the agent hands the conversation to a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.context.tools import HANDOFF_TOOL
from shared.models import TokenUsage
from shared.prompt import Prompt, Reply
from shared.settings import DEFAULT_HANDOFF_REPLY
from tests.unit.turns import Act, Office


def hands_off(text: str, reason: str) -> Act:
    """Script a reply that calls the tool."""

    def act(prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        usage = TokenUsage(input=7, output=3, total=10)
        return Reply(text, usage, prompt.model, "tool_use", cut=False, handoff=reason)

    return act


def offered(office: Office) -> list[Any]:
    """Return the tools of each prompt so far."""
    return [list(prompt.tools) for prompt in office.claude.prompts]


async def test_the_tool_is_offered_where_the_request_or_the_tenant_asks_for_it(office: Office) -> None:
    desk = office.desk
    await office.advance(await desk.accept("one", "cust-1"))
    await office.advance(await desk.accept("two", "cust-2", handoff=True))
    await desk.own.put_instructions("Be kind.", handoff=True)
    office.runner._parts.instructions._known.clear()
    await office.advance(await desk.accept("three", "cust-3"))
    assert offered(office) == [[], [HANDOFF_TOOL], [HANDOFF_TOOL]]


async def test_a_handoff_leaves_the_session_to_a_person(office: Office) -> None:
    desk = office.desk
    request = await desk.accept("Let me speak to a human", handoff=True)
    office.claude.script = [hands_off("Of course, one moment.", "asked for a person")]
    assert (await office.advance(request)).outcome == "succeeded"
    kept = await desk.own.request(request.request_id)
    assert kept.result is not None
    assert (kept.result.reply, kept.result.handoff) == ("Of course, one moment.", "asked for a person")
    assert (await desk.own.session(str(request.session_id))).handler == "human"
    later = await desk.accept("Thanks", session_id=request.session_id, handoff=True)
    assert (await office.advance(later)).outcome == "taken-over"
    assert len(office.claude.prompts) == 1


async def test_a_handoff_without_a_word_says_what_the_settings_say(office: Office) -> None:
    desk = office.desk
    request = await desk.accept("Let me speak to a human", handoff=True)
    await desk.own.listen(request.request_id)
    office.claude.script = [hands_off(" ", "asked for a person")]
    await office.advance(request)
    assert await desk.transcript(request) == ["Let me speak to a human", DEFAULT_HANDOFF_REPLY]


async def test_the_beginning_stays_the_same_from_turn_to_turn(office: Office) -> None:
    desk = office.desk
    first = await desk.accept("one", handoff=True)
    await office.advance(first)
    await office.advance(await desk.accept("two", session_id=first.session_id, handoff=True))
    one, two = office.claude.prompts
    assert (one.tools, one.system) == (two.tools, two.system)
    assert two.messages[0]["content"][0]["text"] == one.messages[0]["content"][0]["text"]


async def test_what_tools_cost_teaches_nothing_of_texts(office: Office) -> None:
    learner = office.runner._parts.learner
    observed: list[Any] = []
    office.runner._settings = office.runner._settings.model_copy(update={"anthropic_api_key": "key"})
    learner.observe = lambda *told: observed.append(told)  # type: ignore[method-assign]  # only whether it is told
    await office.advance(await office.desk.accept("one", "cust-1", handoff=True))
    assert observed == []
    await office.advance(await office.desk.accept("one", "cust-2"))
    assert len(observed) == 1
