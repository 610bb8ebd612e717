"""The path of one turn: claim, assemble, ask, commit, announce.

The store is the truth: until the commit nothing has happened, after it everything has. Each step may be cut off at
any point; what was cut is found again by its lease or its outbox row.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import structlog

from shared.clock import Clock
from shared.context.assembly import Context, Draft, assemble
from shared.context.tokens import TokenCounter
from shared.conversation.announce import Announcer
from shared.conversation.instructions import InstructionsCache
from shared.conversation.lease import LeaseLost, held
from shared.conversation.outcome import failed, succeeded
from shared.conversation.retry import FALLBACK_AFTER_TRIES, wait_seconds
from shared.conversation.stream import Listeners, ReplyStream
from shared.errors import ClaudeFailed, ClaudeLater, StoreError
from shared.ids import Ids, SessionRef
from shared.models import Failure, TokenBudget
from shared.prompt import ClaudeClient, Prompt, Reply
from shared.settings import Settings
from shared.storage.contract import Store, TenantStore
from shared.storage.types import Claim, NotClaimed, Outcome

log = structlog.get_logger()

POISON = Failure(
    type="poison",
    detail="The request ended the process that ran it, each time, alone in quarantine; it is not tried again.",
)


@dataclass(frozen=True, slots=True)
class Advanced:
    """What became of a try to advance a session; `next` says which queue should be woken for it again, if any."""

    outcome: str
    next: Literal["chat", "quarantine"] | None = None


@dataclass(frozen=True, slots=True)
class TurnParts:
    """What a turn works with; the composition root fills it."""

    store: Store
    claude: ClaudeClient
    announcer: Announcer
    counter: TokenCounter
    instructions: InstructionsCache
    listeners: Listeners
    settings: Settings
    clock: Clock
    ids: Ids


class TurnRunner:
    """Runs turns, one a call."""

    def __init__(self, parts: TurnParts) -> None:
        self._parts = parts
        self._settings = parts.settings
        self._default_budget = TokenBudget(
            max=parts.settings.token_budget_max, reserve=parts.settings.token_budget_reserve
        )

    async def advance(self, ref: SessionRef, *, quarantine: bool) -> Advanced:
        """Run the session's next turn, if it has one that is due and nobody runs it.

        Raises:
            StoreError: the store is away; the reconciler will wake the session again.

        """
        store = self._parts.store.tenant(ref.tenant)
        read = self._default_budget.available
        claim = await store.claim(ref, self._parts.ids.ulid(), read, quarantine=quarantine)
        if isinstance(claim, NotClaimed):
            return Advanced(claim.reason, {"quarantine": "quarantine", "ordinary": "chat"}.get(claim.reason))  # type: ignore[arg-type]  # the table's values are the two queues
        with structlog.contextvars.bound_contextvars(
            tenant=ref.tenant, session=ref.session_id, request=claim.request.id, token=claim.token.number
        ):
            return await self._run(store, claim)

    async def _run(self, store: TenantStore, claim: Claim) -> Advanced:
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds_left(claim) + 1):
                ended = await self._turn(store, claim)
        except LeaseLost:
            ended = Advanced("lost")
        except ClaudeLater as later:
            ended = await self._later(store, claim, later)
        except ClaudeFailed as error:
            ended = await self._fail(store, claim, Failure(type=f"claude-{error.cause}", detail=str(error)), asked=True)
        except TimeoutError:
            ended = await self._fail(store, claim, self._deadline("the turn itself took too long"), asked=True)
        except StoreError:
            raise
        except Exception as error:
            log.exception("turn.internal_error")
            ended = await self._later(
                store, claim, ClaudeLater("internal-error", f"internal error: {type(error).__name__}")
            )
        log.info("turn", outcome=ended.outcome, milliseconds=round((time.monotonic() - started) * 1000))
        return ended

    async def _turn(self, store: TenantStore, claim: Claim) -> Advanced:
        if claim.condemned:
            return await self._fail(store, claim, POISON)
        if claim.now >= claim.request.deadline_at:
            waited = claim.request.waiting_for or "it waited for the requests before it"
            return await self._fail(store, claim, self._deadline(waited))
        stream = ReplyStream(store, claim)
        close = self._parts.listeners.open(claim.request.id, stream)
        if claim.listening:
            stream.start()
        try:
            async with held(store, claim, self._settings.lease_seconds, stream.start):
                context, reply = await self._ask(claim, await self._context(claim), stream.add)
        finally:
            close()
            await stream.stop()
        outcome = succeeded(claim, context, reply, self._parts, simulated=self._settings.simulated)
        return await self._commit(store, claim, outcome, "succeeded")

    async def _context(self, claim: Claim, model: str | None = None) -> Context:
        instructions = await self._parts.instructions.of(claim.ref.tenant)
        draft = Draft(
            instructions=instructions,
            memory=claim.memory,
            history=claim.history,
            history_complete=claim.history_complete,
            newest=claim.request.message,
            newest_id=claim.request.id,
            model=model or self._model(claim),
            budget=claim.session.token_budget or self._default_budget,
        )
        return assemble(draft, self._parts.counter)

    async def _ask(self, claim: Claim, context: Context, on_text: Callable[[str], None]) -> tuple[Context, Reply]:
        model = context.receipt.model
        try:
            reply = await self._parts.claude.ask(_prompt(context), on_text)
        except ClaudeFailed as error:
            fallback = self._settings.fallback_model
            if error.cause != "refused" or fallback is None or fallback == model:
                raise
            context = await self._context(claim, fallback)
            reply = await self._parts.claude.ask(_prompt(context), on_text)
        return context, reply

    def _model(self, claim: Claim) -> str:
        fallback = self._settings.fallback_model
        if fallback is not None and claim.request.attempts >= FALLBACK_AFTER_TRIES:
            return fallback
        return claim.request.model or claim.session.model or self._settings.chat_model

    async def _later(self, store: TenantStore, claim: Claim, later: ClaudeLater) -> Advanced:
        tries = claim.request.attempts + 1
        wait = wait_seconds(later, tries)
        if wait is None:
            return await self._fail(store, claim, Failure(type=f"claude-{later.cause}", detail=str(later)), asked=True)
        if wait > self._seconds_left(claim):
            return await self._fail(
                store, claim, self._deadline(f"{later}; the next try would come too late"), asked=True
            )
        cause = f"{later.cause}: {later}"
        parked = await store.park(claim, round(wait * 1000), cause, asked=later.cause != "breaker-open")
        return Advanced("parked" if parked else "lost")

    async def _fail(self, store: TenantStore, claim: Claim, failure: Failure, *, asked: bool = False) -> Advanced:
        return await self._commit(store, claim, failed(claim, failure, self._parts, asked=asked), failure.type)

    async def _commit(self, store: TenantStore, claim: Claim, outcome: Outcome, word: str) -> Advanced:
        done = await store.commit(claim, outcome)
        if done.verdict != "committed":
            return Advanced(done.verdict)
        await self._parts.announcer.announce(done.rows)
        return Advanced(word, "chat" if done.more else None)

    def _deadline(self, why: str) -> Failure:
        minutes = self._settings.request_deadline_minutes
        return Failure(type="deadline", detail=f"No reply within {minutes:g} minutes: {why}")

    @staticmethod
    def _seconds_left(claim: Claim) -> float:
        left: timedelta = claim.request.deadline_at - claim.now
        return max(0.0, left.total_seconds())


def _prompt(context: Context) -> Prompt:
    return Prompt(context.receipt.model, context.system, context.messages, context.max_tokens)
