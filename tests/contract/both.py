"""Both real stores side by side, under one clock moved by hand and with the same ids."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count
from typing import Any, Final, TypeVar, cast

from redis.asyncio import Redis

from shared.errors import ConversationMoved, MemoryFull, Refusal, UnknownMemory, UnknownRequest
from shared.ids import Ids, SessionRef, bucket_of
from shared.storage import records
from shared.storage.contract import TenantStore
from shared.storage.dynamodb.actions import query
from shared.storage.dynamodb.base import LEASE
from shared.storage.dynamodb.portable import DynamoPortable
from shared.storage.dynamodb.schema import session_key, shard_of, table_definition
from shared.storage.dynamodb.store import DynamoStore
from shared.storage.limits import Limits
from shared.storage.portable import Unit
from shared.storage.redis.client import Client as RedisClient
from shared.storage.redis.portable import RedisPortable
from shared.storage.redis.store import RedisStore
from shared.storage.types import OutboxRow
from tests.contract.dynamodb_desk import InsideDynamoDB
from tests.contract.store import DAY, HOUR, MINUTE, SECOND, StoreClock
from tests.support.moto import Moto
from tests.support.valkey import Valkey

LIMITS: Final = Limits(
    session_ttl_ms=24 * HOUR,
    request_deadline_ms=15 * MINUTE,
    request_retention_ms=72 * HOUR,
    memory_retention_ms=365 * DAY,
    lease_ms=30 * SECOND,
    grace_ms=5 * SECOND,
    announce_grace_ms=10 * SECOND,
    max_open_requests=4,
    memory_max_entries=3,
    read_messages=5,
    read_memory=2,
    poison_limit=2,
    read_digests=2,
    summary_threshold_tokens=20,
    summary_idle_ms=30 * MINUTE,
    summary_versions=3,
    summaries_by_default=True,
    digests=True,
)
TENANT: Final = "acme"
MONTH: Final = 30 * DAY


def _beside(customer: str) -> str:
    """Return another customer whose records lie in the same bucket."""
    bucket = bucket_of(TENANT, customer)
    return next(name for name in map("cust-{}".format, count(2)) if bucket_of(TENANT, name) == bucket)


CUSTOMERS: Final = ("cust-1", _beside("cust-1"))
REFUSED: Final = (Refusal, ConversationMoved, MemoryFull, UnknownMemory, UnknownRequest)

# Redis judges native TTLs by its own clock. So they are brought forward with the hand-moved one; and time never stops
# within some seconds of one's end, nor, since DynamoDB forgets a customer within a day, within a day after that.
NEAR: Final = 20 * SECOND
LATE: Final = 26 * HOUR
AGE: Final = """
local names, step = redis.call('KEYS', '*'), tonumber(ARGV[1])
for _, name in ipairs(names) do
  local left = redis.call('PTTL', name)
  local late = string.find(name, ':cus:', 1, true) and ARGV[3] or ARGV[2]
  if left > 0 and left - step < tonumber(ARGV[2]) and left - step > -tonumber(late) then return 1 end
end
for _, name in ipairs(names) do
  local left = redis.call('PTTL', name)
  if left > 0 then redis.call('PEXPIRE', name, left - step) end
end
return 0
"""

Told = TypeVar("Told")
Ask = Callable[[TenantStore], Awaitable[Any]]


class Both:
    """Valkey and DynamoDB as moto plays it. One event loop, and connections that are used again for each trace."""

    def __init__(self, valkey: Valkey, moto: Moto) -> None:
        self._runner = asyncio.Runner()
        self._redis = Redis.from_url(valkey.url(4), decode_responses=True)
        self._clock = StoreClock()
        self._dynamo = InsideDynamoDB(moto.table(), 10.0, 32, store_clock=self._clock)
        self.redis = RedisStore(RedisClient(self._redis, patience=10.0, store_clock=self._clock), LIMITS)
        self.dynamo = DynamoStore(self._dynamo, LIMITS)
        self._portables = (RedisPortable(self.redis._client, LIMITS), DynamoPortable(self._dynamo, LIMITS))
        self.ids = Ids()

    def begin(self) -> None:
        """Empty both, and begin to count ids anew."""
        self.run(self._redis.flushdb())
        self.redis = RedisStore(RedisClient(self._redis, patience=10.0, store_clock=self._clock), LIMITS)
        self.run(self._fresh_table())
        self.ids = Ids(_counted())

    async def _fresh_table(self) -> None:
        # By the connections that are open already; moto holds what is not deleted.
        await self._dynamo.ask("delete_table")
        await self._dynamo.ask("create_table", **table_definition(self._dynamo.table))

    def close(self) -> None:
        """Let go of both."""
        self.run(self._redis.aclose())
        self.run(self._dynamo.close())
        self._runner.close()

    @property
    def now(self) -> int:
        """The time by which both judge, in milliseconds."""
        return self._clock.ms

    def run(self, act: Awaitable[Told]) -> Told:
        """Return what a coroutine gives."""

        async def wait() -> Told:
            return await act

        return self._runner.run(wait())

    def same(self, what: str, ask: Callable[[TenantStore], Awaitable[Told]]) -> Told | str:
        """Do the same on both; return what both told, which must be equal."""
        return self.run(self._asked(what, ask))

    def same_each(self, *asked: tuple[str, Ask] | str | None) -> list[Any]:
        """Do several things that change nothing, at once, on both; leave out what is no question."""
        return self.run(self._all(asked))

    async def _all(self, asked: Sequence[tuple[str, Ask] | str | None]) -> list[Any]:
        return list(await asyncio.gather(*(self._asked(*each) for each in asked if isinstance(each, tuple))))

    async def _asked(self, what: str, ask: Callable[[TenantStore], Awaitable[Told]]) -> Told | str:
        """Do the same on both; return what both told, which must be equal."""
        on_redis, on_dynamo = await asyncio.gather(
            _told(ask(self.redis.tenant(TENANT))), _told(ask(self.dynamo.tenant(TENANT)))
        )
        assert on_redis == on_dynamo, f"{what}:\n  Redis     {on_redis!r}\n  DynamoDB  {on_dynamo!r}"
        return on_redis

    def pass_(self, ms: int) -> None:
        """Let time pass for both, and for Redis's native TTLs; sweep where retention may have ended."""
        self._age(ms)
        if ms > MONTH:
            self._sweep()
            self._age(LATE)
            self._sweep()

    def _sweep(self) -> None:
        for shard in self._shards:
            while self.run(self.dynamo.sweep(shard, 100)) == 100:
                pass

    def _age(self, ms: int) -> None:
        while self.run(self._redis.eval(AGE, 0, str(ms), str(NEAR), str(LATE))):
            ms += LATE if ms > MONTH else NEAR
        self._clock.pass_(ms)

    @property
    def _shards(self) -> list[str]:
        return sorted({shard_of(bucket_of(TENANT, customer)) for customer in CUSTOMERS})

    def due(self) -> list[Any]:
        """Return the sessions both find overdue, with whether they belong into quarantine."""
        return self.run(self._due())

    async def _due(self) -> list[Any]:
        on_redis = [await self.redis.overdue(bucket, 100) for bucket in await self.redis.active_buckets()]
        on_dynamo = await asyncio.gather(*(self.dynamo.overdue(shard, 100) for shard in self._shards))
        return _equal("overdue", on_redis, on_dynamo)

    def summaries_due(self) -> tuple[set[SessionRef], set[SessionRef]]:
        """Return the sessions each finds whose summary may be due: on Redis, and on DynamoDB."""
        return self.run(self._summaries_due())

    async def _summaries_due(self) -> tuple[set[SessionRef], set[SessionRef]]:
        on_redis = [await self.redis.due_summaries(bucket_of(TENANT, customer), 100) for customer in CUSTOMERS]
        on_dynamo = [await self.dynamo.due_summaries(shard, 100) for shard in self._shards]
        found, other = ({due.ref for part in parts for due in part} for parts in (on_redis, on_dynamo))
        return found, other

    def rows(self) -> list[Any]:
        """Return the outbox rows both give to announce."""
        return self.run(self._rows())

    async def _rows(self) -> list[Any]:
        on_redis = [await self.redis.take_rows(bucket, 100) for bucket in await self.redis.active_buckets()]
        on_dynamo = await asyncio.gather(*(self.dynamo.take_rows(shard, 100) for shard in self._shards))
        return _equal("rows", on_redis, on_dynamo)

    def inbox(self, session_id: str) -> Any:
        """Return what waits in a session, who holds it, and until when, as both keep it."""
        return self.run(self._inbox(session_id))

    async def _inbox(self, session_id: str) -> Any:
        unit = Unit("session", TENANT, session_id)
        head = f"cm:{{{unit.bucket}}}:t:{TENANT}:ses:{session_id}"
        kept = await asyncio.gather(*(store.look(unit, steady=False) for store in self._portables))
        ends = [await cast("Any", self._redis.hget(head, "lease"))]
        ends.append((await self._dynamo.get(session_key(TENANT, session_id, LEASE)) or {}).get("lease"))
        found, other = (
            (each.dump.inbox, int(end or 0)) if each and each.dump else None
            for each, end in zip(kept, ends, strict=True)
        )
        assert found == other, f"inbox:\n  Redis     {found}\n  DynamoDB  {other}"
        return found

    def outbox(self) -> list[Any]:
        """Return the outbox rows both hold, due or not."""
        return self.run(self._outbox())

    async def _outbox(self) -> list[Any]:
        on_redis, on_dynamo = [], []
        for bucket in {bucket_of(TENANT, customer) for customer in CUSTOMERS}:
            kept = await cast("Any", self._redis.hvals(f"cm:{{{bucket}}}:outbox"))
            on_redis.append([records.row(text, bucket) for text in kept])
        for shard in self._shards:
            items = await self._dynamo.all(query(None, "#pk = :pk", pk=f"outbox/{shard}"))
            on_dynamo.append([records.row(item["row"], item["bucket"]) for item in items])
        return _equal("outbox", on_redis, on_dynamo)

    def strike(self, rows: Sequence[OutboxRow]) -> None:
        """Remove rows from both."""
        for row in rows:
            for store in (self.redis, self.dynamo):
                self.run(store.strike(row.bucket, [row.id]))


async def _told(answer: Awaitable[Told]) -> Told | str:
    try:
        return await answer
    except REFUSED as refused:
        return f"refused: {type(refused).__name__}"


def _equal(what: str, on_redis: Sequence[Sequence[Any]], on_dynamo: Sequence[Sequence[Any]]) -> list[Any]:
    """Return what both found, wherever they found it: a shard of DynamoDB holds the work of many buckets."""
    found, other = ([each for part in parts for each in part] for parts in (on_redis, on_dynamo))
    assert sorted(found, key=str) == sorted(other, key=str), f"{what}:\n  Redis     {found}\n  DynamoDB  {other}"
    return found


def _counted() -> Callable[[], str]:
    numbers: Iterator[int] = count(1)
    return lambda: f"{next(numbers):026d}"
