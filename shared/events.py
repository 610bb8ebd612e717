"""What the service announces: CloudEvents 1.0 envelopes on a topic exchange.

Routing keys are `tenant.type`, such as `acme.chat.reply.completed`; tenants hold no dot. Events carry references;
their content only where `EVENTS_INCLUDE_CONTENT` asks for it. An event may come more than once, always with the same
id. Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from shared.models import ChatRequest
from shared.storage.types import OutboxRow

EVENT_TYPES = {
    "chat.reply.completed": "A request has its reply.",
    "chat.reply.failed": "A request has failed, and says why.",
    "session.closed": "A session was closed.",
    "session.summarized": "A session has a new summary.",
    "memory.updated": "Memory entries were extracted from a session, or resolved by it.",
}


def routing_key(row: OutboxRow) -> str:
    """Return the key an event is routed by."""
    return f"{row.tenant}.{row.type}"


def envelope(row: OutboxRow, content: ChatRequest | None = None) -> dict[str, Any]:
    """Return the CloudEvents envelope of a row; with `content`, its request's result or failure is told in full."""
    data: dict[str, Any] = {"sessionId": row.session_id}
    if row.customer_id:  # one who was erased is not told
        data["customerId"] = row.customer_id
    if row.request_id is not None:
        data |= {
            "requestId": row.request_id,
            "resultUrl": f"/api/chat/{row.request_id}",
            "metadata": row.metadata,
        }
    if row.type == "session.summarized":
        data["summaryUrl"] = f"/api/sessions/{row.session_id}/summary"
    if row.type == "memory.updated":
        data["memoryUrl"] = f"/api/memory?customerId={quote(row.customer_id, safe='')}"
    if content is not None:
        data |= content.model_dump(mode="json", by_alias=True, include={"result", "failure"}, exclude_none=True)
    return {
        "specversion": "1.0",
        "id": row.id,
        "source": f"/customer-memory/{row.tenant}",
        "type": row.type,
        "subject": row.session_id,
        "time": row.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }
