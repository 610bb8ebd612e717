"""Schemas and examples of events, as both documents tell them: what the broker is given, and what is posted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic.json_schema import models_json_schema

from shared.events import Event, envelope
from shared.models import ChatRequest, Failure, Result, TokenUsage
from shared.storage.types import OutboxRow

REFERENCE = "#/components/schemas/"
TENANT, SESSION, REQUEST = "acme", "ses_0701m81bj81w32dspzzc7gb0t942", "req_0701m81bj81wrxkjpk7ya1cgs7pt"
AT = datetime(2026, 11, 22, 10, 6, 56, 583_000, UTC)
IDS = {
    "session.assigned": f"evt_{SESSION}_human_1795342016583",
    "session.closed": f"evt_{SESSION}_closed_1795342016583",
    "session.summarized": f"evt_{SESSION}_summary_3",
    "memory.updated": f"evt_{SESSION}_memory_12",
    "customer.merged": "evt_merged_5d0c1b7e2f9a4c6688d3e1f207",
}


def event_schemas(models: Iterable[type[Event]]) -> dict[str, Any]:
    """Return the models' schemas, by name, with those they refer to. Fields may be added: none is ruled out."""
    _, found = models_json_schema([(model, "validation") for model in models], ref_template=REFERENCE + "{model}")
    schemas: dict[str, Any] = found["$defs"]
    for schema in schemas.values():
        schema.pop("additionalProperties", None)
    return schemas


def example(kind: str, *, content: bool) -> dict[str, Any]:
    """Return an event of a type as it is published, or with `content` as it is posted."""
    of_request, of_customer = kind.startswith("chat."), kind.startswith("customer.")
    row = OutboxRow(
        id=IDS.get(kind, f"evt_{REQUEST}"),
        type=kind,
        tenant=TENANT,
        bucket="07",
        session_id="" if of_customer else SESSION,
        customer_id="eva",
        merged="anon-4711" if of_customer else None,
        at=AT,
        handler="human" if kind == "session.assigned" else None,
        by="platform" if kind == "session.assigned" else None,
        request_id=REQUEST if of_request else None,
        metadata={"channel": "web"} if of_request else {},
    )
    told: dict[str, Any] = json.loads(json.dumps(envelope(row, _ended(kind) if content and of_request else None)))
    return told


def _ended(kind: str) -> ChatRequest:
    request = ChatRequest(
        id=REQUEST,
        session_id=SESSION,
        customer_id="eva",
        status="succeeded" if kind.endswith("completed") else "failed",
        message="Where is my parcel?",
        accepted_at=AT,
        deadline_at=AT,
    )
    if kind.endswith("failed"):
        failure = Failure(type="deadline", detail="No reply within 15 minutes: overloaded: Claude answered 529.")
        return request.model_copy(update={"failure": failure})
    result = Result(
        session_id=SESSION,
        reply="It is at the depot, and comes tomorrow.",
        token_usage=TokenUsage(input=350, output=12, total=362),
        request_id=REQUEST,
        model="claude-sonnet-4-6",
        stop_reason="end_turn",
    )
    return request.model_copy(update={"result": result})
