"""What is kept of a batch of sessions, and how it is told.

Part 0 says what was asked for; the others hold up to PART_SESSIONS sessions each, and are gone on with one by one. A
session is told apart by its summary's version: whatever is cut off and done again, a session that has a newer summary
than the one it was submitted with is done. One that is read for memory entries is told apart by what is left to read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from shared.models import Model, SummaryCost, TokenUsage
from shared.storage.jobs import KeptPart
from shared.summaries.kept import cost_of

PART_SESSIONS: Final = 500

# waiting: to be submitted. submitted: Claude has it. done: summarised, or read. nothing: there was nothing to do.
# canceled, failed: it was not done, and why. gone: the session was deleted meanwhile.
ItemState = Literal["waiting", "submitted", "done", "nothing", "canceled", "failed", "gone"]
PartState = Literal["waiting", "submitting", "submitted", "ended"]
# What a batch makes of its sessions: summaries, or memory entries.
BatchKind = Literal["summary", "memory"]
BatchStatus = Literal["collecting", "running", "canceling", "ended"]
UNUSED: Final = TokenUsage(input=0, output=0, total=0)


class BatchSelection(Model):
    """Which sessions a batch takes: these, those of a customer, or those idle since a moment. One of the three.

    `customer`: the pseudonym of the customer it took, whose id is not kept once their sessions are known: a batch
    outlives an erasure.
    """

    session_ids: tuple[str, ...] = ()
    customer_id: str | None = None
    customer: str | None = None
    idle_since: datetime | None = None


class BatchHead(Model):
    """Part 0: what was asked for, and whether it is collected, or canceled."""

    created_at: datetime
    selection: BatchSelection
    model: str
    kind: BatchKind = "summary"
    collected: bool = False
    canceled: bool = False


class BatchItem(Model):
    """One session. `version`: of its summary when it was submitted; `upto`: the last seq that went along.

    `after`: the last seq that was read before, where it is read for memory entries.
    """

    session_id: str
    state: ItemState = "waiting"
    version: int = 0
    upto: int = 0
    after: int = 0
    tries: int = 0
    cause: str | None = None


class BatchPart(Model):
    """Sessions that are submitted together.

    `leased_until`: somebody is at it. `submitted_at`: when it was about to be handed to Claude, as `claude_id`.
    """

    items: tuple[BatchItem, ...]
    state: PartState = "waiting"
    claude_id: str | None = None
    submitted_at: datetime | None = None
    leased_until: datetime | None = None
    batched: TokenUsage = UNUSED
    direct: TokenUsage = UNUSED


class BatchView(Model):
    """A batch as callers see it."""

    batch_id: str
    kind: BatchKind
    status: BatchStatus
    created_at: datetime
    selection: BatchSelection
    total: int
    counts: dict[ItemState, int]
    batched: SummaryCost
    direct: SummaryCost
    failures: dict[str, int]


def head_of(kept: Sequence[KeptPart]) -> BatchHead:
    """Return part 0."""
    return BatchHead.model_validate_json(kept[0].value)


def parts_of(kept: Sequence[KeptPart]) -> list[BatchPart]:
    """Return the other parts."""
    return [BatchPart.model_validate_json(part.value) for part in kept if part.number > 0]


def view_of(batch_id: str, kept: Sequence[KeptPart]) -> BatchView:
    """Return a batch as callers see it."""
    head, parts = head_of(kept), parts_of(kept)
    items = [item for part in parts for item in part.items]
    counts = Counter(item.state for item in items)
    ended = head.collected and all(part.state == "ended" for part in parts)
    status: BatchStatus = "ended" if ended else "canceling" if head.canceled else "running"
    if not head.collected and not head.canceled:
        status = "collecting"
    batched, direct = UNUSED, UNUSED
    for part in parts:
        batched, direct = added(batched, part.batched), added(direct, part.direct)
    return BatchView(
        batch_id=batch_id,
        kind=head.kind,
        status=status,
        created_at=head.created_at,
        selection=head.selection,
        total=len(items),
        counts=dict(counts),
        batched=cost_of(head.model, batched, batch=True),
        direct=cost_of(head.model, direct, batch=False),
        failures=dict(Counter(item.cause or "unknown" for item in items if item.state == "failed")),
    )


def added(one: TokenUsage, other: TokenUsage) -> TokenUsage:
    """Return the sum of two usages."""
    return TokenUsage(
        input=one.input + other.input,
        output=one.output + other.output,
        total=one.total + other.total,
        cache_read=one.cache_read + other.cache_read,
        cache_write=one.cache_write + other.cache_write,
    )


def less(one: TokenUsage, other: TokenUsage) -> TokenUsage:
    """Return what `one` has more than `other`."""
    return TokenUsage(
        input=one.input - other.input,
        output=one.output - other.output,
        total=one.total - other.total,
        cache_read=one.cache_read - other.cache_read,
        cache_write=one.cache_write - other.cache_write,
    )
