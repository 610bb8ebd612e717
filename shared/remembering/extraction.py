"""Reading a session for what is worth remembering: the messages nobody has read, a chunk at a time.

An answer that cannot be read is asked for once more, then the chunk is passed over, as is one that Claude refuses: an
odd message must not keep a session from being remembered for ever. Where Claude does not answer at all, or would not
answer anything else either, the session stays unread from there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from shared.context.tokens import TokenCounter
from shared.errors import ClaudeError, ClaudeLater
from shared.memory.operations import Change, Extracted, read_operations
from shared.memory.prompts import extraction_prompt
from shared.models import MemoryEntry, Message, TokenUsage
from shared.prompt import ClaudeClient, Prompt, Reply
from shared.remembering.entries import all_entries
from shared.remembering.reading import tokens_in, unread
from shared.storage.contract import TenantStore
from shared.storage.jobs import Cold, SummaryClaim
from shared.storage.memory import EntryFacts
from shared.summaries.steps import FAULTS
from shared.summaries.summarise import ask_once

CHUNK: Final = 6_000  # raw tokens of messages for one call
MOST_CHUNKS: Final = 4  # of one job; what is left is due again
BEFORE: Final = 4  # messages before the unread ones, so that an answer is read with its question
SHOWN: Final = 100  # known entries that the model is told; all are known to whoever judges what it says
TRIES: Final = 2  # for an answer that can be read
CALL_SECONDS: Final = 90.0
# Of Claude's final refusals, those that are not about the messages.
ABOUT_US: Final = frozenset({"authentication", "billing", "permission", "spend-limit", "unknown-model"})

log = structlog.get_logger()


class ReadingLost(Exception):
    """The job is no longer the current one: another has begun, or the session is gone."""


@dataclass(frozen=True, slots=True)
class Read:
    """How far a session was read: through which seq, how many stored tokens that was, what came of it.

    `counts`: what became of operations and answers, by word. `spent`: tokens of the model, `input` and `output`.
    `later`: why it ended early, where Claude did not answer.
    """

    through: int
    tokens: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    spent: Counter[str] = field(default_factory=Counter)
    later: ClaudeError | None = None
    cold: Cold | None = None
    """What was left to a batch: it counts as read."""

    @property
    def remembered(self) -> bool:
        """Whether entries were written."""
        return any(self.counts[word] for word in ("created", "replaced"))


@dataclass(frozen=True, slots=True)
class Hearing:
    """Messages that a model is heard about, and the entries known of their customer; those through `after` were read.

    `counts`: what became of operations and answers, by word. `direct`: what answers took that were asked for directly.
    """

    session_id: str
    messages: Sequence[Message]
    known: Sequence[MemoryEntry]
    after: int
    counts: Counter[str] = field(default_factory=Counter)
    direct: list[TokenUsage] = field(default_factory=list)

    @property
    def spent(self) -> Counter[str]:
        """The tokens that these took, `input` and `output`."""
        return Counter(
            {
                "input": sum(usage.input for usage in self.direct),
                "output": sum(usage.output for usage in self.direct),
            }
        )


class Extractor:
    """Reads sessions; one of each process."""

    def __init__(self, claude: ClaudeClient, counter: TokenCounter, model: str) -> None:
        self._claude = claude
        self._measure = counter.count
        self.model = model

    async def read(self, own: TenantStore, claim: SummaryClaim) -> Read:
        """Read the claimed session on from where it was read to, and keep what is worth it.

        Raises:
            ReadingLost
            StoreError
            UnknownSession

        """
        read, count = Read(claim.read), claim.session.message_count
        for _ in range(MOST_CHUNKS):
            if read.through >= count:
                break
            messages = await self.chunk(own, claim.ref.session_id, read.through, count)
            fresh = [message for message in messages if message.seq > read.through]
            if not fresh:  # what is counted beyond is not there
                return replace(read, through=count)
            told = await self._extracted(own, claim, messages, read)
            if isinstance(told, ClaudeError):
                return replace(read, later=told)
            read.counts.update(await self.keep(own, claim, told))
            tokens = read.tokens + sum(message.tokens for message in fresh)
            read = replace(read, through=fresh[-1].seq, tokens=tokens)
        return read

    async def chunk(self, own: TenantStore, session_id: str, after: int, upto: int, most: int = CHUNK) -> list[Message]:
        """Return messages with a seq above `after`, through `upto`, with a few before them, of so many raw tokens.

        It is at least one of those above `after`, however long. Raises UnknownSession.
        """
        found = await unread(own, session_id, max(0, after - BEFORE), upto, most, self._measure)
        taken: list[Message] = []
        tokens = 0
        for message in found:
            tokens += tokens_in([message], self._measure)
            if tokens > most and taken and taken[-1].seq > after:
                break
            taken.append(message)
        return taken

    async def _extracted(
        self, own: TenantStore, claim: SummaryClaim, messages: Sequence[Message], read: Read
    ) -> tuple[Change, ...] | ClaudeError:
        """Return what of a model's answer counts: nothing, where it cannot be read."""
        known = await all_entries(own, claim.session.customer_id)
        hearing = Hearing(claim.ref.session_id, messages, known, claim.read)
        told = await self.heard(hearing, None)
        read.counts.update(hearing.counts)
        read.spent.update(hearing.spent)
        return told

    def prompt(self, hearing: Hearing) -> Prompt:
        """Return what a model is asked about messages."""
        shown = [entry for entry in hearing.known if not entry.quarantined][:SHOWN]
        return extraction_prompt(self.model, shown, hearing.messages)

    async def heard(
        self, hearing: Hearing, answer: Reply | ClaudeError | None, tries: int = TRIES
    ) -> tuple[Change, ...] | ClaudeError:
        """Return what of `answer` counts; what is none, or no answer that can be read, is asked for directly.

        Nothing counts where no answer can be read. An error is one that is not about these messages.
        """
        for _ in range(tries):
            reply = answer or await self._asked(hearing)
            answer = None
            if isinstance(reply, ClaudeError):
                log.warning("extraction.unanswered", cause=reply.cause, error=str(reply))
                hearing.counts[reply.cause] += 1
                if reply.cause in ABOUT_US or (isinstance(reply, ClaudeLater) and reply.cause not in FAULTS):
                    return reply
                continue
            judged = await asyncio.to_thread(
                read_operations, reply, hearing.session_id, hearing.messages, hearing.known
            )
            if isinstance(judged, Extracted):
                hearing.counts.update(judged.refused)
                return tuple(change for change in judged.changes if change.said.seq > hearing.after)
            hearing.counts[judged.cause] += 1
        log.warning("extraction.unreadable", upto=hearing.messages[-1].seq)
        return ()

    async def _asked(self, hearing: Hearing) -> Reply | ClaudeError:
        reply = await ask_once(self._claude, self.prompt(hearing), CALL_SECONDS)
        if isinstance(reply, Reply):
            hearing.direct.append(reply.usage)
        return reply

    async def keep(self, own: TenantStore, claim: SummaryClaim, changes: Sequence[Change]) -> Counter[str]:
        """Write what is worth keeping; return what became of it, by word. Raises ReadingLost, StoreError."""
        return Counter([await self._keep(own, claim, change) for change in changes])

    async def _keep(self, own: TenantStore, claim: SummaryClaim, change: Change) -> str:
        facts = EntryFacts(
            status=change.status,
            said_at=change.said.at,
            provenance=change.provenance,
            confidence=change.confidence,
            quarantined=change.quarantined,
        )
        verdict = await own.extract_memory(claim, change.key, change.value, change.scope, facts)
        if verdict == "stale":
            raise ReadingLost
        return verdict
