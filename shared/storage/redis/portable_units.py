"""Finding what there is to move in Redis, wherever it lies."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar, cast
from urllib.parse import unquote

from redis.asyncio import Redis

from shared.storage.keys import wake_key
from shared.storage.limits import Limits
from shared.storage.portable import Kind, Unit
from shared.storage.portable_fields import is_left_over
from shared.storage.redis import codec
from shared.storage.redis.client import Client
from shared.storage.redis.following import MOST_HOPS
from shared.storage.redis.marks import BucketMarks
from shared.storage.redis.merging import RedisMerging, merge_in
from shared.storage.redis.portable_values import found_in

Answer = TypeVar("Answer")

SCANNED: Final = 1000

_NAME: Final = re.compile(r"cm:(?:\{..\}:)?t:([^:]+):(ses|req|cus|idem|agent)(?::([^:]+))?(?::([^:]+))?")
# Which keys stand for a unit, by kind and part.
_UNITS: Final[Mapping[tuple[str, str | None], Kind]] = {
    ("ses", None): "session",
    ("cus", "mem"): "memory",
    ("cus", "dig"): "memory",
    ("cus", "into"): "merge",
    ("idem", None): "reservation",
    ("agent", None): "instructions",
}


class RedisUnits:
    """What there is to move, by SCAN, and where each lies."""

    def __init__(self, client: Client, limits: Limits) -> None:
        self._client = client
        self._limits = limits
        self._marks = BucketMarks(client)

    async def now(self) -> int:
        """See `Portable.now`."""
        seconds, microseconds = await self._ask(lambda redis: redis.time())
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def size(self, tenants: Collection[str]) -> int:
        """See `Portable.size`."""
        return sum([unit.kind == "session" async for unit in self.units(tenants, exact=False)])

    async def units(self, tenants: Collection[str], *, exact: bool) -> AsyncGenerator[Unit, None]:
        """See `Portable.units`. SCAN misses nothing that stood before it began."""
        del exact
        await self._end_merges(tenants)
        async for names in self._scan("cm:*t:*"):
            found = [match for match in map(_NAME.fullmatch, names) if match and (not tenants or match[1] in tenants)]
            for match in found:
                kind = _UNITS.get((match[2], match[4]))
                if kind is not None:
                    yield Unit(kind, match[1], unquote(match[3] or ""), found_in(match[0]))
            async for unit in self._half_sessions(found):
                yield unit
            async for unit in self._left_over([match for match in found if match[2] == "req" and not match[4]]):
                yield unit

    async def _half_sessions(self, found: Sequence[re.Match[str]]) -> AsyncGenerator[Unit, None]:
        """Yield sessions of which only parts have come."""
        for match in found:
            if match[2] == "ses" and match[4] in {"msg", "req"}:
                head = match[0].rpartition(":")[0]
                if not await self._ask(lambda redis, head=head: redis.exists(head)):  # type: ignore[misc]  # a bound default
                    yield Unit("session", match[1], match[3], found_in(match[0]))

    async def _left_over(self, found: Sequence[re.Match[str]]) -> AsyncGenerator[Unit, None]:
        """Yield requests that outlived their session."""

        async def ask(redis: Redis) -> list[list[str | None]]:
            async with redis.pipeline(transaction=False) as pipe:
                for match in found:
                    pipe.hmget(match[0], ["deleted", "failure"])
                return cast("list[list[str | None]]", await pipe.execute())

        if found:
            for match, (deleted, failure) in zip(found, await self._ask(ask), strict=True):
                if is_left_over({"deleted": deleted, "failure": failure}):
                    yield Unit("request", match[1], match[3], found_in(match[0]))

    async def _end_merges(self, tenants: Collection[str]) -> None:
        """End the merges that are under way: half of one cannot be moved."""
        async for names in self._scan("cm:{*}:merging"):
            for name in names:
                for member in await self._ask(lambda redis, name=name: redis.zrange(name, 0, -1)):  # type: ignore[misc]  # a bound default
                    tenant, source, into = merge_in(str(member))
                    own = RedisMerging(self._client, self._marks, tenant, self._limits)
                    while (not tenants or tenant in tenants) and await own.go_on_merging(source, into):
                        pass

    async def _located(self, unit: Unit) -> Unit:
        """Return a unit with the bucket its id leads to, where it is not in its own."""
        if unit.at:
            return unit
        for _ in range(MOST_HOPS):
            name = f"cm:{{{unit.bucket}}}:t:{unit.tenant}:at:{unit.name}"
            at = await self._ask(lambda redis, name=name: redis.get(name))  # type: ignore[misc]  # a bound default
            if not at:
                break
            unit = replace(unit, at=str(at))
        return unit

    async def _lead(self, tenant: str, identifiers: Iterable[str], bucket: str) -> None:
        """Let ids of another bucket lead to this one."""
        for identifier in identifiers:
            home = Unit("session", tenant, identifier)
            if home.bucket != bucket:
                await self._run("point", home, id=identifier, bucket=bucket)

    async def _scan(self, pattern: str) -> AsyncGenerator[list[str], None]:
        cursor = 0
        while True:
            cursor, names = await self._ask(
                lambda redis, at=cursor: redis.scan(at, match=pattern, count=SCANNED)  # type: ignore[misc]  # a bound default
            )
            yield [str(name) for name in names]
            if int(cursor) == 0:
                return

    async def _run(self, name: str, unit: Unit, /, **parameters: Any) -> list[Any]:
        shared = {"tenant": unit.tenant, **codec.limits(self._limits)}
        return await self._client.run(name, wake_key(unit.bucket), **shared, **parameters)

    async def _ask(self, ask: Callable[[Redis], Awaitable[Answer]]) -> Answer:
        return await self._client.call(lambda: ask(self._client.redis))
