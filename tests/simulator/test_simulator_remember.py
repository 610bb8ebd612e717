"""What it would remember of a conversation stands in it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from anthropic import AsyncAnthropic

from shared.memory.operations import Extracted, read_operations
from shared.memory.prompts import extraction_prompt
from shared.models import MemoryEntry, Message, Role, TokenUsage
from shared.prompt import Reply

MODEL = "claude-haiku-5-5"
NOW = datetime(2026, 11, 2, tzinfo=UTC)


def messages(*texts: str) -> list[Message]:
    """Return messages of customer and agent in turn."""
    roles: tuple[Role, Role] = ("user", "assistant")
    return [
        Message(id=f"msg_{seq}", seq=seq, role=roles[(seq - 1) % 2], content=text, at=NOW, tokens=1)
        for seq, text in enumerate(texts, 1)
    ]


async def ask(claude: AsyncAnthropic, said: list[Message], known: list[MemoryEntry] | None = None) -> Any:
    """Have a conversation read; return what was answered."""
    prompt = extraction_prompt(MODEL, known or [], said)
    asked: Any = {
        "model": MODEL,
        "max_tokens": prompt.max_tokens,
        "system": prompt.system,
        "messages": list(prompt.messages),
        "output_config": {"format": {"type": "json_schema", "schema": prompt.schema}},
    }
    reply = await claude.messages.create(**asked)
    assert reply.content[0].type == "text"
    return reply.content[0].text


@pytest.mark.asyncio
async def test_names_wishes_numbers_and_promises_are_remembered(claude: AsyncAnthropic) -> None:
    said = messages(
        "Hello! Please call me Lotte. My order number is A-1234.\nIt has not come.",
        "I am sorry. I will refund order A-1234 by Friday.",
    )
    answer = await ask(claude, said)
    told = [(each["op"], each["scope"], each["key"]) for each in json.loads(answer)["operations"]]
    assert told == [
        ("upsert", "preference", "name"),
        ("upsert", "preference", "contact"),
        ("upsert", "note", "order"),
        ("upsert", "ticket", "promise refund order friday"),
    ]
    reply = Reply(answer, TokenUsage(input=1, output=1, total=2), MODEL, "end_turn", cut=False)
    read = read_operations(reply, "ses_1", said, [])
    assert isinstance(read, Extracted)
    assert [change.key for change in read.changes] == ["name", "order", "promise-refund-order-friday"]
    assert read.refused == ("duplicate",)


@pytest.mark.asyncio
async def test_what_is_settled_is_resolved(claude: AsyncAnthropic) -> None:
    ticket = MemoryEntry(
        key="refund",
        value="refund of A-1234",
        scope="ticket",
        source="api",
        status="open",
        version=1,
        valid_from=NOW,
        created_at=NOW,
        updated_at=NOW,
    )
    (told,) = json.loads(await ask(claude, messages("The refund is here, it is resolved."), [ticket]))["operations"]
    assert (told["op"], told["key"], told["message"]) == ("resolve", "refund", 1)


@pytest.mark.asyncio
async def test_a_question_or_a_greeting_is_nothing(claude: AsyncAnthropic) -> None:
    assert await ask(claude, messages("Hello there.", "Hi! What is your order number?")) == '{"operations":[]}'
