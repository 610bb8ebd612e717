"""What the API refuses, the simulator refuses: same status, same type, same JSON."""

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic
from pydantic import JsonValue

from simulator.server import create_app
from simulator.testing import running
from simulator.tokens import TokenCounter

USER: dict[str, JsonValue] = {"role": "user", "content": "Hi"}
GOOD: dict[str, JsonValue] = {"model": "claude-sonnet-4-6", "max_tokens": 10, "messages": [USER]}


@pytest.fixture(scope="module")
def url(counter: TokenCounter) -> Iterator[str]:
    """One server for all: a request leaves nothing behind."""
    with running(create_app(counter=counter)) as base_url:
        yield base_url


def text(value: str, **more: JsonValue) -> JsonValue:
    return {"type": "text", "text": value, **more}


def asked(*content: JsonValue) -> JsonValue:
    return [{"role": "user", "content": list(content)}]


def cached(ttl: str | None = None) -> JsonValue:
    control: dict[str, JsonValue] = {"type": "ephemeral"} if ttl is None else {"type": "ephemeral", "ttl": ttl}
    return text("a", cache_control=control)


CALL: JsonValue = {"type": "tool_use", "id": "toolu_1", "name": "handoff", "input": {}}

# name → (fields that differ from a good request; None: left out, status, type, part of the message)
REFUSED: dict[str, tuple[dict[str, JsonValue], int, str, str]] = {
    "no model": ({"model": None}, 400, "invalid_request_error", "model: Field required"),
    "no max_tokens": ({"max_tokens": None}, 400, "invalid_request_error", "max_tokens: Field required"),
    "no messages": ({"messages": None}, 400, "invalid_request_error", "messages: Field required"),
    "messages empty": ({"messages": []}, 400, "invalid_request_error", "at least one message is required"),
    "max_tokens a string": ({"max_tokens": "10"}, 400, "invalid_request_error", "max_tokens: Input should be a valid"),
    "max_tokens negative": ({"max_tokens": -1}, 400, "invalid_request_error", "max_tokens: "),
    "max_tokens beyond the model": ({"max_tokens": 128_001}, 400, "invalid_request_error", "128001 > 128000"),
    "warming a stream": ({"max_tokens": 0, "stream": True}, 400, "invalid_request_error", "max_tokens: 0"),
    "temperature": ({"temperature": 1.0}, 400, "invalid_request_error", "temperature: Extra inputs are not permitted"),
    "top_p": ({"top_p": 0.9}, 400, "invalid_request_error", "top_p: Extra inputs are not permitted"),
    "top_k": ({"top_k": 5}, 400, "invalid_request_error", "top_k: Extra inputs are not permitted"),
    "unknown model": ({"model": "claude-9"}, 404, "not_found_error", "model: claude-9"),
    "unknown role": (
        {"messages": [{"role": "system", "content": "Hi"}]},
        400,
        "invalid_request_error",
        "messages.0.role: Input should be 'user' or 'assistant'",
    ),
    "assistant first": (
        {"messages": [{"role": "assistant", "content": "Hi"}, USER]},
        400,
        "invalid_request_error",
        'first message must use the "user" role',
    ),
    "assistant last": (
        {"messages": [USER, {"role": "assistant", "content": "I"}]},
        400,
        "invalid_request_error",
        "does not support assistant message prefill",
    ),
    "empty string": (
        {"messages": [USER, {"role": "assistant", "content": ""}, USER]},
        400,
        "invalid_request_error",
        "messages.1: all messages must have non-empty content",
    ),
    "no blocks": ({"messages": asked()}, 400, "invalid_request_error", "messages.0: all messages must have non-empty"),
    "empty block": (
        {"messages": asked(text(""))},
        400,
        "invalid_request_error",
        "messages: text content blocks must be",
    ),
    "blank string": (
        {"messages": [{"role": "user", "content": " \n "}]},
        400,
        "invalid_request_error",
        "messages: text content blocks must contain non-whitespace text",
    ),
    "blank block": (
        {"messages": asked(text("Hi"), text(" \n\u2003"))},
        400,
        "invalid_request_error",
        "messages: text content blocks must contain non-whitespace text",
    ),
    "empty system block": ({"system": [text("")]}, 400, "invalid_request_error", "system: text content blocks must be"),
    "blank system": ({"system": "  "}, 400, "invalid_request_error", "system: text content blocks must contain"),
    "block without text": (
        {"messages": asked({"type": "text"})},
        400,
        "invalid_request_error",
        "messages.0.content.0.text.text: Field required",
    ),
    "unknown block": (
        {"messages": asked({"type": "video"})},
        400,
        "invalid_request_error",
        "messages.0.content.0: Input tag 'video'",
    ),
    "content of another kind": (
        {"messages": [{"role": "user", "content": 5}]},
        400,
        "invalid_request_error",
        "messages.0.content: Input should be",
    ),
    "citations of a user": (
        {"messages": asked(text("Hi", citations=[{}]))},
        400,
        "invalid_request_error",
        "`citations` are not allowed",
    ),
    "document of an assistant": (
        {"messages": [USER, {"role": "assistant", "content": [{"type": "document", "source": {}}]}, USER]},
        400,
        "invalid_request_error",
        "`document` blocks are not allowed",
    ),
    "tool call without result": (
        {"messages": [USER, {"role": "assistant", "content": [CALL]}, USER]},
        400,
        "invalid_request_error",
        "`tool_use` ids were found without `tool_result` blocks after: toolu_1",
    ),
    "blank stop sequence": ({"stop_sequences": [" "]}, 400, "invalid_request_error", "must contain non-whitespace"),
    "five breakpoints": (
        {"messages": asked(*[cached()] * 5)},
        400,
        "invalid_request_error",
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    "four and the automatic one": (
        {"messages": asked(*[cached()] * 4, text("Hi")), "cache_control": {"type": "ephemeral"}},
        400,
        "invalid_request_error",
        "Found 5.",
    ),
    "one hour behind five minutes": (
        {"messages": asked(cached("5m"), cached("1h"))},
        400,
        "invalid_request_error",
        "ttl='1h' block must not come after",
    ),
    "automatic with another ttl": (
        {"messages": asked(cached("1h")), "cache_control": {"type": "ephemeral"}},
        400,
        "invalid_request_error",
        "different ttl",
    ),
    "unknown ttl": ({"messages": asked(cached("2h"))}, 400, "invalid_request_error", "cache_control.ttl: "),
}


@pytest.mark.parametrize(("change", "status", "kind", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_request_is_refused_as_the_api_does(
    post: Callable[..., Any], change: dict[str, JsonValue], status: int, kind: str, message: str
) -> None:
    body = {name: value for name, value in {**GOOD, **change}.items() if value is not None}

    answered, headers, error = post(body)

    assert (answered, error["type"], error["error"]["type"]) == (status, "error", kind)
    assert message in error["error"]["message"]
    assert error["request_id"] == headers["request-id"]


# name → fields of a request the API takes
TAKEN: dict[str, dict[str, JsonValue]] = {
    "plain": {},
    "empty system": {"system": ""},
    "same role twice": {"messages": [USER, USER]},
    "four breakpoints": {"messages": asked(*[cached()] * 4)},
    "automatic on a marked block": {"messages": asked(cached()), "cache_control": {"type": "ephemeral"}},
    "one hour before five minutes": {"messages": asked(cached("1h"), cached("5m"))},
    "every field": {
        "system": [text("Be brief.")],
        "metadata": {"user_id": "u1"},
        "stop_sequences": ["END"],
        "thinking": {"type": "disabled"},
        "output_config": {"effort": "low"},
        "service_tier": "auto",
        "tools": [{"name": "handoff", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}],
        "tool_choice": {"type": "auto"},
    },
    "a tool's result": {
        "messages": [
            USER,
            {"role": "assistant", "content": [CALL]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}]},
        ]
    },
    "a picture": {"messages": asked({"type": "image", "source": {"type": "url", "url": "https://x.org/a.png"}})},
}


@pytest.mark.parametrize("change", TAKEN.values(), ids=TAKEN.keys())
def test_a_good_request_is_taken(post: Callable[..., Any], change: dict[str, JsonValue]) -> None:
    status, _, message = post({**GOOD, **change})

    assert (status, message["type"]) == (200, "message")
    assert message["content"][0]["text"].startswith("[simulated] ")


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"anthropic-version": "2026-10-21"}, 401, "authentication_error"),
        ({"anthropic-version": "2026-10-21", "authorization": "Bearer "}, 401, "authentication_error"),
        ({"x-api-key": "any"}, 400, "invalid_request_error"),
        ({"anthropic-version": "2026-10-21", "authorization": "Bearer any"}, 200, None),
        ({"anthropic-version": "2023-06-01", "x-api-key": "any"}, 200, None),
    ],
)
def test_a_key_and_a_version_are_required(
    post: Callable[..., Any], headers: dict[str, str], status: int, kind: str | None
) -> None:
    answered, _, body = post(GOOD, headers=headers)

    assert answered == status
    assert body.get("error", {}).get("type") == kind


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"model": "\\ud800"}'])
def test_what_is_no_json_object_is_refused(post: Callable[..., Any], body: bytes) -> None:
    status, _, error = post(body)

    assert (status, error["error"]["type"]) == (400, "invalid_request_error")


def test_a_body_above_32_mb_is_refused(post: Callable[..., Any]) -> None:
    status, _, error = post(b" " * (32 * 2**20 + 1))

    assert (status, error["error"]["type"]) == (413, "request_too_large")


def test_a_prompt_beyond_the_context_window_is_refused(post: Callable[..., Any]) -> None:
    long = "a b c d e " * 45_000

    status, _, error = post({**GOOD, "model": "claude-haiku-4-5", "messages": asked(text(long))})

    assert status == 400
    assert error["error"]["message"].startswith("prompt is too long: ")
    assert error["error"]["message"].endswith(" tokens > 200000 maximum")


@pytest.mark.parametrize("path", ["/", "/v1/complete", "/v1/messages/", "/v1/batches"])
def test_an_unknown_path_is_a_not_found_error(post: Callable[..., Any], path: str) -> None:
    status, headers, error = post(GOOD, path=path)

    assert (status, error["error"]["type"]) == (404, "not_found_error")
    assert error["request_id"] == headers["request-id"]


@pytest.mark.asyncio
async def test_the_sdk_raises_its_own_classes(claude: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        await claude.messages.create(model="claude-9", max_tokens=10, messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(anthropic.BadRequestError) as refused:
        await claude.messages.create(model="claude-sonnet-4-6", max_tokens=10, messages=[])
    assert refused.value.type == "invalid_request_error"
    assert refused.value.request_id is not None
