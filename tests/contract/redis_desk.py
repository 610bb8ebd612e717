"""A desk over Redis or Valkey, and what can be seen and broken behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.ids import SessionRef
from shared.storage.limits import Limits
from shared.storage.redis.client import Client
from shared.storage.redis.store import RedisStore
from tests.contract.store import LIMITS, Desk, Stops, StoreClock

# What may lie in the store for ever; anything else without a TTL is a leak.
LASTING = (
    "cm:keys",
    "cm:calibration",
    "cm:buckets",
    "cm:memory:cold",
    ":wake",
    ":tries",
    ":outbox",
    ":outbox:due",
    ":agent",
    ":counts",
    ":sumdue",
    "cm:summaries:flights",
    "cm:batches:running",
    ":callbacks",
    "cm:tenants",
    ":salt",
    "cm:{hooks}",
    "cm:{hooks}:t:acme",
    "cm:{hooks}:t:globex",
)


class InsideRedis:
    """Implements `tests.contract.store.Inside`."""

    def __init__(self, redis: Redis, client: Client) -> None:
        self._redis = redis
        self._client = client

    async def tickets(self, ref: SessionRef) -> list[str]:
        """See `Inside.tickets`."""
        name = f"cm:{{{ref.bucket}}}:t:{ref.tenant}:ses:{ref.session_id}:in"
        return [str(ticket) for ticket in await cast("Any", self._redis.lrange(name, 0, -1))]

    async def names(self) -> set[str]:
        """See `Inside.names`."""
        return {str(key) for key in await self._redis.keys("*") if ":op:" not in str(key)} - {"cm:buckets"}

    async def contents(self) -> str:
        """See `Inside.contents`. DUMP may compress, so each is read by its kind."""

        async def gone(name: str) -> None:
            del name

        reads: dict[str, Callable[[str], Any]] = {
            "none": gone,  # it ended since it was named
            "string": self._redis.get,
            "hash": self._redis.hgetall,
            "list": lambda name: self._redis.lrange(name, 0, -1),
            "set": self._redis.smembers,
            "zset": lambda name: self._redis.zrange(name, 0, -1),
        }
        found = [
            (key, await reads[str(await self._redis.type(key))](key)) for key in map(str, await self._redis.keys("*"))
        ]
        return str(found)

    async def age(self, ms: int) -> None:
        """See `Inside.age`: native TTLs."""
        for key in await self._redis.keys("*"):
            left = await self._redis.pttl(key)
            if left > 0:
                await self._redis.pexpire(key, left - ms)

    async def access_keys(self) -> str:
        """See `Inside.access_keys`."""
        return str(await cast("Any", self._redis.hgetall("cm:keys")))

    def lose_the_next_answer(self, operation: str) -> None:
        """See `Inside.lose_the_next_answer`."""
        real = self._client._script(operation)
        lost = False

        async def lossy(**given: Any) -> Any:
            nonlocal lost
            answer = await real(**given)
            if not lost:
                lost = True
                raise RedisConnectionError("the answer was lost")
            return answer

        self._client._scripts[operation] = cast("Any", lossy)

    def cut_after(self, commands: int | None, meanwhile: Callable[[], Awaitable[object]] | None = None) -> None:
        """See `Inside.cut_after`."""
        stops = Stops()
        stops.after(commands, meanwhile)

        async def call(ask: Callable[[], Awaitable[Any]]) -> Any:
            await stops.pass_()
            return await Client.call(self._client, ask)

        self._client.call = call  # type: ignore[method-assign]  # the fault


def make_desk(redis: Redis, limits: Limits = LIMITS) -> Desk:
    """Return a desk over a server."""
    clock = StoreClock()
    client = Client(redis, patience=5.0, store_clock=clock)
    return Desk(RedisStore(client, limits), clock, InsideRedis(redis, client))


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
        # One that ends within the second has 0 left, one that has ended since -2.
        assert await redis.ttl(key) != -1, f"{key} has no TTL and is not on the list of what may last"
