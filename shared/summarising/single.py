"""One session's share of a batch: its prompt, and what is done with the reply.

What a batch's reply leaves to be done, such as a repair, is asked for directly: it is little, and must not wait a day.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from shared.errors import ClaudeError, ClaudeLater, UnknownSession
from shared.models import TokenUsage
from shared.prompt import BatchRequest, Reply
from shared.remembering.reading import covered, unread
from shared.storage.contract import TenantStore
from shared.storage.jobs import SummaryClaim, SummaryOutcome
from shared.storage.types import OutboxRow
from shared.summaries.kept import previous_of, written
from shared.summaries.steps import FAULTS, Made, NotMade, Rules, Work, begin, hear, prompt_of
from shared.summaries.summarise import ask_once
from shared.summarising.batch import UNUSED, BatchItem, less
from shared.summarising.job import CALL_SECONDS, SummaryParts

# Raw tokens of messages for one request of a batch: nearly every session fits into one.
CHUNK = 60_000
ROUNDS = 3  # in which a session that expired, or was overtaken, is submitted


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a session: its item, what is to be announced, and what it took in the batch and beside it."""

    item: BatchItem
    rows: tuple[OutboxRow, ...] = ()
    batched: TokenUsage = UNUSED
    direct: TokenUsage = UNUSED


class Single:
    """Prepares and finishes sessions of batches."""

    def __init__(self, parts: SummaryParts) -> None:
        self._parts = parts
        self.clock = parts.clock
        self._measure = parts.counter.count
        self._rules = Rules(parts.settings.summary_model, parts.settings.summary_max_tokens, CHUNK)

    async def prepare(self, own: TenantStore, item: BatchItem) -> tuple[BatchItem, BatchRequest | None]:
        """Return the session as it is submitted, with its request; None where there is nothing to ask."""
        try:
            version = await own.summary_version(item.session_id)  # before all that may be redacted meanwhile
            session = await own.session(item.session_id)
            kept = await own.summaries(item.session_id)
            previous = previous_of(kept[0] if kept else None)
            messages = await unread(own, item.session_id, previous.through, session.message_count, CHUNK, self._measure)
        except UnknownSession:
            return item.model_copy(update={"state": "gone"}), None
        work = await asyncio.to_thread(begin, previous, messages, self._rules, self._measure)
        if isinstance(work, NotMade):
            return item.model_copy(update={"state": "nothing"}), None
        changes = {"state": "submitted", "version": version, "upto": messages[-1].seq, "tries": item.tries + 1}
        submitted = item.model_copy(update=changes)
        return submitted, BatchRequest(custom_id(submitted), prompt_of(work))

    async def finish(self, own: TenantStore, item: BatchItem, answer: Reply | ClaudeError) -> Ended:
        """Store what came of a session's request, mending it where that is needed.

        The item is left as submitted where another job is at its session: then it is to be finished later.
        """
        claim = await own.claim_summary(item.session_id, self._parts.ids.ulid(), force=True)
        if claim is None:
            return await self._unclaimed(own, item, answer)
        if claim.version != item.version:  # by an earlier try of this, or by somebody else
            await own.end_summary(claim, SummaryOutcome(left=True))
            return Ended(item.model_copy(update=_overtaken(claim, item)), batched=used_by(answer))
        previous = previous_of(claim.summary)
        messages = await unread(own, item.session_id, previous.through, item.upto, CHUNK, self._measure)
        work: Work | Made | NotMade = await asyncio.to_thread(begin, previous, messages, self._rules, self._measure)
        heard = answer
        if isinstance(work, Work) and isinstance(answer, ClaudeLater) and answer.cause not in FAULTS:
            heard = await ask_once(self._parts.claude, prompt_of(work), CALL_SECONDS)
        while isinstance(work, Work):
            work = await asyncio.to_thread(hear, work, heard)
            if isinstance(work, Work):
                heard = await ask_once(self._parts.claude, prompt_of(work), CALL_SECONDS)
        outcome, changes = self._outcome(work, covered(messages, previous.through, _through(work)))
        done = await own.end_summary(claim, outcome)
        if done.verdict != "committed":
            changes = {"state": "gone" if done.verdict == "gone" else "failed", "cause": done.verdict}
        batched = used_by(answer)
        return Ended(item.model_copy(update=changes), done.rows, batched, less(work.tally.usage, batched))

    def _outcome(self, made: Made | NotMade, tokens: int) -> tuple[SummaryOutcome, dict[str, str]]:
        if isinstance(made, NotMade):
            return SummaryOutcome(left=True), {"state": "failed", "cause": made.cause}
        value = written(made, self._measure, self._parts.clock(), batch=True)
        return SummaryOutcome(value, made.summary.through, tokens), {"state": "done"}

    async def _unclaimed(self, own: TenantStore, item: BatchItem, answer: Reply | ClaudeError) -> Ended:
        try:
            await own.session(item.session_id)
        except UnknownSession:
            return Ended(item.model_copy(update={"state": "gone"}), batched=used_by(answer))
        return Ended(item)


def _overtaken(claim: SummaryClaim, item: BatchItem) -> dict[str, str]:
    """Return what has become of a session that changed while Claude was at it."""
    if claim.summary is not None:
        return {"state": "done"}
    # What was submitted holds what has been redacted since: it is submitted again without.
    return {"state": "waiting"} if item.tries < ROUNDS else {"state": "failed", "cause": "redacted"}


def custom_id(item: BatchItem) -> str:
    """Return the name a session goes by in a batch: another one each time it is submitted."""
    return f"{item.session_id}-{item.tries}"


def _through(made: Made | NotMade) -> int:
    return made.summary.through if isinstance(made, Made) else 0


def used_by(answer: Reply | ClaudeError) -> TokenUsage:
    """Return what an answer took."""
    return answer.usage if isinstance(answer, Reply) else UNUSED
