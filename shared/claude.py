"""Claude, through the Anthropic SDK: the only importer of it.

One call, streamed. No retry here: the SDK's own is off, the one retry loop is the turn's (`shared.conversation`).
Errors and stop reasons are tables. Source: the SDK's exceptions, and
https://platform.claude.com/docs/en/api/errors
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import anthropic
import httpx2
from anthropic import AsyncAnthropic, DefaultAioHttpClient
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import CLOSED, HALF_OPENED, OPENED, Context, OpenedState

from shared.claude_heard import Handoff, UsageSum
from shared.errors import ClaudeFailed, ClaudeLater
from shared.models import TokenUsage
from shared.prompt import Prompt, Reply
from shared.settings import Settings

Answer = TypeVar("Answer")

BREAKER_FAILURES = 8
BREAKER_SECONDS = 10.0

LATER = {
    408: "timeout",
    409: "conflict",
    429: "rate-limited",
    500: "server-error",
    502: "server-error",
    503: "server-error",
    504: "timeout",
    529: "overloaded",
}
FAILED = {
    400: "invalid-request",
    401: "authentication",
    402: "billing",
    403: "permission",
    404: "unknown-model",
    413: "request-too-large",
}
SPENT = frozenset({"enforced_spend_limit_reached", "contract_spend_limit_reached"})
# What purgatory calls the states of a breaker.
STATES = {CLOSED: "closed", OPENED: "open", HALF_OPENED: "half-open"}
TRIPS = frozenset({"overloaded", "server-error", "timeout", "unreachable"})

WHOLE, CUT = "whole", "cut"
STOP_REASONS = {
    "end_turn": WHOLE,
    "stop_sequence": WHOLE,
    "max_tokens": CUT,
    "model_context_window_exceeded": CUT,
    "pause_turn": CUT,
    "refusal": "refused",
    "tool_use": "tool-use",
}

# Newer models think before they speak; with a small reserve the reply could come back empty.
THINKING_OFF = {
    "claude-sonnet-5-5": {"type": "between_tools"},
    "claude-sonnet-5": {"type": "disabled"},
    "claude-haiku-5-5": {"type": "disabled"},
    "claude-opus-5-5": {"type": "disabled"},
}


class Claude:
    """The Claude API, or the simulator in its place. Implements `shared.prompt.ClaudeClient`."""

    def __init__(self, settings: Settings) -> None:
        key = settings.anthropic_api_key
        self._seconds = settings.claude_timeout_seconds
        self._asked: set[str] = set()
        self._client = AsyncAnthropic(
            api_key=key.get_secret_value() if key else "simulated",
            base_url=settings.anthropic_base_url if key else settings.simulator_url,
            max_retries=0,
            timeout=httpx2.Timeout(settings.claude_timeout_seconds, connect=5.0),
            http_client=DefaultAioHttpClient(
                limits=httpx2.Limits(
                    max_connections=settings.worker_concurrency + 10,
                    max_keepalive_connections=settings.worker_concurrency + 10,
                ),
            ),
        )
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=BREAKER_FAILURES,
            default_ttl=BREAKER_SECONDS,
            exclude=[
                ClaudeFailed,
                (ClaudeLater, lambda error: error.cause not in TRIPS),
                asyncio.CancelledError,
            ],
        )

    async def breakers(self) -> dict[str, str]:
        """Return how each model is asked: `closed`, `open` (not at all, for a while), `half-open` (once, to see)."""
        async with self._breakers.uow as work:
            found = {model: await work.contexts.get(model) for model in self._asked}
        return {model: _state_of(breaker) for model, breaker in found.items() if breaker is not None}

    async def close(self) -> None:
        """See `shared.prompt.ClaudeClient.close`."""
        await self._client.close()

    async def ask(self, prompt: Prompt, on_text: Callable[[str], None]) -> Reply:
        """See `shared.prompt.ClaudeClient.ask`. While the model's breaker is open, Claude is not asked at all."""
        model = prompt.model
        request = request_of(prompt)
        self._asked.add(model)
        try:
            async with await self._breakers.get_breaker(model):
                return await self._heard(self._stream(request, on_text))
        except OpenedState as error:
            detail = f"Claude failed {BREAKER_FAILURES} times in a row; asking {model} again soon"
            raise ClaudeLater("breaker-open", detail, after=BREAKER_SECONDS) from error

    async def count(self, prompt: Prompt) -> int:
        """See `shared.prompt.ClaudeClient.count`. It neither opens the breaker nor heeds it."""
        request = request_of(prompt)
        del request["max_tokens"]

        async def counted() -> int:
            return (await self._client.messages.count_tokens(**request)).input_tokens

        return await self._heard(counted())

    async def _heard(self, answer: Coroutine[Any, Any, Answer]) -> Answer:
        """Return the answer in time; errors in our own words."""
        try:
            async with asyncio.timeout(self._seconds):
                return await answer
        except anthropic.APIStatusError as error:
            raise translated(error) from error
        except (TimeoutError, anthropic.APITimeoutError, httpx2.TimeoutException) as error:
            raise ClaudeLater("timeout", f"Claude did not answer in {self._seconds:g} s") from error
        except anthropic.APIConnectionError as error:
            raise ClaudeLater("unreachable", "Claude could not be reached") from error
        except (httpx2.HTTPError, anthropic.APIError) as error:
            raise ClaudeLater("stream-cut", "Claude's answer was cut off") from error

    async def _stream(self, request: dict[str, Any], on_text: Callable[[str], None]) -> Reply:
        pieces: list[str] = []
        usage, handoff = UsageSum(), Handoff()
        stop_reason, answered_by, ended = "", request["model"], False
        async with await self._client.messages.create(**request, stream=True) as stream:
            async for event in stream:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    pieces.append(event.delta.text)
                    on_text(event.delta.text)
                elif event.type in {"content_block_start", "content_block_delta"}:
                    handoff.read(event)
                elif event.type == "message_start":
                    usage.read(event.message.usage)
                    answered_by = event.message.model
                elif event.type == "message_delta":
                    usage.read(event.usage)
                    stop_reason = event.delta.stop_reason or stop_reason
                elif event.type == "message_stop":
                    ended = True
        if not ended:
            raise ClaudeLater("stream-cut", "Claude's answer ended before it was whole")
        return judged("".join(pieces), usage.total(), answered_by, stop_reason, handoff.reason)


def _state_of(breaker: Context) -> str:
    """Return a breaker's state. One whose time is up stays open until the next call, which it lets through."""
    if breaker.state == OPENED and time.time() - (breaker.opened_at or 0) >= BREAKER_SECONDS:
        return STATES[HALF_OPENED]
    return STATES[breaker.state]


def request_of(prompt: Prompt) -> dict[str, Any]:
    """Return the body of the Messages API that asks this."""
    request: dict[str, Any] = {
        "model": prompt.model,
        "messages": list(prompt.messages),
        "max_tokens": prompt.max_tokens,
    }
    if prompt.system:
        request["system"] = prompt.system
    if prompt.model in THINKING_OFF:
        request["thinking"] = THINKING_OFF[prompt.model]
    if prompt.tools:
        request["tools"] = list(prompt.tools)
    if prompt.schema is not None:
        request["output_config"] = {"format": {"type": "json_schema", "schema": prompt.schema}}
    return request


def judged(text: str, usage: TokenUsage, model: str, stop_reason: str, handoff: str | None = None) -> Reply:
    """Return what Claude wrote as a reply; raise what its stop reason says instead."""
    verdict = STOP_REASONS.get(stop_reason, CUT)
    if handoff is not None and stop_reason == "tool_use":
        verdict = WHOLE
    if verdict not in {WHOLE, CUT}:
        raise ClaudeFailed(verdict, f"Claude ended with {stop_reason!r} and no reply to keep")
    if not text.strip() and handoff is None:
        raise ClaudeLater("empty-reply", f"Claude ended with {stop_reason!r} and wrote nothing")
    return Reply(text, usage, model, stop_reason, cut=verdict == CUT, handoff=handoff)


def translated(error: anthropic.APIStatusError) -> ClaudeLater | ClaudeFailed:
    """Return what a refusal of the API means to us."""
    status, kind = _status(error), getattr(error, "error_code", None)
    if kind in SPENT:
        return ClaudeFailed("spend-limit", "the account's spend limit is reached; raise it to go on")
    detail = f"Claude answered {status}: {_reason(error)}"
    if status in LATER or status >= 500:  # noqa: PLR2004 - every server error
        return ClaudeLater(LATER.get(status, "server-error"), detail, after=_retry_after(error))
    return ClaudeFailed(FAILED.get(status, "invalid-request"), detail)


def _status(error: anthropic.APIStatusError) -> int:
    # An error event inside a stream comes after status 200; its type says what it would have been.
    if error.status_code != 200:  # noqa: PLR2004 - OK
        return error.status_code
    by_type = {"overloaded_error": 529, "rate_limit_error": 429, "timeout_error": 504, "invalid_request_error": 400}
    return by_type.get(str(error.type), 500)


def _reason(error: anthropic.APIStatusError) -> str:
    body = error.body
    inner = body.get("error") if isinstance(body, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else None
    return str(message or error.type or "no reason given")[:300]


def _retry_after(error: anthropic.APIStatusError) -> float | None:
    milliseconds = error.response.headers.get("retry-after-ms")
    seconds = error.response.headers.get("retry-after")
    try:
        if milliseconds is not None:
            found = float(milliseconds) / 1000
        else:
            found = float(seconds) if seconds is not None else math.nan
    except ValueError:
        return None
    return max(0.0, found) if math.isfinite(found) else None
