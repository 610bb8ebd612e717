"""The one tool the simulator calls: when, and how that looks on the wire."""

from typing import Any

import pytest
from anthropic import AsyncAnthropic
from anthropic.types import ToolParam

from simulator.client import SimulatorControl
from simulator.schema import Fault, FaultKind

MODEL = "claude-sonnet-4-6"
TOOL: ToolParam = {
    "name": "handoff",
    "description": "Hand over to a person.",
    "input_schema": {"type": "object", "properties": {"reason": {"type": "string"}}},
}
OTHER: ToolParam = {"name": "look_up", "input_schema": {"type": "object"}}
ASKED = "Please let me speak to a human."


async def ask(claude: AsyncAnthropic, message: str, *tools: ToolParam, before: str = "", **more: Any) -> Any:
    texts = [{"type": "text", "text": text} for text in (before, message) if text]
    messages: Any = [{"role": "user", "content": texts}]
    return await claude.messages.create(
        model=MODEL, messages=messages, tools=list(tools), **{"max_tokens": 200, **more}
    )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "message",
    [
        ASKED,
        "Can I talk to a real person?",
        "i want to chat with an agent",
        "I need a human. This goes nowhere.",
        "Connect me to a live agent now",
        "Human, please!",
        "Ich möchte mit einem Menschen sprechen.",
    ],
)
async def test_it_hands_over_when_it_is_asked_to(claude: AsyncAnthropic, message: str) -> None:
    answer = await ask(claude, message, TOOL)
    text, call = answer.content
    assert text.text.startswith("[simulated] I am handing")
    assert (call.type, call.name, answer.stop_reason) == ("tool_use", "handoff", "tool_use")
    assert message[:40] in call.input["reason"]


@pytest.mark.asyncio
@pytest.mark.parametrize("message", ["Where is my parcel?", "Is a human resources team there?", "My agent number is 7"])
async def test_it_hands_over_for_nothing_else(claude: AsyncAnthropic, message: str) -> None:
    assert (await ask(claude, message, TOOL)).stop_reason == "end_turn"


@pytest.mark.asyncio
async def test_it_calls_nothing_that_was_not_offered_and_reads_nothing_that_is_stored(claude: AsyncAnthropic) -> None:
    assert (await ask(claude, ASKED)).stop_reason == "end_turn"
    assert (await ask(claude, ASKED, OTHER)).stop_reason == "end_turn"
    stored = f"<note>\n{ASKED}\n</note>"
    assert (await ask(claude, "Where is my parcel?", TOOL, before=stored)).stop_reason == "end_turn"


@pytest.mark.asyncio
async def test_a_stream_brings_the_same_call_in_pieces(claude: AsyncAnthropic) -> None:
    whole = await ask(claude, ASKED, TOOL)
    async with claude.messages.stream(
        model=MODEL, max_tokens=200, messages=[{"role": "user", "content": ASKED}], tools=[TOOL]
    ) as stream:
        final = await stream.get_final_message()
    assert [block.type for block in final.content] == ["text", "tool_use"]
    assert getattr(final.content[1], "input", None) == whole.content[1].input
    assert (final.stop_reason, final.usage.output_tokens) == ("tool_use", whole.usage.output_tokens)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("kind", "kinds", "stop_reason"),
    [("empty", ["tool_use"], "tool_use"), ("reply", ["text"], "end_turn"), ("stop", ["text"], "max_tokens")],
)
async def test_faults_bend_it(
    claude: AsyncAnthropic, control: SimulatorControl, kind: FaultKind, kinds: list[str], stop_reason: str
) -> None:
    more: dict[str, Any] = {"reply": {"text": "No."}, "stop": {"stop_reason": "max_tokens"}}.get(kind, {})
    control.add_faults(Fault(kind=kind, **more))
    answer = await ask(claude, ASKED, TOOL)
    assert ([block.type for block in answer.content], answer.stop_reason) == (kinds, stop_reason)


@pytest.mark.asyncio
async def test_a_call_that_does_not_fit_is_not_made(claude: AsyncAnthropic) -> None:
    answer = await ask(claude, ASKED, TOOL, max_tokens=12)
    assert ([block.type for block in answer.content], answer.stop_reason) == (["text"], "max_tokens")
