"""What the routes share: answers from records, pages, limits that depend on the settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from flask_openapi3.types import ResponseDict
from pydantic import BaseModel, TypeAdapter

from api.attachment_schemas import AttachmentBody
from api.problems import TOO_LARGE, Problem, ProblemDetails, invalid
from api.services import services
from shared.models import Attachment
from shared.text import find_control

JSON = "application/json"
DEEPEST = 32
_LISTS: TypeAdapter[list[Any]] = TypeAdapter(list[Any])

# The answers any route may give beside its own.
PROBLEMS: ResponseDict = {
    400: ProblemDetails,
    401: ProblemDetails,
    403: ProblemDetails,
    429: ProblemDetails,
    503: ProblemDetails,
}


def answer(record: BaseModel, status: int = 200, *, nulls: bool = False) -> Response:
    """Return a record as JSON; fields that are null are told only with `nulls`."""
    return Response(record.model_dump_json(by_alias=True, exclude_none=not nulls), status, content_type=JSON)


def page(items: Sequence[BaseModel], cursor: str | None, *, nulls: bool = False) -> Response:
    """Return a page of records, with a link to the next one where there is one (RFC 8288)."""
    body = _LISTS.dump_json(list(items), by_alias=True, exclude_none=not nulls)
    response = Response(body, content_type=JSON)
    if cursor is not None:
        query = urlencode({**request.args.to_dict(), "cursor": cursor})
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return response


def check_length(pointer: str, text: str) -> None:
    """Refuse a message that is too long.

    Raises:
        Problem: 413.

    """
    most = services().settings.max_message_chars
    if len(text) > most:
        message = f"has {len(text):,} characters; at most {most:,} are taken (MAX_MESSAGE_CHARS)"
        raise Problem(TOO_LARGE, f"{pointer}: {message}", [(pointer, message)])


def check_size(pointer: str, value: Any, most: int, setting: str) -> None:
    """Refuse a JSON value that is too large, or holds what is no text.

    Raises:
        Problem: 413, 400.

    """
    _refuse_controls(pointer, value)
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    if size > most:
        message = f"is {size:,} bytes of JSON; at most {most:,} are taken ({setting})"
        raise Problem(TOO_LARGE, f"{pointer}: {message}", [(pointer, message)])


def kept_attachments(given: Sequence[AttachmentBody]) -> tuple[Attachment, ...]:
    """Return what was said of files as it is kept.

    Raises:
        Problem: 413.

    """
    told = [each.model_dump(mode="json", exclude_none=True) for each in given]
    check_size("/attachments", told, services().settings.max_metadata_bytes, "MAX_METADATA_BYTES")
    return tuple(each.kept for each in given)


def check_model(pointer: str, model: str | None) -> None:
    """Refuse a model that the deployment does not allow.

    Raises:
        Problem: 400.

    """
    allowed = services().settings.allowed_models
    if model is not None and model not in allowed:
        raise invalid(pointer, f"is not an allowed model; choose one of {', '.join(allowed)}")


def _refuse_controls(pointer: str, value: Any, depth: int = 0) -> None:
    if depth > DEEPEST:
        raise invalid("/" + pointer.split("/")[1], f"is nested more than {DEEPEST} deep; flatten it")
    if isinstance(value, str) and find_control(value) is not None:
        raise invalid(pointer, "must not contain control characters; remove them")
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        if isinstance(name, str) and find_control(name) is not None:
            raise invalid(pointer, "must not contain control characters in its names; remove them")
        _refuse_controls(f"{pointer}/{name}", child, depth + 1)
