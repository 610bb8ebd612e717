"""The stores the contract is held against, and the small language its tests are written in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from shared.ids import Ids, SessionRef, bucket_of
from shared.models import Failure, Message, Receipt, ReceiptPart, Result, TokenBudget, TokenUsage
from shared.storage.contract import Store, TenantStore
from shared.storage.limits import Limits
from shared.storage.types import Claim, Committed, NewRequest, NotClaimed, OutboxRow, Outcome

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

LIMITS = Limits(
    session_ttl_ms=24 * HOUR,
    request_deadline_ms=15 * MINUTE,
    request_retention_ms=72 * HOUR,
    memory_retention_ms=365 * DAY,
    lease_ms=30 * SECOND,
    grace_ms=5 * SECOND,
    announce_grace_ms=10 * SECOND,
    max_open_requests=60,
    memory_max_entries=8,
    read_messages=40,
    read_memory=5,
    poison_limit=3,
    read_digests=3,
    summary_threshold_tokens=2000,
    summary_idle_ms=30 * MINUTE,
    summary_versions=4,
    digests=True,
)

# With the recall index and memory entries made, which makes sessions due more often.
MEMORY_LIMITS = replace(LIMITS, memory_delay_ms=MINUTE, memory_threshold_tokens=1500, index_bytes=4_096)


def limits_of(request: pytest.FixtureRequest) -> Limits:
    """Return the limits that a class of tests asks for."""
    found: Limits = getattr(request.cls, "limits", LIMITS)
    return found


class Cut(Exception):
    """The process died here."""


class Inside(Protocol):
    """What a test sees of a store from behind, and the faults it can cause there."""

    async def tickets(self, ref: SessionRef) -> list[str]:
        """Return a session's open tickets, in the order accepted."""

    async def names(self) -> set[str]:
        """Return the names of all that is kept, but for answers kept for a minute and hints of where to look."""

    async def contents(self) -> str:
        """Return all that is kept, as text: what is not in it, is not kept."""

    async def age(self, ms: int) -> None:
        """Let what ends by itself come nearer to its end, where the store judges that by a clock of its own."""

    async def access_keys(self) -> str:
        """Return all that is kept of API keys."""

    def lose_the_next_answer(self, operation: str) -> None:
        """Let the operation's next write happen, and its answer be lost on the way."""

    def cut_after(self, commands: int | None, meanwhile: Callable[[], Awaitable[object]] | None = None) -> None:
        """Let whoever asks die after so many more commands to the store (`Cut`); None: nobody any more.

        With `meanwhile` they stand still there until that is done, and die after one command more.
        """


class Stops:
    """Where whoever asks a store dies, or stands still; one place in the tests of each store's client asks it."""

    def __init__(self) -> None:
        self._left: int | None = None
        self._meanwhile: Callable[[], Awaitable[object]] | None = None

    def after(self, commands: int | None, meanwhile: Callable[[], Awaitable[object]] | None = None) -> None:
        """See `Inside.cut_after`."""
        self._left, self._meanwhile = commands, meanwhile

    async def pass_(self) -> None:
        """Let a command pass, or raise Cut."""
        if self._left is None:
            return
        if self._left == 0:
            act, self._meanwhile = self._meanwhile, None
            if act is None:
                raise Cut
            self._left = None
            await act()
            self._left = 1
        self._left -= 1


class StoreClock:
    """The store's clock, moved by hand; it begins at the present, so that native TTLs stay true."""

    def __init__(self) -> None:
        self.ms = int(datetime.now(UTC).timestamp() * 1000)

    def __call__(self) -> int:
        return self.ms

    def pass_(self, ms: int) -> None:
        """Let time pass."""
        self.ms += ms


def receipt_of(ids: int) -> Receipt:
    """Return a receipt that names so many messages."""
    return Receipt(
        strategy="hybrid",
        model="m",
        counter="c",
        budget=TokenBudget(max=900, reserve=100),
        tokens=1,
        parts=[ReceiptPart(name="window", tokens=1, included=[f"msg_{number:026d}" for number in range(ids)])],
        request_hash="h",
    )


@dataclass
class Desk:
    """A tenant's store with its clock, and short words for what tests do with it."""

    store: Store
    clock: StoreClock
    inside: Inside
    tenant: str = "acme"
    ids: Ids = field(default_factory=Ids)

    @property
    def own(self) -> TenantStore:
        return self.store.tenant(self.tenant)

    def of(self, tenant: str) -> Desk:
        """Return the same store as another tenant sees it."""
        return Desk(self.store, self.clock, self.inside, tenant)

    def new(self, message: str = "Hello", customer: str = "cust-1", **more: Any) -> NewRequest:
        """Return a request that has not been accepted yet."""
        return NewRequest(self.ids.request(bucket_of(self.tenant, customer)), customer, message, **more)

    async def accept(self, message: str = "Hello", customer: str = "cust-1", **more: Any) -> NewRequest:
        """Accept a message; return the request with the session it went to."""
        new = self.new(message, customer, **more)
        session = await self.own.accept(new, self.ids.session(bucket_of(self.tenant, customer)))
        return NewRequest(new.request_id, customer, message, session, new.conversation_id, new.model, new.metadata)

    def ref(self, request: NewRequest) -> SessionRef:
        """Return the reference of a request's session."""
        return SessionRef(self.tenant, str(request.session_id))

    async def look(
        self, request: NewRequest, *, quarantine: bool = False, nonce: str | None = None
    ) -> Claim | NotClaimed:
        """Try to claim the session of a request."""
        return await self.own.claim(self.ref(request), nonce or self.ids.ulid(), 4000, quarantine=quarantine)

    async def claim(self, request: NewRequest, *, quarantine: bool = False) -> Claim:
        """Claim the session of a request, which must be possible."""
        claim = await self.look(request, quarantine=quarantine)
        assert isinstance(claim, Claim), claim
        return claim

    async def answer(self, claim: Claim, reply: str = "Hi!") -> Committed:
        """Commit a reply."""
        return await self.own.commit(claim, self.answered(claim, reply))

    async def turn(self, message: str, **more: Any) -> NewRequest:
        """Run a whole turn."""
        request = await self.accept(message, **more)
        await self.answer(await self.claim(request), f"Re: {message}")
        return request

    def answered(self, claim: Claim, reply: str) -> Outcome:
        """Return the outcome of an answered claim."""
        result = Result(
            session_id=claim.ref.session_id,
            reply=reply,
            token_usage=TokenUsage(input=10, output=2, total=12),
            request_id=claim.request.id,
            model="claude-sonnet-4-6",
            stop_reason="end_turn",
        )
        user, *more = (self.message(each.message, request_id=each.id) for each in claim.requests)
        return Outcome(
            user=user,
            reply=self.message(reply, role="assistant", request_id=claim.request.id),
            result=result,
            asked=True,
            more=tuple(more),
        )

    def failed(self, claim: Claim, kind: str = "deadline") -> Outcome:
        """Return the outcome of a claim that failed."""
        user, *more = (self.message(each.message, request_id=each.id, unanswered=True) for each in claim.requests)
        return Outcome(user=user, failure=Failure(type=kind, detail="it did not work"), more=tuple(more))

    def message(self, content: str, **more: Any) -> Message:
        """Return a message."""
        at = datetime.fromtimestamp(self.clock.ms / 1000, UTC)
        return Message(id=self.ids.message(), **{"role": "user", "content": content, "at": at, "tokens": 10, **more})

    async def transcript(self, request: NewRequest) -> list[str]:
        """Return the texts of a session."""
        page = await self.own.messages(str(request.session_id), 200, 0)
        return [message.content for message in page.items]

    async def due_rows(self, request: NewRequest) -> list[OutboxRow]:
        """Return the rows of the request's bucket, once they are due."""
        self.clock.pass_(MINUTE)
        return await self.store.take_rows(self.ref(request).bucket, 100)
