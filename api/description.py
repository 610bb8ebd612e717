"""What the OpenAPI document tells beyond the routes and their models: headers, keys, media types."""

from __future__ import annotations

from typing import Any

from api.callback_schemas import CALLBACKS
from api.event_schemas import REFERENCE, event_schemas, example
from api.examples import add_examples
from api.problems import PROBLEM_TYPE
from shared.events import Event

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
    ("post", "/api/hooks"): {"413": "The settings are too large"},
    ("patch", "/api/hooks/{hook_id}"): {"413": "The settings are too large"},
    ("post", "/api/memory"): {"413": "The value is too large"},
    ("post", "/api/sessions"): {"413": "The metadata is too large"},
    ("post", "/api/sessions/{session_id}/messages"): {"413": "The message is too large"},
}
# What a receiver is sent besides the event, and what its answer does.
SIGNATURE = (
    ("webhook-id", "the event's id, the same in each attempt: remember it for three days", {"type": "string"}),
    ("webhook-timestamp", "seconds since 1970, of this attempt", {"type": "integer"}),
    (
        "webhook-signature",
        "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; one for each valid secret, parted by spaces",
        {"type": "string", "pattern": "^v1,[A-Za-z0-9+/]{43}=( v1,[A-Za-z0-9+/]{43}=)*$"},
    ),
)
RECEIVED = {
    "2XX": "Delivered. The body is not looked at",
    "410": "Given up, and nothing more is posted to this endpoint until `POST /api/callbacks/resume`",
    "429": "Tried again, and not before `Retry-After`; so with any other answer that names one",
    "default": "Tried again: ten attempts in about three days. A redirect is not followed",
}
STREAMS = {
    ("get", "/api/chat/{request_id}/events"): "delta, reset, then result or failed",
    ("get", "/api/live"): "change, with the topics in which something has changed",
}
WEBHOOK = ("post", "/webhooks/{platform}/{hook_id}")
POSTED = {
    "required": True,
    "description": "what the platform posts, in its own words; a rule's template may come as a form",
    "content": {"application/json": {"schema": {}}, "application/x-www-form-urlencoded": {"schema": {}}},
}
JSON_LINES = frozenset({("get", "/api/customers/{customer_id}/export")})


def described(document: dict[str, Any], *, simulated: bool) -> dict[str, Any]:
    """Return the document, completed in place; doing so again changes nothing."""
    info = document["info"]
    if simulated and not info["description"].startswith(SIMULATED):
        info["description"] = f"{SIMULATED} {info['description']}"
    document["components"]["schemas"].update(event_schemas(CALLBACKS.values()))
    posted = {kind: {"post": _posted(kind, model)} for kind, model in CALLBACKS.items()}
    document["paths"]["/api/chat"]["post"]["callbacks"] = {
        kind: {"{$request.body#/callbackUrl}": item} for kind, item in posted.items()
    }
    document["webhooks"] = posted
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, method, path)
    return document


def _posted(kind: str, model: type[Event]) -> dict[str, Any]:
    return {
        "summary": " ".join((model.__doc__ or "").split()),
        "description": (
            "Signed by Standard Webhooks 1.0, with the secret of `POST /api/callbacks/secret`. At least once, "
            "always under the same `webhook-id`. Answer within `CALLBACK_TIMEOUT_SECONDS`, and work afterwards."
        ),
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": schema}
            for name, text, schema in SIGNATURE
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/cloudevents+json": {
                    "schema": {"$ref": f"{REFERENCE}{model.__name__}"},
                    "example": example(kind, content=True),
                }
            },
        },
        "responses": {status: {"description": text} for status, text in RECEIVED.items()},
    }


def _complete(operation: dict[str, Any], method: str, path: str) -> None:
    if (method, path) == WEBHOOK:
        operation["requestBody"] = POSTED
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
            "description": f"Server-sent events: {STREAMS[method, path]}",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    add_examples(operation, method, path)
