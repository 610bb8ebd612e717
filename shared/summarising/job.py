"""One session's summary job: claim, read, ask, store.

Cut off anywhere, it comes back when its lease ends; what it stored stands, what it did not store never was. A session
that goes on meanwhile is not in its way: turns and summaries share no lease.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

import structlog

from shared.clock import Clock
from shared.context.tokens import TokenCounter
from shared.conversation.announce import Announcer
from shared.errors import ClaudeLater, StoreError, StoreUnavailable, UnknownSession
from shared.ids import Ids, SessionRef
from shared.models import Message, TokenUsage
from shared.prompt import ClaudeClient, Reply
from shared.remembering.cold import is_cold, left_to_a_batch
from shared.remembering.extraction import Extractor, Read, ReadingLost
from shared.remembering.indexing import index_session
from shared.remembering.reading import PAGE, covered, tokens_in, unread
from shared.settings import Settings
from shared.storage.contract import Store, TenantStore
from shared.storage.jobs import SummaryClaim, SummaryOutcome
from shared.storage.tenant_index import Purpose
from shared.storage.types import Committed
from shared.summaries.digest import SessionDigest, digest_prompt, extract_digest, read_digest, said_in
from shared.summaries.kept import previous_of, written, written_digest
from shared.summaries.ledger import find_all, merge
from shared.summaries.material import boundary
from shared.summaries.steps import Made, NotMade, Previous, Rules
from shared.summaries.summarise import ask_once, summarise
from shared.summaries.verify import Fault
from shared.summarising.lease import SummaryLost, held

KEEP_SHARE: Final = 0.15  # of the threshold: tokens of the newest turns that stay out of a summary, word for word
CHUNK: Final = 12_000  # raw tokens of messages for one call
MOST_CHUNKS: Final = 8  # of one job; what is left is due again at once
CALL_SECONDS: Final = 90.0
DIGEST_PATIENCE_SECONDS: Final = 3_600.0  # a session so long over is told by its own sentences, if by no model
AGAIN_SECONDS: Final = 60.0  # until a job that failed is tried again; twice as long after each further failure
LONGEST_AGAIN_SECONDS: Final = 21_600.0
MOST_TRIES: Final = 5  # of jobs whose summariser answers, and no summary: then it is left alone until there is more
STORE_SECONDS: Final = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SummaryParts:
    """What summary jobs work with; the composition root fills it."""

    store: Store
    claude: ClaudeClient
    announcer: Announcer
    counter: TokenCounter
    settings: Settings
    clock: Clock
    ids: Ids

    @property
    def rules(self) -> Rules:
        """What a summary may be."""
        return Rules(self.settings.summary_model, self.settings.summary_max_tokens, CHUNK)

    @property
    def keep_tokens(self) -> int:
        """How many raw tokens of the newest turns stay out of the summary of a session that may go on."""
        return max(1, int(self.settings.summary_threshold_tokens * KEEP_SHARE))


class SummaryJobs:
    """Runs summary jobs, one a call."""

    def __init__(self, parts: SummaryParts) -> None:
        self._parts = parts
        self._extractor = Extractor(parts.claude, parts.counter, parts.settings.model_that_extracts)

    async def run(self, ref: SessionRef) -> str:
        """Make the session's summary or digest if it is due; return what became of it, in a word.

        Raises:
            StoreError: the store is away; the job comes back.

        """
        own = self._parts.store.tenant(ref.tenant)
        claim = await own.claim_summary(ref.session_id, self._parts.ids.ulid())
        if claim is None:
            return "not-due"
        with structlog.contextvars.bound_contextvars(
            tenant=ref.tenant, session=ref.session_id, summary_token=claim.token.number
        ):
            try:
                async with held(own, claim, self._parts.settings.summary_lease_seconds):
                    word, outcome = await self._all(own, claim)
            except UnknownSession:
                return await self._counted(own, "gone")
            except SummaryLost:
                return await self._counted(own, "lost")
            done = await self._end(own, claim, outcome)
            log.info("summary", outcome=word, stored=done.verdict, reason=claim.reason, tries=claim.tries + 1)
        await self._parts.announcer.announce(done.rows)
        return await self._counted(own, word if done.verdict == "committed" else done.verdict)

    async def _counted(self, own: TenantStore, ended: str) -> str:
        await count(own, f"summary.{ended}")
        return ended

    async def _all(self, own: TenantStore, claim: SummaryClaim) -> tuple[str, SummaryOutcome]:
        """Do all that is to be done for a session: whatever it was due for, it is put into the recall index first."""
        if not await index_session(own, claim):
            raise SummaryLost
        read = await self._read(own, claim)
        if claim.reason == "memory":
            word, outcome = read.later.cause if read.later else "left" if read.cold else "read", SummaryOutcome()
        else:
            word, outcome = await self._work(own, claim)
        told = replace(outcome, read=read.through, read_tokens=read.tokens, remembered=read.remembered, cold=read.cold)
        if read.later is not None:
            wait = again_ms(claim.tries, getattr(read.later, "after", None))
            told = replace(told, again_in_ms=max(wait, told.again_in_ms or 0))
        return word, told

    async def _read(self, own: TenantStore, claim: SummaryClaim) -> Read:
        """Read the session for memory entries, unless that is switched off, or left to a batch: it counts as read."""
        whole = Read(claim.session.message_count, claim.unread)
        if not await wants_extraction(own, self._parts.settings):
            return whole
        if claim.read < whole.through and is_cold(claim, self._parts.settings.extraction_cold_hours):
            cold = left_to_a_batch(claim)
            if cold is not None:
                await count(own, "extraction.left")
                return replace(whole, cold=cold)
        try:
            read = await self._extractor.read(own, claim)
        except ReadingLost as error:
            raise SummaryLost from error
        self._note_use(claim, "extraction", self._extractor.model, usage_of(read))
        await count_reading(own, read.counts, read.spent)
        return read

    async def _work(self, own: TenantStore, claim: SummaryClaim) -> tuple[str, SummaryOutcome]:
        previous = previous_of(claim.summary)
        measure, count = self._parts.counter.count, claim.session.message_count
        fresh = await unread(own, claim.ref.session_id, previous.through, count, CHUNK * MOST_CHUNKS, measure)
        whole = not fresh or fresh[-1].seq >= count
        short = whole and tokens_in(fresh, measure) <= CHUNK
        if claim.reason == "ended" and (short or self._in_vain(claim)):
            return await self._digest(own, claim, previous, fresh)
        part = fresh
        if whole and claim.reason in {"threshold", "idle"}:
            part = fresh[: boundary(fresh, self._parts.keep_tokens, measure)]
        made = await summarise(self._parts.claude, previous, part, self._parts.rules, measure, CALL_SECONDS)
        self._note_use(claim, "summary", self._parts.rules.model, made.tally.usage)
        await self._count_faults(own, made)
        if isinstance(made, NotMade):
            return made.cause, _not_made(made, claim.tries)
        value, through = written(made, measure, self._parts.clock()), made.summary.through
        return made.verified, SummaryOutcome(
            value,
            through,
            covered(part, previous.through, through),
            again_in_ms=again_ms(claim.tries) if made.unfinished else None,
            left=not whole or made.unfinished is not None,
        )

    def _note_use(self, claim: SummaryClaim, purpose: Purpose, model: str, usage: TokenUsage) -> None:
        """Note what a job used; a claim is of one job, which makes one summary or digest, and reads once."""
        if self._parts.announcer.noter is not None:
            name = f"{claim.ref.session_id}.{claim.token.number}.{claim.token.nonce}.{purpose}"
            self._parts.announcer.noter.job(claim.ref.tenant, name, (purpose, model), usage, claim.now)

    async def _count_faults(self, own: TenantStore, made: Made | NotMade) -> None:
        for fault in made.tally.faults:
            await count(own, f"summary_fault.{fault}")

    def _in_vain(self, claim: SummaryClaim) -> bool:
        """Whether a long session's summary has been tried for long enough: its digest does without."""
        return claim.tries >= MOST_TRIES or (claim.tries > 0 and not self._may_wait(claim))

    async def _digest(
        self, own: TenantStore, claim: SummaryClaim, previous: Previous, messages: Sequence[Message]
    ) -> tuple[str, SummaryOutcome]:
        """Return the digest of a session that is over; by its own sentences, where no model makes one."""
        rules, measure = self._parts.rules, self._parts.counter.count
        ledger = merge(previous.ledger, await asyncio.to_thread(find_all, messages))
        said = await asyncio.to_thread(said_in, previous.text, messages, ledger)
        prompt = digest_prompt(rules.model, previous.text, messages, CHUNK, measure)
        answer = await ask_once(self._parts.claude, prompt, CALL_SECONDS)
        if isinstance(answer, ClaudeLater) and self._may_wait(claim):
            return answer.cause, SummaryOutcome(again_in_ms=again_ms(claim.tries, answer.after))
        if isinstance(answer, Reply):
            self._note_use(claim, "summary", answer.model, answer.usage)
        read = read_digest(answer, ledger, said) if isinstance(answer, Reply) else None
        if isinstance(read, SessionDigest) and isinstance(answer, Reply):
            return "digest", SummaryOutcome(digest=written_digest(read, answer.model, measure))
        log.warning("digest.extracted", cause=getattr(read or answer, "cause", "unknown"))
        last = messages or (await own.messages(claim.ref.session_id, PAGE, max(0, previous.through - PAGE))).items
        extracted = extract_digest(last, previous.ledger)
        return "digest-extracted", SummaryOutcome(digest=written_digest(extracted, None, measure))

    def _may_wait(self, claim: SummaryClaim) -> bool:
        over_since = claim.session.closed_at or claim.session.expires_at
        return (claim.now - over_since).total_seconds() < DIGEST_PATIENCE_SECONDS

    async def _end(self, own: TenantStore, claim: SummaryClaim, outcome: SummaryOutcome) -> Committed:
        """Store the outcome; while the store is away try again: what was paid for must not be thrown away for that."""
        until = asyncio.get_running_loop().time() + STORE_SECONDS
        while True:
            try:
                return await own.end_summary(claim, outcome)
            except StoreUnavailable:
                if asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(1)


async def wants_extraction(own: TenantStore, settings: Settings) -> bool:
    """Return whether a tenant's sessions are read for memory entries. Raises StoreError."""
    kept = await own.instructions()
    return kept.extraction if kept and kept.extraction is not None else settings.extraction


async def count_reading(own: TenantStore, counts: Mapping[str, int], spent: Mapping[str, int]) -> None:
    """Count what came of reading for memory entries, and the tokens it took."""
    for family, numbers in (("extraction", counts), ("extraction_tokens", spent)):
        for word, number in numbers.items():
            if number:
                await count(own, f"{family}.{word}", number)


async def count(own: TenantStore, name: str, number: int = 1) -> None:
    """Count what became of a job; a count that is lost is no reason to do anything again."""
    try:
        await own.count(name, number)
    except StoreError as error:
        log.warning("count.lost", name=name, error=str(error))


def usage_of(read: Read) -> TokenUsage:
    """Return what reading a session used."""
    given, made = read.spent["input"], read.spent["output"]
    return TokenUsage(input=given, output=made, total=given + made)


def _not_made(made: NotMade, tries: int) -> SummaryOutcome:
    """Return the outcome of a job that made nothing: tried again later, or left alone until there is more to read."""
    if made.cause == "nothing-new" or (made.cause in get_args(Fault) and tries + 1 >= MOST_TRIES):
        return SummaryOutcome()
    return SummaryOutcome(again_in_ms=again_ms(tries, made.after))


def again_ms(tries: int, after: float | None = None) -> int:
    """Return in how many milliseconds a job is tried again that failed after `tries`; `after`: seconds, at least."""
    wait = min(AGAIN_SECONDS * 2.0 ** min(tries, 30), LONGEST_AGAIN_SECONDS)
    return round(max(wait, after or 0) * 1000)
