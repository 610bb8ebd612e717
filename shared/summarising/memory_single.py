"""One session's share of a batch that reads for memory entries: its prompt, and what is done with the reply.

What is read is the stretch that was left to a batch (`shared.remembering.cold`). It carries the batch's name from
before anything is submitted until its reply is taken in, so no two batches have the same messages, and a reply that
comes twice, or too late, is known by it. A stretch longer than one prompt is read in several, one after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.errors import ClaudeError, ClaudeLater, UnknownSession
from shared.memory.operations import Change
from shared.models import TokenUsage
from shared.prompt import BatchRequest, Reply
from shared.remembering.cold import left_to_a_batch
from shared.remembering.entries import all_entries
from shared.remembering.extraction import Extractor, Hearing, ReadingLost
from shared.storage.contract import TenantStore
from shared.storage.jobs import NOT_COLD, Cold, SummaryClaim, SummaryOutcome
from shared.summaries.steps import FAULTS
from shared.summarising.batch import UNUSED, BatchItem, ItemState, added, parts_of
from shared.summarising.job import SummaryParts, count_reading, wants_extraction
from shared.summarising.single import Ended, custom_id, used_by

CHUNK: Final = 12_000  # raw tokens of messages for one request
TRIES: Final = 2  # for an answer that can be read: the batch's, and one that is asked for directly


class MemorySingle:
    """Reads sessions for batches; one of each process."""

    def __init__(self, parts: SummaryParts) -> None:
        self._parts = parts
        self._extractor = Extractor(parts.claude, parts.counter, parts.settings.model_that_extracts)

    def of(self, batch_id: str) -> MemoryShare:
        """Return what prepares and finishes sessions of one batch."""
        return MemoryShare(self._parts, self._extractor, batch_id)


@dataclass(frozen=True, slots=True)
class MemoryShare:
    """Prepares and finishes sessions of one batch."""

    parts: SummaryParts
    extractor: Extractor
    batch_id: str

    async def prepare(self, own: TenantStore, item: BatchItem) -> tuple[BatchItem, BatchRequest | None]:
        """Return the session as it is submitted, with its request; None where there is nothing to ask.

        What nobody has read of it is left to this batch first, so that nobody else reads it too. The item stays
        waiting where another job is at its session.
        """
        claim = await own.claim_summary(item.session_id, self.parts.ids.ulid(), force=True)
        if claim is None:
            return await self._unclaimed(own, item), None
        wanted = await wants_extraction(own, self.parts.settings)
        cold = (left_to_a_batch(claim) or claim.cold) if wanted else NOT_COLD
        if cold is not None and cold.batch not in {"", self.batch_id} and await self._has_it(own, cold, item):
            await own.end_summary(claim, SummaryOutcome(left=True))
            return item.model_copy(update={"state": "nothing", "cause": "in-another-batch"}), None
        if cold is None or cold == NOT_COLD:
            await own.end_summary(claim, SummaryOutcome(left=True, cold=cold))
            return item.model_copy(update={"state": "nothing"}), None
        mine = Cold(cold.after, cold.through, self.batch_id)
        through, tokens = max(claim.read, mine.through), claim.unread if mine.through > claim.read else 0
        kept = SummaryOutcome(left=True, cold=mine, read=through, read_tokens=tokens)
        if (await own.end_summary(claim, kept)).verdict != "committed":
            return await self._unclaimed(own, item), None
        return await self._asked(own, claim, item, mine)

    async def _asked(
        self, own: TenantStore, claim: SummaryClaim, item: BatchItem, cold: Cold
    ) -> tuple[BatchItem, BatchRequest | None]:
        try:
            hearing = await self._hearing(own, claim, cold.after, cold.through)
        except UnknownSession:
            return item.model_copy(update={"state": "gone"}), None
        upto = hearing.messages[-1].seq if hearing.messages else 0
        if upto <= cold.after:  # what is counted there is not there
            await self._struck(own, item)
            return item.model_copy(update={"state": "nothing"}), None
        changes = {"state": "submitted", "after": cold.after, "upto": upto, "tries": item.tries + 1, "cause": None}
        submitted = item.model_copy(update=changes)
        return submitted, BatchRequest(custom_id(submitted), self.extractor.prompt(hearing))

    async def finish(self, own: TenantStore, item: BatchItem, answer: Reply | ClaudeError) -> Ended:
        """Keep what came of a session's request, asking again where that is needed.

        The item is left as submitted where another job is at its session: then it is to be finished later.
        """
        claim = await own.claim_summary(item.session_id, self.parts.ids.ulid(), force=True)
        if claim is None:
            return Ended(await self._unclaimed(own, item), batched=used_by(answer))
        cold = claim.cold
        if cold is None or (cold.after, cold.batch) != (item.after, self.batch_id):  # read by an earlier try of this
            await own.end_summary(claim, SummaryOutcome(left=True))
            return Ended(item.model_copy(update={"state": "done"}), batched=used_by(answer))
        hearing = await self._hearing(own, claim, item.after, item.upto)
        told: Sequence[Change] | ClaudeError = ()
        if hearing.messages and await wants_extraction(own, self.parts.settings):
            # What Claude answered with an error of its own is asked for directly: it must not wait another day.
            ours = isinstance(answer, ClaudeLater) and answer.cause not in FAULTS
            told = await self.extractor.heard(hearing, None if ours else answer, TRIES)
        state, left, kept = self._left(item, cold, told), NOT_COLD, Counter[str]()
        if isinstance(told, ClaudeError):
            left = Cold(cold.after, cold.through)  # for another batch
        else:
            try:
                kept = await self.extractor.keep(own, claim, told)
            except ReadingLost:
                return Ended(item)
            left = Cold(item.upto, cold.through, self.batch_id)
        remembered = any(kept[word] for word in ("created", "replaced"))
        done = await own.end_summary(claim, SummaryOutcome(left=True, cold=left, remembered=remembered))
        if done.verdict == "stale":  # it was overtaken: what was kept is found there, and not written again
            return Ended(item)
        if done.verdict == "gone":
            state = "gone"
        await count_reading(own, hearing.counts + kept, hearing.spent)
        cause = told.cause if isinstance(told, ClaudeError) else None
        ended = item.model_copy(update={"state": state, "cause": cause})
        return Ended(ended, done.rows, used_by(answer), _sum(hearing.direct))

    def _left(self, item: BatchItem, cold: Cold, told: Sequence[Change] | ClaudeError) -> ItemState:
        if isinstance(told, ClaudeError):
            return "failed"
        return "waiting" if cold.through > item.upto else "done"

    async def _hearing(self, own: TenantStore, claim: SummaryClaim, after: int, upto: int) -> Hearing:
        session_id = claim.ref.session_id
        messages = await self.extractor.chunk(own, session_id, after, upto, CHUNK)
        known = await all_entries(own, claim.session.customer_id)
        return Hearing(session_id, messages, known, after)

    async def _has_it(self, own: TenantStore, cold: Cold, item: BatchItem) -> bool:
        """Whether the batch that a stretch is named for still has it."""
        items = [each for part in parts_of(await own.batch(cold.batch)) for each in part.items]
        return any(each.session_id == item.session_id and each.state in {"waiting", "submitted"} for each in items)

    async def _struck(self, own: TenantStore, item: BatchItem) -> None:
        claim = await own.claim_summary(item.session_id, self.parts.ids.ulid(), force=True)
        if claim is not None:
            await own.end_summary(claim, SummaryOutcome(left=True, cold=NOT_COLD))

    async def _unclaimed(self, own: TenantStore, item: BatchItem) -> BatchItem:
        try:
            await own.session(item.session_id)
        except UnknownSession:
            return item.model_copy(update={"state": "gone"})
        return item


def _sum(usages: Sequence[TokenUsage]) -> TokenUsage:
    total = UNUSED
    for usage in usages:
        total = added(total, usage)
    return total
