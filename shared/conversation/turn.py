"""The path of one turn: claim, assemble, ask, commit, announce.

The store is the truth: until the commit nothing has happened, after it everything has. Each step may be cut off at
any point; what was cut is found again by its lease or its outbox row.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar

import structlog

from shared.clock import Clock
from shared.context.assembly import Context, assemble
from shared.context.sources import Recalled
from shared.context.tokens import TokenCounter
from shared.conversation.announce import Announcer
from shared.conversation.drafting import Known, default_budget, make_draft, wanted_of
from shared.conversation.exact import fitted_exactly, prompt_of
from shared.conversation.instructions import InstructionsCache
from shared.conversation.learning import Learner
from shared.conversation.lease import LeaseLost, held
from shared.conversation.noter import Ending
from shared.conversation.outcome import failed, succeeded
from shared.conversation.retry import FALLBACK_AFTER_TRIES, wait_seconds
from shared.conversation.stream import Listeners, ReplyStream
from shared.errors import ClaudeFailed, ClaudeLater, StoreError, StoreUnavailable
from shared.ids import Ids, SessionRef
from shared.models import Failure
from shared.prompt import ClaudeClient, Reply
from shared.remembering.recaller import Recaller
from shared.settings import Settings
from shared.storage.contract import Store, TenantStore
from shared.storage.types import Claim, NotClaimed, Outcome

log = structlog.get_logger()

Answer = TypeVar("Answer")
Queue = Literal["chat", "quarantine"]

AGAIN_SECONDS = 0.5
SOON_MS = 60_000

# Why there was nothing to run here, and the queue it should be asked for in.
NEXT: dict[str, Queue] = {"quarantine": "quarantine", "ordinary": "chat"}

POISON = Failure(
    type="poison",
    detail="The request ended the process that ran it, each time, alone in quarantine; it is not tried again.",
)

TAKEN_OVER = Failure(
    type="taken-over",
    detail="A person has taken the conversation over; the message was kept, and the agent did not answer it.",
)
# How often a reply was written in vain, because a person took over meanwhile.
WASTED: Final = "takeover.wasted"


@dataclass(frozen=True, slots=True)
class Advanced:
    """What became of a try to advance a session; `next` says which queue should be woken for it again, if any.

    `due_in`: its first request waits, and is due in so many seconds, soon enough to think of it.
    """

    outcome: str
    next: Queue | None = None
    due_in: float | None = None


@dataclass(frozen=True, slots=True)
class TurnParts:
    """What a turn works with; the composition root fills it."""

    store: Store
    claude: ClaudeClient
    announcer: Announcer
    counter: TokenCounter
    instructions: InstructionsCache
    listeners: Listeners
    learner: Learner
    recaller: Recaller
    settings: Settings
    clock: Clock
    ids: Ids


class TurnRunner:
    """Runs turns, one a call."""

    def __init__(self, parts: TurnParts) -> None:
        self._parts = parts
        self._settings = parts.settings

    async def advance(self, ref: SessionRef, *, quarantine: bool) -> Advanced:
        """Run the session's next turn, if it has one that is due and nobody runs it.

        Raises:
            StoreError: the store is away; the reconciler will wake the session again.

        """
        store = self._parts.store.tenant(ref.tenant)
        read = default_budget(self._settings).available
        claim = await store.claim(ref, self._parts.ids.ulid(), read, quarantine=quarantine)
        if isinstance(claim, NotClaimed):
            soon = claim.reason == "parked" and claim.due_in_ms <= SOON_MS
            return Advanced(claim.reason, NEXT.get(claim.reason), claim.due_in_ms / 1000 if soon else None)
        if self._parts.announcer.noter is not None:
            self._parts.announcer.noter.claimed(claim)
        with structlog.contextvars.bound_contextvars(
            tenant=ref.tenant, session=ref.session_id, request=claim.request.id, token=claim.token.number
        ):
            left = (claim.request.deadline_at - claim.now).total_seconds()
            return await self._run(Turn(store, claim, time.monotonic() + max(0.0, left)))

    async def _run(self, turn: Turn) -> Advanced:
        started = time.monotonic()
        try:
            async with asyncio.timeout(turn.seconds_left() + 1):
                ended = await self._answer(turn)
        except LeaseLost:
            ended = Advanced("lost")
        except ClaudeLater as later:
            self._note_failure(turn, later.cause)
            ended = await self._later(turn, later)
        except ClaudeFailed as error:
            self._note_failure(turn, error.cause)
            ended = await self._fail(turn, Failure(type=f"claude-{error.cause}", detail=str(error)), asked=True)
        except TimeoutError:
            ended = await self._fail(turn, self._deadline("the turn itself took too long"), asked=True)
        except StoreError:
            raise
        except Exception as error:
            log.exception("turn.internal_error")
            ours = ClaudeLater("internal-error", f"internal error: {type(error).__name__}")
            ended = await self._later(turn, ours)
        log.info("turn", outcome=ended.outcome, milliseconds=round((time.monotonic() - started) * 1000))
        return ended

    async def _answer(self, turn: Turn) -> Advanced:
        claim = turn.claim
        if claim.session.handler == "human":
            return await self._fail(turn, TAKEN_OVER)
        if claim.condemned:
            return await self._fail(turn, POISON)
        if turn.seconds_left() <= 0:
            waited = claim.request.waiting_for or "it waited for the requests before it"
            return await self._fail(turn, self._deadline(waited))
        stream = ReplyStream(turn.store, claim)
        close = self._parts.listeners.open(claim.request.id, stream)
        if claim.listening:
            stream.start()
        try:
            async with held(turn.store, claim, self._settings.lease_seconds, stream.start):
                turn.recalled = await self._recalled(turn)
                context, reply = await self._ask(turn, stream.add)
        finally:
            close()
            await stream.stop()
        # The simulator counts in its own way, and a key may be set later. What tools cost teaches nothing of texts.
        if not self._settings.simulated and not context.tools:
            self._parts.learner.observe(context.receipt.model, context.lesson, reply.usage.input)
        outcome = succeeded(claim, context, reply, self._parts, simulated=self._settings.simulated)
        return await self._commit(turn, outcome, "succeeded")

    async def _recalled(self, turn: Turn) -> Sequence[Recalled]:
        """Return earlier turns that matter; without them the turn goes on all the same."""
        if self._settings.recall_share == 0:
            return ()
        try:
            wanted = wanted_of(Known.of(turn.claim), self._settings, turn.claim.index)
            return await self._parts.recaller.recall(turn.store, wanted)
        except StoreError as error:
            log.warning("turn.recall_failed", error=str(error))
            return ()

    async def _context(self, turn: Turn, model: str | None = None) -> Context:
        claim, model = turn.claim, model or self._model(turn.claim)
        instructions = await self._parts.instructions.of(claim.ref.tenant, claim.instructions)
        correction = await self._parts.learner.correction(model)
        draft = make_draft(Known.of(claim, turn.recalled), instructions, self._settings, model, correction)
        if self._settings.exact_count:
            return await fitted_exactly(draft, self._parts.counter, self._parts.claude)
        return assemble(draft, self._parts.counter)

    async def _ask(self, turn: Turn, on_text: Callable[[str], None]) -> tuple[Context, Reply]:
        context = turn.context = await self._context(turn)
        try:
            reply = await self._parts.claude.ask(prompt_of(context), on_text)
        except ClaudeFailed as error:
            fallback = self._settings.fallback_model
            if error.cause != "refused" or fallback is None or fallback == context.receipt.model:
                raise
            context = turn.context = await self._context(turn, fallback)
            reply = await self._parts.claude.ask(prompt_of(context), on_text)
        if reply.handoff is not None and not reply.text.strip():
            reply = replace(reply, text=self._settings.handoff_reply)
            on_text(reply.text)
        return context, reply

    def _model(self, claim: Claim) -> str:
        fallback = self._settings.fallback_model
        if fallback is not None and claim.request.attempts >= FALLBACK_AFTER_TRIES:
            return fallback
        return claim.request.model or claim.session.model or self._settings.chat_model

    async def _later(self, turn: Turn, later: ClaudeLater) -> Advanced:
        wait = wait_seconds(later, turn.claim.request.attempts + 1)
        if wait is None:
            return await self._fail(turn, Failure(type=f"claude-{later.cause}", detail=str(later)), asked=True)
        if wait > turn.seconds_left():
            too_late = self._deadline(f"{later}; the next try would come too late")
            return await self._fail(turn, too_late, asked=True)
        cause, asked = f"{later.cause}: {later}", later.cause != "breaker-open"
        parked = await turn.insist(lambda: turn.store.park(turn.claim, round(wait * 1000), cause, asked=asked))
        return Advanced("parked" if parked else "lost")

    async def _fail(self, turn: Turn, failure: Failure, *, asked: bool = False) -> Advanced:
        outcome = failed(turn.claim, failure, self._parts, turn.context, asked=asked)
        return await self._commit(turn, outcome, failure.type)

    async def _commit(self, turn: Turn, outcome: Outcome, word: str) -> Advanced:
        done = await turn.insist(lambda: turn.store.commit(turn.claim, outcome))
        if done.verdict == "taken":
            return await self._taken_over(turn)
        if done.verdict != "committed":
            return Advanced(done.verdict)
        await self._parts.announcer.announce(done.rows, Ending(turn.claim, outcome))
        return Advanced(word, "chat" if done.more else None)

    async def _taken_over(self, turn: Turn) -> Advanced:
        """End a turn whose reply comes too late: a person has the conversation. What Claude wrote is thrown away."""
        ended = await self._fail(turn, TAKEN_OVER, asked=True)
        if ended.outcome == TAKEN_OVER.type:
            with suppress(StoreError):  # nobody waits for a count
                await turn.store.count(WASTED)
        return ended

    def _note_failure(self, turn: Turn, cause: str) -> None:
        """Note for people to look at that Claude failed; an open breaker only tells of what failed before."""
        if self._parts.announcer.noter is not None and cause != "breaker-open":
            self._parts.announcer.noter.failed(turn.claim.ref.tenant, cause)

    def _deadline(self, why: str) -> Failure:
        minutes = self._settings.request_deadline_minutes
        return Failure(type="deadline", detail=f"No reply within {minutes:g} minutes: {why}")


@dataclass(slots=True)
class Turn:
    """A turn under way; `until` is its request's deadline, in seconds of this machine's monotonic clock."""

    store: TenantStore
    claim: Claim
    until: float
    context: Context | None = None
    """What Claude was asked last, if it was."""
    recalled: Sequence[Recalled] = ()

    def seconds_left(self) -> float:
        """Return the seconds to the deadline, not below 0."""
        return max(0.0, self.until - time.monotonic())

    async def insist(self, write: Callable[[], Awaitable[Answer]]) -> Answer:
        """Do a fenced, idempotent write; while the store is away do it again: a reply must not be thrown away for that.

        Raises:
            StoreUnavailable: the deadline has passed too.

        """
        while True:
            try:
                return await write()
            except StoreUnavailable as error:
                if self.seconds_left() <= 0:
                    raise
                log.warning("turn.store_away", error=str(error))
                await asyncio.sleep(AGAIN_SECONDS)
