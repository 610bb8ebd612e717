"""What was asked and what became of it: numbers always, bodies unless told not to keep them."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic_core import from_json

from simulator.schema import Outcome, RequestRecord, Stats

MAX_RECORDS = 10_000
MAX_BYTES = 256 * 2**20  # of bodies; the oldest records go first

# Never the key.
KEPT_HEADERS = (
    "anthropic-version",
    "anthropic-beta",
    "content-type",
    "user-agent",
    "idempotency-key",
    "traceparent",
    "x-stainless-retry-count",
    "x-stainless-timeout",
)


@dataclass(slots=True)
class Entry:
    """One request while it is answered, and after. The body stays as bytes until somebody reads the record."""

    number: int
    request_id: str
    at: float
    headers: dict[str, str]
    body: bytes = b""
    status: int | None = None
    stop_reason: str | None = None
    outcome: Outcome = "open"
    ended: float | None = None
    kept: bool = False  # still among the records

    def record(self) -> RequestRecord:
        """Return the record as the control API shows it."""
        try:
            body = from_json(self.body)
        except ValueError:
            body = None
        return RequestRecord(
            number=self.number,
            request_id=self.request_id,
            at=self.at,
            duration_ms=None if self.ended is None else (self.ended - self.at) * 1000,
            headers=self.headers,
            body=body,
            status=self.status,
            stop_reason=self.stop_reason,
            outcome=self.outcome,
        )


class Recorder:
    """Counts every request; keeps the last 10,000 of at most 256 MB together when `keep` is true."""

    def __init__(self, clock: Callable[[], float], *, keep: bool) -> None:
        self._clock = clock
        self._keep = keep
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._requests = 0
        self._open = 0
        self._max_open = 0

    def open(self, request_id: str, headers: Mapping[str, str]) -> Entry:
        """Begin an entry."""
        self._requests += 1
        self._open += 1
        self._max_open = max(self._max_open, self._open)
        kept = {name: headers[name] for name in KEPT_HEADERS if name in headers} if self._keep else {}
        entry = Entry(self._requests, request_id, self._clock(), kept, kept=self._keep)
        if self._keep:
            self._entries.append(entry)
            self._trim()
        return entry

    def body(self, entry: Entry, body: bytes) -> None:
        """Keep the body that has arrived."""
        if entry.kept:
            entry.body = body
            self._bytes += len(body)
            self._trim()

    def close(self, entry: Entry, outcome: Outcome, status: int | None = None, stop_reason: str | None = None) -> None:
        """End an entry; the first end counts."""
        if entry.outcome == "open":
            entry.outcome, entry.status, entry.stop_reason = outcome, status, stop_reason
            entry.ended = self._clock()
            self._open -= 1

    def since(self, number: int) -> list[RequestRecord]:
        """Return the records numbered above `number`, oldest first."""
        return [entry.record() for entry in self._entries if entry.number > number]

    def clear(self) -> None:
        """Forget the records and the high-water mark; numbering goes on."""
        while self._entries:
            self._drop_oldest()
        self._max_open = self._open

    def stats(self) -> Stats:
        """Return the counts."""
        return Stats(requests=self._requests, open=self._open, max_open=self._max_open)

    def _trim(self) -> None:
        while len(self._entries) > MAX_RECORDS or self._bytes > MAX_BYTES:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = self._entries.popleft()
        oldest.kept = False
        self._bytes -= len(oldest.body)
