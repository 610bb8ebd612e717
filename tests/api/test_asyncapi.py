"""What is heard on the broker is as the AsyncAPI document of the service says."""

from __future__ import annotations

from typing import Any

from simulator.schema import Fault
from tests.api.caller import Caller, as_object
from tests.support.schemas import Schema, found_at
from tests.support.stack import EventLog, Stack
from tests.support.waiting import wait_for


def test_what_is_published_is_as_the_document_says(caller: Caller, stack: Stack, events: EventLog) -> None:
    document = as_object(caller.http.get("/asyncapi.json"))
    messages = {message["name"]: message for message in document["components"]["messages"].values()}
    stack.simulator.add_faults(Fault(kind="status", status=400, match="DOOMED"))
    replied = caller.ask("Hello", customerId="CUSTOMER-7", metadata={"email": "eva@example.com", "none": None})
    caller.result(caller.begin("DOOMED", customerId="CUSTOMER-7", sessionId=replied["sessionId"]))
    assert caller.http.patch(f"/api/sessions/{replied['sessionId']}", json={"handler": "human"}).status_code == 200
    closed = caller.http.patch(f"/api/sessions/{replied['sessionId']}", json={"status": "closed"})
    assert closed.status_code == 200, closed.text

    awaited = {"chat.reply.completed", "chat.reply.failed", "session.assigned", "session.closed"}

    def mine() -> dict[str, dict[str, Any]] | None:
        heard = {event["type"]: event for event in events.events if event.get("subject") == replied["sessionId"]}
        return heard if awaited <= heard.keys() else None

    for kind, event in wait_for("the events", mine).items():
        Schema(document, messages[kind]["payload"]).check(event)
        attributes = {name: value for name, value in event.items() if name != "data"}
        assert "CUSTOMER-7" not in str(attributes)
        assert "eva@" not in str(attributes)
        assert event["data"]["customerId"] == "CUSTOMER-7"
        assert found_at(document, messages[kind]["payload"]["$ref"])["properties"]["type"]["const"] == kind
