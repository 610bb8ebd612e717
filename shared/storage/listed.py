"""What a list of requests reads of their records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from shared.clock import from_ms
from shared.models import Failure
from shared.storage.tenant_index import ListedRequest

DELETED: Final = "session-deleted"  # the failure of requests whose session was deleted
LISTED: Final = (
    "session",
    "customer",
    "status",
    "accepted",
    "deadline",
    "finished",
    "attempts",
    "cause",
    "due",
    "failure",
    "model",
    "replay_of",
    "deleted",
)


def listed(identifier: str, record: Mapping[str, Any]) -> ListedRequest | None:
    """Return a request as lists tell it, from some of its fields; None where it is not listed any more."""
    failure = Failure.model_validate_json(record["failure"]) if record.get("failure") else None
    if not record.get("status") or record.get("deleted") or (failure and failure.type == DELETED):
        return None
    waits = record["status"] == "queued" and record.get("cause")
    return ListedRequest(
        id=identifier,
        session_id=record["session"],
        customer_id=record["customer"],
        status=record["status"],
        accepted_at=from_ms(int(record["accepted"])),
        deadline_at=from_ms(int(record["deadline"])),
        finished_at=_moment(record.get("finished")),
        attempts=int(record.get("attempts") or 0),
        waiting_for=waits or None,
        due_at=_moment(record.get("due")) if waits else None,
        failure=failure,
        model=record.get("model"),
        replay_of=record.get("replay_of"),
    )


def _moment(milliseconds: Any) -> datetime | None:
    return from_ms(int(milliseconds)) if milliseconds else None
