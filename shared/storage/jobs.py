"""What a store promises of work ahead of time: summaries, digests, reading for memory, and batches of these."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from shared.ids import SessionRef
from shared.models import Session
from shared.storage.types import Committed, KeptDigest, KeptSummary, Token

SummaryReason = Literal["asked", "ended", "threshold", "idle", "memory", "forced"]


@dataclass(frozen=True, slots=True)
class Cold:
    """Messages whose reading for memory entries was left to a batch: those after `after`, through `through`.

    `batch`: which batch has them; "" for none yet.
    """

    after: int
    through: int
    batch: str = ""

    def __str__(self) -> str:
        """Return it as kept; empty where there is none."""
        return f"{self.after} {self.through} {self.batch}" if self.through > self.after else ""

    @classmethod
    def parse(cls, kept: str) -> Cold | None:
        """Return what was kept; None for none."""
        if not kept:
            return None
        after, through, batch = kept.split(" ")
        return cls(int(after), int(through), batch)


NOT_COLD: Final = Cold(0, 0)


@dataclass(frozen=True, slots=True)
class SummaryClaim:
    """A session's summary job, held under a fencing token of its own.

    asked: somebody asked for it. ended: it is over, and needs its digest. threshold: more tokens than the limit are in
    no summary. idle: nobody has said a word for long. memory: nobody has said a word for a little, or much was said,
    and it is not in the recall index, or was not read for memory entries. forced: it was taken though nothing is due.
    Where several hold, the first of these is told. `behind`: raw tokens that no summary covers. `tries`: jobs in a row
    that failed before.
    """

    ref: SessionRef
    token: Token
    session: Session
    reason: SummaryReason
    behind: int
    summary: KeptSummary | None
    now: datetime
    version: int = 0
    """How often a summary was written or taken out."""
    tries: int = 0
    indexed: int = 0
    """Through which seq the session is in the recall index, and through which it was read for memory entries."""
    read: int = 0
    unread: int = 0
    """Raw tokens that were not."""
    cold: Cold | None = None
    """What was left to a batch: it counts as read."""


@dataclass(frozen=True, slots=True)
class SummaryOutcome:
    """How a summary job ended.

    `summary`, `through`, `tokens`: the new summary, through which seq, and how many raw tokens it covers more than the
    one before. `digest`: of a session that is over. `again_in_ms`: it failed, and is to be tried again after that.
    `left`: messages that it was to cover are not covered; else the session is left alone until there is more to read.
    """

    summary: str | None = None
    through: int = 0
    tokens: int = 0
    digest: str | None = None
    again_in_ms: int | None = None
    left: bool = False
    read: int | None = None
    """Through which seq the session was read for memory entries, None: it was not; and raw tokens that this was."""
    read_tokens: int = 0
    remembered: bool = False
    """Whether memory entries were written or resolved: then that is announced."""
    cold: Cold | None = None
    """What is left to a batch from now on: NOT_COLD for nothing more, None: as before."""


@dataclass(frozen=True, slots=True)
class DueSummary:
    """A session whose summary may be due, and since when."""

    ref: SessionRef
    since: datetime


@dataclass(frozen=True, slots=True)
class KeptPart:
    """A part of a batch as kept: JSON that only its makers read. Part 0 is the batch itself."""

    number: int
    value: str
    version: int


@dataclass(frozen=True, slots=True)
class RunningPart:
    """A part of a batch that somebody has to go on with."""

    tenant: str
    batch_id: str
    number: int


class Summaries(Protocol):
    """Summaries of sessions, and the digests that are left of those that ended."""

    async def ask_summary(self, session_id: str) -> None:
        """Make the session's summary due now, until a job has made it. Raises UnknownSession."""

    async def claim_summary(self, session_id: str, nonce: str, *, force: bool = False) -> SummaryClaim | None:
        """Take the session's summary job, if it is due and nobody has it; `force`: though it is not due."""

    async def renew_summary(self, claim: SummaryClaim) -> bool:
        """Extend the job's lease; return False when the claim is no longer current."""

    async def summary_version(self, session_id: str) -> int:
        """Return how often a summary was written or taken out. Raises UnknownSession."""

    async def end_summary(self, claim: SummaryClaim, outcome: SummaryOutcome) -> Committed:
        """End the job: what was made is stored, all or nothing, if the claim is still the current one."""

    async def summaries(self, session_id: str) -> tuple[KeptSummary, ...]:
        """Return the session's summary and earlier versions of it, newest first, bounded. Raises UnknownSession."""

    async def digests(self, customer_id: str, limit: int, before: KeptDigest | None = None) -> tuple[KeptDigest, ...]:
        """Return digests of the customer's sessions, of the one that ended last first; those that follow `before`."""


class Batches(Protocol):
    """Batches of summaries: records that workers go on with, until they have ended. Kept for 30 days."""

    async def put_part(self, batch_id: str, number: int, value: str, version: int, *, running: bool) -> bool:
        """Keep a part of a batch, if `version` is still the one that is kept (0: none); return whether it was.

        While it is `running`, `Store.running_parts` names it.
        """

    async def batch(self, batch_id: str) -> tuple[KeptPart, ...]:
        """Return the parts of a batch by number; none where there is no such batch."""

    async def batches(self, limit: int) -> list[str]:
        """Return the ids of batches, newest first."""

    def unsummarised(self, idle_since: datetime) -> AsyncIterator[str]:
        """Yield sessions whose last message is no newer, and that hold messages no summary covers, in any order."""

    def unread(self, idle_since: datetime) -> AsyncIterator[str]:
        """Yield sessions whose last message is no newer, and that hold messages nobody has read for memory entries."""
