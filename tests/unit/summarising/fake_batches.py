"""Claude's Message Batches without Claude: kept in memory, ended when a test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from shared.errors import ClaudeLater
from shared.models import TokenUsage
from shared.prompt import Batch, BatchRequest, BatchResult, Reply

GOOD = "The customer waits for a parcel, and was told to be patient."
USAGE = TokenUsage(input=100, output=20, total=120)


def replied(request: BatchRequest) -> BatchResult:
    """Answer a request with a good summary."""
    return BatchResult(request.custom_id, Reply(GOOD, USAGE, request.prompt.model, "end_turn", cut=False))


def expired(request: BatchRequest) -> BatchResult:
    """Let a request's day be over."""
    return BatchResult(request.custom_id, failure=ClaudeLater("expired", "too late"))


@dataclass
class FakeBatches:
    """Implements `shared.prompt.BatchClient`.

    `lose`: how many of the next batches are handed in while the answer gets lost. `answer`: what becomes of a request.
    `cut_after`: after how many results the next stream breaks off.
    """

    clock: Callable[[], int]
    ended: bool = True
    lose: int = 0
    cut_after: int | None = None
    answer: Callable[[BatchRequest], BatchResult] = replied
    batches: dict[str, list[BatchRequest]] = field(default_factory=dict)
    canceled: set[str] = field(default_factory=set)
    made: dict[str, datetime] = field(default_factory=dict)

    async def create(self, requests: Sequence[BatchRequest]) -> Batch:
        """See `BatchClient.create`."""
        batch_id = f"msgbatch_{len(self.batches)}"
        self.batches[batch_id] = list(requests)
        self.made[batch_id] = datetime.fromtimestamp(self.clock() / 1000, UTC)
        if self.lose:
            self.lose -= 1
            raise ClaudeLater("timeout", "the answer was lost")
        return await self.retrieve(batch_id)

    async def retrieve(self, batch_id: str) -> Batch:
        """See `BatchClient.retrieve`."""
        count, at = len(self.batches[batch_id]), self.made[batch_id]
        begun = Batch(batch_id, "in_progress", at, at + timedelta(days=1), count, 0, 0, 0, 0)
        done = self.ended or batch_id in self.canceled
        return replace(begun, status="ended", processing=0, succeeded=count) if done else begun

    async def since(self, moment: datetime) -> AsyncIterator[Batch]:
        """See `BatchClient.since`."""
        for batch_id in list(self.batches)[::-1]:
            if self.made[batch_id] >= moment:
                yield await self.retrieve(batch_id)

    async def results(self, batch_id: str) -> AsyncIterator[BatchResult]:
        """See `BatchClient.results`: in another order than they were asked."""
        for number, request in enumerate(reversed(self.batches[batch_id])):
            if number == self.cut_after:
                self.cut_after = None
                raise ClaudeLater("stream-cut", "the results broke off")
            if batch_id in self.canceled:
                yield BatchResult(request.custom_id, failure=ClaudeLater("canceled", "it was canceled"))
            else:
                yield self.answer(request)

    async def cancel(self, batch_id: str) -> Batch:
        """See `BatchClient.cancel`."""
        self.canceled.add(batch_id)
        return await self.retrieve(batch_id)

    async def close(self) -> None:
        """Nothing to close."""

    @property
    def asked(self) -> list[str]:
        """The sessions asked for, as often as they were."""
        return [request.custom_id.partition("-")[0] for each in self.batches.values() for request in each]
