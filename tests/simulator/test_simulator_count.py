"""Counting a prompt without asking it."""

import pytest
from anthropic import AsyncAnthropic, BadRequestError
from anthropic.types import MessageParam

from simulator.client import SimulatorControl

MODEL = "claude-sonnet-4-6"
TALK: list[MessageParam] = [
    {"role": "user", "content": "Hello, I am Ann. My order is 4711."},
    {"role": "assistant", "content": "Hello Ann."},
    {"role": "user", "content": [{"type": "text", "text": "Where is it? 🙂"}]},
]


@pytest.mark.asyncio
async def test_a_count_is_what_the_request_is_charged(claude: AsyncAnthropic) -> None:
    counted = await claude.messages.count_tokens(model=MODEL, system="Be kind.", messages=TALK)
    asked = await claude.messages.create(model=MODEL, system="Be kind.", messages=TALK, max_tokens=100)
    assert counted.input_tokens == asked.usage.input_tokens > 0


@pytest.mark.asyncio
async def test_counting_refuses_what_asking_refuses(claude: AsyncAnthropic) -> None:
    with pytest.raises(BadRequestError, match="first message"):
        await claude.messages.count_tokens(model=MODEL, messages=TALK[1:])


@pytest.mark.asyncio
async def test_counting_takes_no_fields_of_a_reply(claude: AsyncAnthropic) -> None:
    with pytest.raises(BadRequestError, match="max_tokens"):
        await claude.messages.count_tokens(model=MODEL, messages=TALK, extra_body={"max_tokens": 5})


@pytest.mark.asyncio
async def test_counting_is_no_request(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    before = control.stats().requests
    await claude.messages.count_tokens(model=MODEL, messages=TALK)
    assert control.stats().requests == before
