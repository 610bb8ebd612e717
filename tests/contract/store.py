"""The stores the contract is held against, and the small language its tests are written in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.ids import Ids, SessionRef, bucket_of
from shared.models import Failure, Message, Result, TokenUsage
from shared.storage.contract import TenantStore
from shared.storage.redis.client import Client
from shared.storage.redis.store import RedisStore
from shared.storage.types import Claim, Committed, Limits, NewRequest, NotClaimed, OutboxRow, Outcome

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
)

# What may lie in the store for ever; anything else without a TTL is a leak.
LASTING = ("cm:keys", "cm:buckets", ":wake", ":tries", ":outbox", ":outbox:due", ":agent")


class StoreClock:
    """The store's clock, moved by hand; it begins at the present, so that native TTLs stay true."""

    def __init__(self) -> None:
        self.ms = int(datetime.now(UTC).timestamp() * 1000)

    def __call__(self) -> int:
        return self.ms

    def pass_(self, ms: int) -> None:
        """Let time pass."""
        self.ms += ms


@dataclass
class Desk:
    """A tenant's store with its clock, and short words for what tests do with it."""

    store: RedisStore
    clock: StoreClock
    redis: Redis
    tenant: str = "acme"
    ids: Ids = field(default_factory=Ids)

    @property
    def own(self) -> TenantStore:
        return self.store.tenant(self.tenant)

    def of(self, tenant: str) -> Desk:
        """Return the same store as another tenant sees it."""
        return Desk(self.store, self.clock, self.redis, tenant)

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
        return Outcome(
            user=self.message(claim.request.message, request_id=claim.request.id),
            reply=self.message(reply, role="assistant", request_id=claim.request.id),
            result=result,
            asked=True,
        )

    def failed(self, claim: Claim, kind: str = "deadline") -> Outcome:
        """Return the outcome of a claim that failed."""
        user = self.message(claim.request.message, request_id=claim.request.id, unanswered=True)
        return Outcome(user=user, failure=Failure(type=kind, detail="it did not work"))

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

    async def keys(self) -> set[str]:
        """Return the names of all keys, but for answers kept for a minute."""
        return {str(key) for key in await self.redis.keys("*") if ":op:" not in str(key)}

    def lose_the_next_answer(self, script: str) -> None:
        """Let the next run of a script happen, and its answer be lost on the way."""
        client = self.store._client
        real = client._script(script)
        lost = False

        async def lossy(**given: Any) -> Any:
            nonlocal lost
            answer = await real(**given)
            if not lost:
                lost = True
                raise RedisConnectionError("the answer was lost")
            return answer

        client._scripts[script] = cast("Any", lossy)


def make_desk(redis: Redis) -> Desk:
    """Return a desk over a server."""
    clock = StoreClock()
    return Desk(RedisStore(Client(redis, patience=5.0, store_clock=clock), LIMITS), clock, redis)


async def assert_no_stray_keys(redis: Redis) -> None:
    """Fail when a key without a TTL is none of those that may last, nor of a session with open tickets."""
    keys = [str(key) for key in await redis.keys("*")]
    waiting = {key.removesuffix(":in") for key in keys if key.endswith(":in")}
    of_waiting = {str(await redis.hget(session, "customer_key")) for session in waiting}
    for key in keys:
        belongs_to_waiting = any(key == session or key.startswith(f"{session}:") for session in waiting)
        of_a_customer = ":cus:" in key and key.rpartition(":cus:")[2].partition(":")[0] in of_waiting
        a_request = ":req:" in key and ":" not in key.rpartition(":req:")[2]
        open_request = a_request and await redis.hget(key, "status") in {"queued", "running"}
        if key.endswith(LASTING) or belongs_to_waiting or of_a_customer or open_request:
            continue
        assert await redis.ttl(key) > 0, f"{key} has no TTL and is not on the list of what may last"
