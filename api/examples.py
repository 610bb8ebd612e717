"""Examples of the OpenAPI document, by operation: what is sent, and what is answered."""

from __future__ import annotations

from typing import Any

from api.event_schemas import REQUEST, SESSION

Operation = tuple[str, str]

STATUS_URL = f"/api/chat/{REQUEST}"
ACCEPTED_AT, DEADLINE_AT, FINISHED_AT = "2026-11-22T10:06:54Z", "2026-11-22T10:21:54Z", "2026-11-22T10:06:56.583Z"
REPLIED: dict[str, Any] = {
    "requestId": REQUEST,
    "sessionId": SESSION,
    "status": "succeeded",
    "reply": "It is at the depot, and comes tomorrow.",
    "tokenUsage": {"input": 350, "output": 12, "total": 362, "cacheRead": 0, "cacheWrite": 0},
    "memoryUpdated": True,
    "model": "claude-sonnet-4-6",
    "stopReason": "end_turn",
    "simulated": False,
    "attempts": 1,
    "acceptedAt": ACCEPTED_AT,
    "deadlineAt": DEADLINE_AT,
    "finishedAt": FINISHED_AT,
    "metadata": {"channel": "web"},
}
STREAMED = (
    'retry: 1000\n\nid: 1.16\nevent: delta\ndata: {"text": "It is at the dep"}\n\n'
    'id: 1.39\nevent: result\ndata: {"requestId": "…", "status": "succeeded", "reply": "It is at the depot, …", …}\n\n'
)

SENT: dict[Operation, Any] = {
    ("post", "/api/chat"): {
        "customerId": "eva",
        "conversationId": "ticket-1",
        "message": "Where is my parcel?",
        "metadata": {"channel": "web"},
    },
    ("post", "/api/sessions"): {"customerId": "eva"},
    ("post", "/api/sessions/{session_id}/messages"): {
        "role": "assistant",
        "author": "Jonas",
        "content": "I have refunded you.",
    },
    ("post", "/api/memory"): {"customerId": "eva", "key": "language", "value": "German", "scope": "preference"},
    ("put", "/api/callbacks"): {"url": "https://hooks.example.com/customer-memory"},
    ("post", "/api/callbacks/secret"): {"overlapHours": 24},
    ("post", "/api/deliveries/replay"): {"since": "2026-11-20T00:00:00Z", "status": "dead"},
}
ANSWERED: dict[Operation, dict[str, Any]] = {
    ("post", "/api/chat"): {
        "200": REPLIED,
        "202": {
            "requestId": REQUEST,
            "sessionId": SESSION,
            "status": "queued",
            "statusUrl": STATUS_URL,
            "eventsUrl": f"{STATUS_URL}/events",
        },
        "404": {
            "type": "/problems/unknown-session",
            "title": "Unknown session",
            "status": 404,
            "detail": "No such session. It may have been deleted, or belong to another customer.",
        },
    },
    ("get", "/api/chat/{request_id}"): {"200": REPLIED},
    ("get", "/api/chat/{request_id}/events"): {"200": STREAMED},
}


def add_examples(operation: dict[str, Any], method: str, path: str) -> None:
    """Put the examples of an operation beside its schemas."""
    if (method, path) in SENT:
        for body in operation["requestBody"]["content"].values():
            body["example"] = SENT[method, path]
    for status, example in ANSWERED.get((method, path), {}).items():
        for body in operation["responses"][status]["content"].values():
            body["example"] = example
