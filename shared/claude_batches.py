"""Claude's Message Batches, through the Anthropic SDK: thousands of prompts within a day, at half price.

Source: https://platform.claude.com/docs/en/build-with-claude/batch-processing
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import anthropic
import httpx2
from anthropic import AsyncAnthropic, DefaultAioHttpClient
from anthropic.types import Message
from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse

from shared.claude import judged, request_of, translated
from shared.claude_heard import UsageSum
from shared.errors import ClaudeFailed, ClaudeLater
from shared.prompt import Batch, BatchRequest, BatchResult, Reply
from shared.settings import Settings

UPLOAD_SECONDS: Final = 600.0
PAGE: Final = 100

# An error of one request: its type says whether asking again may help.
FINAL: Final = {
    "invalid_request_error": "invalid-request",
    "authentication_error": "authentication",
    "billing_error": "billing",
    "permission_error": "permission",
    "not_found_error": "unknown-model",
    "request_too_large": "request-too-large",
}


class ClaudeBatches:
    """The Message Batches API, or the simulator in its place. Implements `shared.prompt.BatchClient`."""

    def __init__(self, settings: Settings) -> None:
        key = settings.anthropic_api_key
        self._client = AsyncAnthropic(
            api_key=key.get_secret_value() if key else "simulated",
            base_url=settings.anthropic_base_url if key else settings.simulator_url,
            max_retries=0,
            timeout=httpx2.Timeout(UPLOAD_SECONDS, connect=5.0),
            http_client=DefaultAioHttpClient(),
        )
        self._batches = self._client.messages.batches

    async def close(self) -> None:
        """See `shared.prompt.BatchClient.close`."""
        await self._client.close()

    async def create(self, requests: Sequence[BatchRequest]) -> Batch:
        """See `shared.prompt.BatchClient.create`."""
        body: Any = [{"custom_id": each.custom_id, "params": request_of(each.prompt)} for each in requests]
        with _translating():
            return _batch(await self._batches.create(requests=body))

    async def retrieve(self, batch_id: str) -> Batch:
        """See `shared.prompt.BatchClient.retrieve`."""
        with _translating():
            return _batch(await self._batches.retrieve(batch_id))

    async def since(self, moment: datetime) -> AsyncIterator[Batch]:
        """See `shared.prompt.BatchClient.since`."""
        with _translating():
            async for each in self._batches.list(limit=PAGE):
                if each.created_at < moment:
                    return
                yield _batch(each)

    async def results(self, batch_id: str) -> AsyncIterator[BatchResult]:
        """See `shared.prompt.BatchClient.results`."""
        with _translating():
            try:
                lines = await self._batches.results(batch_id)
            except anthropic.APIError:
                raise
            except anthropic.AnthropicError as error:  # the SDK's own: there is no address to read them from
                raise ClaudeLater("not-ended", "the batch has not ended: it has no results yet") from error
            async for line in lines:
                yield _result(line)

    async def cancel(self, batch_id: str) -> Batch:
        """See `shared.prompt.BatchClient.cancel`."""
        with _translating():
            return _batch(await self._batches.cancel(batch_id))


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except anthropic.APIStatusError as error:
        raise translated(error) from error
    except (anthropic.APITimeoutError, httpx2.TimeoutException) as error:
        raise ClaudeLater("timeout", "Claude did not answer about a batch in time") from error
    except anthropic.APIConnectionError as error:
        raise ClaudeLater("unreachable", "Claude could not be reached") from error
    except (httpx2.HTTPError, anthropic.AnthropicError, json.JSONDecodeError) as error:
        raise ClaudeLater("stream-cut", f"Claude's answer about a batch was cut off: {type(error).__name__}") from error


def _batch(told: MessageBatch) -> Batch:
    counts = told.request_counts
    return Batch(
        id=told.id,
        status=told.processing_status,
        created_at=told.created_at,
        expires_at=told.expires_at,
        processing=counts.processing,
        succeeded=counts.succeeded,
        errored=counts.errored,
        canceled=counts.canceled,
        expired=counts.expired,
    )


def _result(line: MessageBatchIndividualResponse) -> BatchResult:
    result = line.result
    if result.type == "succeeded":
        try:
            return BatchResult(line.custom_id, reply=_reply(result.message))
        except (ClaudeLater, ClaudeFailed) as error:
            return BatchResult(line.custom_id, failure=error)
    if result.type == "errored":
        kind, detail = result.error.error.type, f"Claude answered in a batch: {result.error.error.message[:300]}"
        final = FINAL.get(kind)
        failure = ClaudeFailed(final, detail) if final else ClaudeLater("server-error", detail)
        return BatchResult(line.custom_id, failure=failure)
    return BatchResult(line.custom_id, failure=ClaudeLater(result.type, f"the batch ended with this one {result.type}"))


def _reply(message: Message) -> Reply:
    usage = UsageSum()
    usage.read(message.usage)
    text = "".join(block.text for block in message.content if block.type == "text")
    return judged(text, usage.total(), message.model, message.stop_reason or "")
