"""What the OpenAPI document tells beyond the routes and their models: headers, keys, media types."""

from __future__ import annotations

from typing import Any

from api.callback_schemas import event_schemas
from api.problems import PROBLEM_TYPE

SCHEME = "apiKey"
PROBLEM = {"$ref": "#/components/schemas/ProblemDetails"}

SIMULATED = "**Replies are simulated here**: no ANTHROPIC_API_KEY is set."

HEADERS: dict[tuple[str, str], dict[str, str]] = {
    ("post", "/api/chat"): {
        "Prefer": "`wait=N`: hold the answer up to N seconds for the reply (RFC 7240)",
        "Idempotency-Key": "makes a retry safe for 24 hours, within the tenant; at most 255 printable characters",
    },
    ("get", "/api/chat/{request_id}/events"): {"Last-Event-ID": "the last event heard: the stream goes on after it"},
}
MORE_PROBLEMS: dict[tuple[str, str], dict[str, str]] = {
    ("post", "/api/chat"): {
        "410": "The session was deleted before the reply came",
        "413": "The message, its metadata or the body is too large",
        "422": "The Idempotency-Key was used with another body",
        "502": "The request failed: Claude gave no reply",
        "504": "The request failed: its deadline passed",
    },
    ("post", "/api/memory"): {"413": "The value is too large"},
    ("post", "/api/sessions"): {"413": "The metadata is too large"},
    ("post", "/api/sessions/{session_id}/messages"): {"413": "The message is too large"},
}
# What a receiver is sent: by a request's own address, or by the tenant's.
POSTED: dict[str, Any] = {
    "post": {
        "summary": "A result, signed by Standard Webhooks",
        "description": "At least once, and always under the same `webhook-id`. Answer 2xx within 15 s.",
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": kind}}
            for name, text, kind in (
                ("webhook-id", "the event's id, the same in each attempt", "string"),
                ("webhook-timestamp", "seconds since 1970, of this attempt", "integer"),
                ("webhook-signature", "`v1,` and base64, one for each valid secret, parted by spaces", "string"),
            )
        ],
        "requestBody": {
            "required": True,
            "content": {"application/cloudevents+json": {"schema": {"$ref": "#/components/schemas/CallbackEvent"}}},
        },
        "responses": {
            "2XX": {"description": "Taken"},
            "410": {"description": "Nothing more is posted to this endpoint until it is resumed"},
            "429": {"description": "Tried again after `Retry-After`, as with any other answer"},
            "default": {"description": "Tried again: ten attempts in three days. Redirects are not followed"},
        },
    }
}
STREAMS = frozenset({("get", "/api/chat/{request_id}/events")})
JSON_LINES = frozenset({("get", "/api/customers/{customer_id}/export")})


def described(document: dict[str, Any], *, simulated: bool) -> dict[str, Any]:
    """Return the document, completed in place; doing so again changes nothing."""
    info = document["info"]
    if simulated and not info["description"].startswith(SIMULATED):
        info["description"] = f"{SIMULATED} {info['description']}"
    document["components"]["schemas"].update(event_schemas())
    document["paths"]["/api/chat"]["post"]["callbacks"] = {"result": {"{$request.body#/callbackUrl}": POSTED}}
    document["webhooks"] = {"result": POSTED}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, method, path)
    return document


def _complete(operation: dict[str, Any], method: str, path: str) -> None:
    if path.startswith("/api/"):
        operation["security"] = [{SCHEME: []}]
    known = {parameter["name"] for parameter in operation.get("parameters", [])}
    operation.setdefault("parameters", []).extend(
        {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in HEADERS.get((method, path), {}).items()
        if name not in known
    )
    responses = operation["responses"]
    for status, text in MORE_PROBLEMS.get((method, path), {}).items():
        responses[status] = {"description": text, "content": {PROBLEM_TYPE: {"schema": PROBLEM}}}
    for response in responses.values():
        content = response.get("content", {})
        if PROBLEM["$ref"] in str(content.get("application/json", {}).get("schema")):
            del content["application/json"]
            content[PROBLEM_TYPE] = {"schema": PROBLEM}
    if (method, path) in JSON_LINES:
        responses["200"]["content"] = {"application/x-ndjson": responses["200"]["content"].popitem()[1]}
    if (method, path) in STREAMS:
        responses["200"] = {
            "description": "Server-sent events: delta, reset, then result or failed",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
