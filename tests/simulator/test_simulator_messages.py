"""A message as the API sends it: whole, and as a stream of events."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from anthropic.types import MessageParam

from simulator.client import SimulatorControl
from simulator.events import pieces
from simulator.schema import Fault

MODEL = "claude-sonnet-4-6"
HELLO: list[MessageParam] = [{"role": "user", "content": "Hello, I am Ann."}]
REPLY = '[simulated] Hello. You wrote: "Hello, I am Ann."'


@pytest.mark.asyncio
async def test_a_whole_message_reads_as_the_sdk_expects(claude: AsyncAnthropic) -> None:
    message = await claude.messages.create(model=MODEL, max_tokens=100, messages=HELLO)

    assert message.id.startswith("msg_")
    assert (message.type, message.role, message.model) == ("message", "assistant", MODEL)
    assert [block.to_dict() for block in message.content] == [{"type": "text", "text": REPLY}]
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0
    assert message._request_id is not None
    assert message._request_id.startswith("req_")


@pytest.mark.asyncio
async def test_a_stream_adds_up_to_the_same_message(claude: AsyncAnthropic) -> None:
    whole = await claude.messages.create(model=MODEL, max_tokens=100, messages=HELLO)

    async with claude.messages.stream(model=MODEL, max_tokens=100, messages=HELLO) as stream:
        text = "".join([part async for part in stream.text_stream])
        final = await stream.get_final_message()

    assert text == REPLY
    assert final.usage == whole.usage
    assert final.stop_reason == whole.stop_reason
    assert [getattr(block, "text", None) for block in final.content] == [REPLY]


def test_the_events_of_a_stream_come_in_the_apis_order(post: Callable[..., Any]) -> None:
    status, headers, body = post({"model": MODEL, "max_tokens": 100, "stream": True, "messages": HELLO})

    events = [dict(line.split(": ", 1) for line in event.splitlines()) for event in body.strip().split("\n\n")]
    data = [json.loads(event["data"]) for event in events]
    assert status == 200
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["request-id"].startswith("req_")
    assert [event["event"] for event in events] == [each["type"] for each in data]
    deltas = [each for each in data if each["type"] == "content_block_delta"]
    assert 1 < len(deltas) <= 10
    assert [each["type"] for each in data] == [
        "message_start",
        "content_block_start",
        "ping",
        *["content_block_delta"] * len(deltas),
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert "".join(each["delta"]["text"] for each in deltas) == REPLY
    assert data[0]["message"]["content"] == []
    assert data[0]["message"]["stop_reason"] is None
    assert data[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None}
    assert data[-2]["usage"]["input_tokens"] == data[0]["message"]["usage"]["input_tokens"]


@pytest.mark.asyncio
async def test_any_character_survives_the_stream(claude: AsyncAnthropic, control: SimulatorControl) -> None:
    odd = 'Zeilen\u2028und\x85 "quotes"\r\n\t\\ 🙂 \u0000 订单号 ' * 5
    control.add_faults(Fault(kind="reply", text=odd))

    async with claude.messages.stream(model=MODEL, max_tokens=1000, messages=HELLO) as stream:
        assert "".join([part async for part in stream.text_stream]) == odd


@pytest.mark.asyncio
async def test_max_tokens_cuts_the_reply(claude: AsyncAnthropic) -> None:
    message = await claude.messages.create(model=MODEL, max_tokens=5, messages=HELLO)

    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == 5
    assert message.content[0].type == "text"
    assert message.content[0].text == "[simulated] Hello"


@pytest.mark.asyncio
async def test_a_stop_sequence_ends_the_reply_before_it(claude: AsyncAnthropic) -> None:
    message = await claude.messages.create(model=MODEL, max_tokens=99, messages=HELLO, stop_sequences=["am", " You"])

    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", " You")
    assert message.content[0].type == "text"
    assert message.content[0].text == "[simulated] Hello."


@pytest.mark.asyncio
async def test_zero_tokens_only_warm_the_cache(claude: AsyncAnthropic) -> None:
    message = await claude.messages.create(model=MODEL, max_tokens=0, messages=HELLO)

    assert (message.content, message.stop_reason, message.usage.output_tokens) == ([], "max_tokens", 0)


@pytest.mark.parametrize("text", ["", "a", "one two", "x" * 500, "word " * 400, "  leading and trailing  "])
@pytest.mark.parametrize("size", [None, 1, 7])
def test_pieces_add_up_to_the_text(text: str, size: int | None) -> None:
    found = pieces(text, size)

    assert "".join(found) == text
    assert all(found)
    assert size is not None or len(found) <= 10
