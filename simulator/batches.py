"""Message batches as they stand at a moment: nothing runs, the clock says how far each one is.

The requests of a batch are answered one after another, evenly over its seconds. What a cancellation, or the end of its
day, finds unanswered, stays so.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Literal

from simulator.errors import ApiError
from simulator.schema import BatchRecord

DAY = 86_400.0
MOST_REQUESTS = 100_000
CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")

Ending = Literal["answered", "canceled", "expired"]
Status = Literal["in_progress", "canceling", "ended"]


@dataclass(slots=True)
class Batch:
    """One batch. `results`: the finished lines by position, so that asking twice answers the same."""

    id: str
    created: float
    requests: list[tuple[str, dict[str, Any]]]
    seconds: float
    canceled: float | None = None
    day: float = DAY
    results: dict[int, dict[str, Any]] = field(default_factory=dict)

    def ending(self, position: int) -> Ending:
        """Return what becomes of a request once the batch has ended."""
        answered = self.created + self.seconds * (position + 1) / len(self.requests)
        over = self.created + self.day
        if self.canceled is not None and self.canceled < min(answered, over):
            return "canceled"
        return "expired" if answered > over else "answered"

    def ended_at(self) -> float:
        """Return when it ends, or will."""
        end = self.created + min(self.seconds, self.day)
        return end if self.canceled is None else min(end, self.canceled)

    def ended(self, now: float) -> bool:
        """Whether it has ended."""
        return now >= self.ended_at()

    def finish(self, now: float) -> None:
        """Answer what is left at once."""
        self.seconds = min(self.seconds, max(now - self.created, 0.0))

    def expire(self, now: float) -> None:
        """Let its day be over."""
        self.day = min(self.day, max(now - self.created, 0.0))

    def order(self) -> list[int]:
        """Return the positions as results come: in an order of their own, the same each time."""
        return sorted(
            range(len(self.requests)), key=lambda at: blake2b(self.requests[at][0].encode(), digest_size=8).digest()
        )

    def record(self, now: float) -> BatchRecord:
        """Return the record as the control API shows it."""
        ended = self.ended(now)
        passed = 1.0 if self.seconds == 0 or ended else (now - self.created) / self.seconds
        answered = sum(self.ending(at) == "answered" for at in range(len(self.requests)))
        return BatchRecord(
            id=self.id,
            at=self.created,
            status="ended" if ended else "in_progress",
            custom_ids=[custom_id for custom_id, _ in self.requests],
            answered=answered if ended else int(len(self.requests) * passed),
        )

    def message(self, now: float, base_url: str, *, canceling: bool = False) -> dict[str, Any]:
        """Return the `message_batch` object. Until it has ended, all its requests count as processing."""
        ended = self.ended(now) and not canceling
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        for position in range(len(self.requests)):
            counts[self._counted(position) if ended else "processing"] += 1
        status: Status = "ended" if ended else "canceling" if canceling else "in_progress"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": counts,
            "created_at": _iso(self.created),
            "expires_at": _iso(self.created + DAY),
            "ended_at": _iso(self.ended_at()) if ended else None,
            "cancel_initiated_at": None if self.canceled is None else _iso(self.canceled),
            "archived_at": None,
            "results_url": f"{base_url}/v1/messages/batches/{self.id}/results" if ended else None,
        }

    def _counted(self, position: int) -> str:
        ending = self.ending(position)
        if ending != "answered":
            return ending
        return str(self.results[position]["type"]) if position in self.results else "succeeded"


class Batches:
    """All batches handed in, in their order."""

    def __init__(self) -> None:
        self._batches: dict[str, Batch] = {}

    def add(self, batch: Batch) -> None:
        """Take one in."""
        self._batches[batch.id] = batch

    def get(self, batch_id: str) -> Batch:
        """Return one; 404 when there is none."""
        if batch_id not in self._batches:
            raise ApiError(404, f"batch: {batch_id}")
        return self._batches[batch_id]

    def all(self) -> list[Batch]:
        """Return all, oldest first."""
        return list(self._batches.values())


def requests_of(body: Any) -> list[tuple[str, dict[str, Any]]]:
    """Read the body of a new batch; 400 naming what is wrong. Whether each request is valid, shows in its result."""
    entries = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ApiError(400, "requests: at least one request is required")
    if len(entries) > MOST_REQUESTS:
        raise ApiError(400, f"requests: at most {MOST_REQUESTS} requests are allowed")
    found: dict[str, dict[str, Any]] = {}
    for at, entry in enumerate(entries):
        custom_id = entry.get("custom_id") if isinstance(entry, dict) else None
        if not isinstance(custom_id, str) or CUSTOM_ID.fullmatch(custom_id) is None:
            raise ApiError(400, f"requests.{at}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        if custom_id in found:
            raise ApiError(400, f"requests.{at}.custom_id: duplicate custom_id {custom_id!r}")
        if not isinstance(entry.get("params"), dict):
            raise ApiError(400, f"requests.{at}.params: Field required")
        found[custom_id] = entry["params"]
    return list(found.items())


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
