"""Every error of the API as `application/problem+json`, from one table.

Source: RFC 9457, https://www.rfc-editor.org/rfc/rfc9457
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flask import Response
from pydantic import Field, ValidationError

from shared.errors import (
    BadCursor,
    ContextGone,
    ConversationMismatch,
    ConversationMoved,
    CustomerErasing,
    CustomerMerged,
    KeyReused,
    Malformed,
    MemoryFull,
    MergeBusy,
    MergeRefused,
    NoSecretKey,
    NotGenuine,
    NotReplayable,
    SessionBusy,
    SessionClosed,
    SessionExpired,
    StoreError,
    StoreUnavailable,
    UnknownBatch,
    UnknownCustomer,
    UnknownDelivery,
    UnknownHook,
    UnknownMemory,
    UnknownMessage,
    UnknownRequest,
    UnknownSession,
    UnknownSummary,
)
from shared.models import Failure, Model

PROBLEM_TYPE = "application/problem+json"
RETRY_SECONDS = 2
MOST_ERRORS = 20
LONGEST_NAME = 100


class FieldProblem(Model):
    """What is wrong with one field: where it is, as a JSON pointer, and the mend."""

    pointer: str
    message: str


class ProblemDetails(Model):
    """An error, as RFC 9457 tells it. `type` is stable."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = Field(default_factory=list)
    instance: str | None = Field(None, description="the chat request that failed")
    request_id: str | None = None


class Kind(NamedTuple):
    """One row of the table: HTTP status, stable slug, title."""

    status: int
    slug: str
    title: str


INVALID = Kind(400, "invalid-request", "The request is not valid")
UNAUTHENTICATED = Kind(401, "unauthenticated", "An API key is needed")
FORBIDDEN = Kind(403, "forbidden", "Not allowed")
TOO_MANY = Kind(429, "too-many-attempts", "Too many attempts")
TOO_LARGE = Kind(413, "too-large", "Too large")
TOO_SLOW = Kind(408, "too-slow", "The body did not come in time")
AWAY = Kind(503, "store-unavailable", "The store is away")
INTERNAL = Kind(500, "internal-error", "Something went wrong here")

KINDS: Mapping[type[Exception], Kind] = {
    UnknownSession: Kind(404, "unknown-session", "No such session"),
    UnknownRequest: Kind(404, "unknown-request", "No such request"),
    UnknownMessage: Kind(404, "unknown-message", "No such message"),
    UnknownMemory: Kind(404, "unknown-memory", "No such memory entry"),
    SessionClosed: Kind(409, "session-closed", "The session is closed"),
    SessionExpired: Kind(409, "session-expired", "The session is over"),
    SessionBusy: Kind(429, "session-busy", "Too many requests wait in this session"),
    ConversationMoved: Kind(409, "conversation-moved", "The conversation has a newer session"),
    ConversationMismatch: Kind(409, "conversation-mismatch", "The session belongs to another conversation"),
    KeyReused: Kind(422, "idempotency-key-reused", "The Idempotency-Key was used with another body"),
    CustomerMerged: Kind(409, "customer-merged", "The customer was merged into another"),
    MergeRefused: Kind(409, "merge-refused", "These customers cannot be merged"),
    MergeBusy: Kind(409, "merge-busy", "Another merge is under way"),
    CustomerErasing: Kind(409, "customer-erasing", "The customer is being erased"),
    UnknownSummary: Kind(404, "unknown-summary", "No summary yet"),
    UnknownCustomer: Kind(404, "unknown-customer", "No such customer"),
    NotReplayable: Kind(409, "not-replayable", "The request cannot be replayed"),
    UnknownDelivery: Kind(404, "unknown-delivery", "No such delivery"),
    UnknownHook: Kind(404, "unknown-hook", "No such hook"),
    NotGenuine: Kind(401, "not-genuine", "Not proven to be the platform's"),
    Malformed: Kind(400, "malformed-delivery", "Not as its platform makes them"),
    NoSecretKey: Kind(409, "no-secret-key", "Nothing can be signed here"),
    UnknownBatch: Kind(404, "unknown-batch", "No such batch"),
    ContextGone: Kind(410, "context-gone", "The context cannot be made again"),
    MemoryFull: Kind(409, "memory-full", "The customer's memory is full"),
    BadCursor: Kind(400, "invalid-cursor", "Not a cursor of ours"),
    StoreUnavailable: AWAY,
    StoreError: Kind(500, "store-error", "The store answered with an error"),
}

HTTP_SLUGS = {404: "unknown-path", 405: "method-not-allowed", 413: TOO_LARGE.slug, 415: "unsupported-media-type"}

FAILURE_STATUS = {"deadline": 504, "session-deleted": 410, "taken-over": 409, "poison": 500}
CLAUDE_FAILED_STATUS = 502


class Problem(Exception):
    """An error on its way to the caller."""

    def __init__(
        self, kind: Kind, detail: str, errors: Sequence[tuple[str, str]] = (), *, after: int = RETRY_SECONDS
    ) -> None:
        super().__init__(detail)
        self.after = after
        self.kind = kind
        self.detail = detail
        self.errors = errors


def kind_of(error: Exception) -> Kind | None:
    """Return the table's row for an error, the most special first; None where it has none."""
    return next((KINDS[cls] for cls in type(error).__mro__ if cls in KINDS), None)


def invalid(pointer: str, message: str) -> Problem:
    """Return the problem of one field."""
    return Problem(INVALID, f"{pointer}: {message}", [(pointer, message)])


def from_validation(error: ValidationError, below: str = "") -> Problem:
    """Return the problem of a model, found `below` a pointer, that refused its input; it names fields, no values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    errors = [(below + _pointer(item["loc"]), _words(item)) for item in found[:MOST_ERRORS]]
    first = f"{errors[0][0]}: {errors[0][1]}"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Problem(INVALID, first + more, errors)


def body_of(
    kind: Kind,
    detail: str,
    errors: Sequence[tuple[str, str]] = (),
    request_id: str | None = None,
    instance: str | None = None,
) -> bytes:
    """Return the JSON of a problem."""
    details = ProblemDetails(
        type=f"/problems/{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        errors=[FieldProblem(pointer=pointer, message=message) for pointer, message in errors],
        instance=instance,
        request_id=request_id,
    )
    shown = details.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not errors:
        del shown["errors"]
    # A lone surrogate in a field's name has no UTF-8; its escape is JSON all the same.
    return json.dumps(shown, ensure_ascii=False).encode(errors="backslashreplace")


def respond(
    kind: Kind,
    detail: str,
    errors: Sequence[tuple[str, str]] = (),
    request_id: str | None = None,
    after: int = RETRY_SECONDS,
) -> Response:
    """Return a problem as a Flask response; `after`: seconds until asking again may help."""
    response = Response(body_of(kind, detail, errors, request_id), kind.status, content_type=PROBLEM_TYPE)
    if kind.status in {429, 503}:
        response.headers["Retry-After"] = str(after)
    if kind.status == UNAUTHENTICATED.status:
        response.headers["WWW-Authenticate"] = 'Bearer realm="customer-memory"'
    return response


def failure_kind(failure: Failure) -> Kind:
    """Return how a failed request is told to a caller that waited for its reply."""
    return Kind(FAILURE_STATUS.get(failure.type, CLAUDE_FAILED_STATUS), failure.type, "The request failed")


def _pointer(location: Sequence[str | int]) -> str:
    """Return a JSON pointer (RFC 6901); names that are too long to be meant are shortened."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "".join(f"/{part if len(part) <= LONGEST_NAME else part[:LONGEST_NAME] + '…'}" for part in parts)


def _words(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown field; remove it"
    if item["type"] == "missing":
        return "is required"
    text = str(item["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
