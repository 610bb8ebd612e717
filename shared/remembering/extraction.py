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
from shared.models import Message
from shared.prompt import ClaudeClient
from shared.remembering.entries import all_entries
from shared.remembering.reading import tokens_in, unread
from shared.storage.contract import TenantStore
from shared.storage.types import EntryFacts, SummaryClaim
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

    @property
    def remembered(self) -> bool:
        """Whether entries were written."""
        return any(self.counts[word] for word in ("created", "replaced"))


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
            messages = await self._chunk(own, claim, read.through)
            fresh = [message for message in messages if message.seq > read.through]
            if not fresh:  # what is counted beyond is not there
                return replace(read, through=count)
            told = await self._extracted(own, claim, messages, read)
            if isinstance(told, ClaudeError):
                return replace(read, later=told)
            for change in told:
                read.counts[await self._keep(own, claim, change)] += 1
            tokens = read.tokens + sum(message.tokens for message in fresh)
            read = replace(read, through=fresh[-1].seq, tokens=tokens)
        return read

    async def _chunk(self, own: TenantStore, claim: SummaryClaim, after: int) -> list[Message]:
        """Return unread messages, with a few before them; at least one that is unread, however long."""
        begin, count = max(0, after - BEFORE), claim.session.message_count
        found = await unread(own, claim.ref.session_id, begin, count, CHUNK, self._measure)
        taken: list[Message] = []
        tokens = 0
        for message in found:
            tokens += tokens_in([message], self._measure)
            if tokens > CHUNK and taken and taken[-1].seq > after:
                break
            taken.append(message)
        return taken

    async def _extracted(
        self, own: TenantStore, claim: SummaryClaim, messages: Sequence[Message], read: Read
    ) -> tuple[Change, ...] | ClaudeError:
        """Return what of a model's answer counts: nothing, where it cannot be read."""
        known = await all_entries(own, claim.session.customer_id)
        shown = [entry for entry in known if not entry.quarantined][:SHOWN]
        prompt = extraction_prompt(self.model, shown, messages)
        for _ in range(TRIES):
            reply = await ask_once(self._claude, prompt, CALL_SECONDS)
            if isinstance(reply, ClaudeError):
                log.warning("extraction.unanswered", cause=reply.cause, error=str(reply))
                read.counts[reply.cause] += 1
                if reply.cause in ABOUT_US or (isinstance(reply, ClaudeLater) and reply.cause not in FAULTS):
                    return reply
                continue
            read.spent.update(input=reply.usage.input, output=reply.usage.output)
            heard = await asyncio.to_thread(read_operations, reply, claim.ref.session_id, messages, known)
            if isinstance(heard, Extracted):
                read.counts.update(heard.refused)
                return tuple(change for change in heard.changes if change.said.seq > claim.read)
            read.counts[heard.cause] += 1
        log.warning("extraction.unreadable", upto=messages[-1].seq)
        return ()

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
