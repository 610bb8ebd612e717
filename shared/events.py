"""What the service announces: CloudEvents 1.0 envelopes on a topic exchange.

Routing keys are `tenant.type`, such as `acme.chat.reply.completed`; tenants hold no dot. Events carry references;
their content only where `EVENTS_INCLUDE_CONTENT` asks for it. Who a customer is stands in `data` alone: attributes are
logged and routed by. An event may come more than once, always with the same id.
Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field

from shared.models import ChatRequest, Failure, Handler, Metadata, Model, Result
from shared.storage.types import Changer, OutboxRow

ERASED = "left out of what happened to one who was erased"
CONTENT = "only with EVENTS_INCLUDE_CONTENT"


class About(Model):
    """What every event is about."""

    session_id: str
    customer_id: str | None = Field(None, description=ERASED)


class AboutRequest(About):
    """A request that has ended."""

    request_id: str
    result_url: str = Field(description="where its result is read")
    metadata: Metadata = Field(description="as sent with the request")


class CompletedData(AboutRequest):
    """A reply."""

    result: Result | None = Field(None, description=CONTENT)


class FailedData(AboutRequest):
    """Why there is no reply."""

    failure: Failure | None = Field(None, description=CONTENT)


class SummarizedData(About):
    """A summary."""

    summary_url: str = Field(description="where it is read")


class MemoryData(About):
    """Memory entries."""

    memory_url: str = Field(description="where they are read")


class AssignedData(About):
    """Who answers from now on."""

    handler: Handler = Field(description="the agent, or a person, who has taken over")
    by: Changer = Field(description="who said so: the platform of a hook, a caller of the API, the agent's hand-off")


class MergedData(Model):
    """Two customers who are one."""

    customer_id: str = Field(description="who it is")
    merged_customer_id: str = Field(description="who stands for that one from now on")


class Event(Model):
    """A CloudEvents 1.0 envelope."""

    specversion: Literal["1.0"]
    id: str = Field(description="the same each time this event is delivered")
    source: str = Field(description="`/customer-memory/` and the tenant")
    time: datetime = Field(description="when it happened, by the store's clock")
    datacontenttype: Literal["application/json"]


class SessionEvent(Event):
    """What happened in a session."""

    subject: str = Field(description="the session")


class ReplyCompleted(SessionEvent):
    """A request has its reply."""

    type: Literal["chat.reply.completed"]
    data: CompletedData


class ReplyFailed(SessionEvent):
    """A request has failed, and says why."""

    type: Literal["chat.reply.failed"]
    data: FailedData


class SessionClosed(SessionEvent):
    """A session was closed."""

    type: Literal["session.closed"]
    data: About


class SessionAssigned(SessionEvent):
    """Who answers in a session has changed."""

    type: Literal["session.assigned"]
    data: AssignedData


class SessionSummarized(SessionEvent):
    """A session has a new summary."""

    type: Literal["session.summarized"]
    data: SummarizedData


class MemoryUpdated(SessionEvent):
    """Memory entries were extracted from a session, or resolved by it."""

    type: Literal["memory.updated"]
    data: MemoryData


class CustomerMerged(Event):
    """A customer was merged into another: what was kept of them is the other's."""

    type: Literal["customer.merged"]
    data: MergedData


EVENT_TYPES: dict[str, type[Event]] = {
    "chat.reply.completed": ReplyCompleted,
    "chat.reply.failed": ReplyFailed,
    "session.assigned": SessionAssigned,
    "session.closed": SessionClosed,
    "session.summarized": SessionSummarized,
    "customer.merged": CustomerMerged,
    "memory.updated": MemoryUpdated,
}


def routing_key(row: OutboxRow) -> str:
    """Return the key an event is routed by."""
    return f"{row.tenant}.{row.type}"


def envelope(row: OutboxRow, content: ChatRequest | None = None) -> dict[str, Any]:
    """Return the CloudEvents envelope of a row; with `content`, its request's result or failure is told in full."""
    data: dict[str, Any] = {"sessionId": row.session_id} if row.session_id else {}
    if row.customer_id:  # one who was erased is not told
        data["customerId"] = row.customer_id
    if row.request_id is not None:
        data |= {
            "requestId": row.request_id,
            "resultUrl": f"/api/chat/{row.request_id}",
            "metadata": row.metadata,
        }
    if row.merged is not None:
        data["mergedCustomerId"] = row.merged
    if row.handler is not None:
        data |= {"handler": row.handler, "by": row.by}
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
        **({"subject": row.session_id} if row.session_id else {}),
        "time": row.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }
