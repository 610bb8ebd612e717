"""The connection: scripts by name, answers in time, faults in our own words.

Every operation is safe to ask again, so a lost answer is asked for again until the operation's time is up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import cache
from importlib import resources
from typing import Any, TypeVar, cast

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript

from shared.errors import StoreError, StoreUnavailable

Answer = TypeVar("Answer")

_AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
    exceptions.TryAgainError,
    OSError,
    TimeoutError,
)
# Answers of a server that is there, but cannot keep a write, or answer at all, for now.
_AWAY_ANSWERS = ("NOREPLICAS", "MISCONF", "BUSY", "LOADING")
# Scripts of a tenant, or the deployment, as a whole, which lie in no bucket.
OUTSIDE_BUCKETS = frozenset({"calibrate", "delete_hook", "note", "put_hook", "put_instructions", "put_part"})
# Scripts that work on memory entries.
ON_ENTRIES = frozenset(
    {
        *("approve_memory", "delete_memory", "delete_session", "extract_memory", "load_memory", "put_memory", "redact"),
        *("forget_merged", "look_at_merged", "put_merged"),
    }
)
# Scripts that remove sessions.
REMOVING = frozenset({"delete_session", "erase_customer"})
# Scripts that let sessions leave for another bucket.
MOVING = frozenset({"leave", "look_at_leaving"})
_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0


class Client:
    """One process's way to the server.

    `patience` is how many seconds an operation may take in all, tries included. After one that took them in vain,
    others fail at once for `rest` seconds, so that many callers do not wait one after the other. `store_clock`, for
    tests, stands in for the server's own clock and returns milliseconds since the epoch.
    """

    def __init__(
        self, redis: Redis, patience: float, store_clock: Callable[[], int] | None = None, rest: float = 0.0
    ) -> None:
        self.redis = redis
        self._rest = rest
        self._rests_until = 0.0
        self._patience = patience
        self._store_clock = store_clock
        self._scripts: dict[str, AsyncScript] = {}

    async def run(self, name: str, key: str, /, **parameters: Any) -> list[Any]:
        """Run the script `name` (a file of `lua/`), routed by `key`; parameters that are None are left out."""
        given = {field: value for field, value in parameters.items() if value is not None}
        if self._store_clock is not None:
            given["now"] = self._store_clock()
        script = self._script(name)
        arguments = [json.dumps(given, ensure_ascii=False, separators=(",", ":"))]

        async def ask() -> list[Any]:
            return cast("list[Any]", await script(keys=[key], args=arguments))

        return await self.call(ask)

    async def now(self) -> int:
        """Return the server's time, in milliseconds since the epoch."""
        if self._store_clock is not None:
            return self._store_clock()
        seconds, micros = await self.call(self.redis.time)
        return int(seconds) * 1000 + int(micros) // 1000

    async def call(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return what `ask` returns; ask again while the server is away, until patience ends.

        Raises:
            StoreUnavailable: the server did not answer in time.
            StoreError: it answered with an error.

        """
        loop = asyncio.get_running_loop()
        if loop.time() < self._rests_until:
            raise StoreUnavailable("the store did not answer a moment ago")
        until = loop.time() + self._patience
        pause = _PAUSE_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(until):
                    return await ask()
            except (*_AWAY, exceptions.RedisError) as error:
                if not _is_away(error):
                    raise StoreError(str(error)) from error
                if loop.time() + pause >= until:
                    self._rests_until = loop.time() + self._rest
                    message = f"the store did not answer in {self._patience:g} s ({type(error).__name__})"
                    raise StoreUnavailable(message) from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def close(self) -> None:
        """Close every connection."""
        await self.redis.aclose()

    def _script(self, name: str) -> AsyncScript:
        if name not in self._scripts:
            self._scripts[name] = self.redis.register_script(script_source(name))
        return self._scripts[name]


def _is_away(error: Exception) -> bool:
    return isinstance(error, _AWAY) or str(error).startswith(_AWAY_ANSWERS)


def connect(url: str, patience: float, connections: int, rest: float = 0.0) -> Client:
    """Return a client of the server at `url`; `connections` is the most it opens. Nothing is sent yet."""
    slice_seconds = min(5.0, max(0.5, patience / 2))
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=slice_seconds,
        decode_responses=True,
        socket_timeout=slice_seconds,
        socket_connect_timeout=slice_seconds,
        retry=Retry(NoBackoff(), 0),
        socket_keepalive=True,
    )
    return Client(Redis.from_pool(pool), patience, rest=rest)


@cache
def script_source(name: str) -> str:
    """Return the text of a script behind the clock, and behind what those share that work on a bucket."""
    folder = resources.files(__package__) / "lua"
    parts = ["clock", name] if name in OUTSIDE_BUCKETS else ["clock", "names", "moved", "burst", "prelude", name]
    if name in ON_ENTRIES:
        parts.insert(-1, "entries")
    if name in REMOVING:
        parts.insert(-1, "removal")
    if name in MOVING:
        parts.insert(-1, "moving")
    return "".join((folder / f"{part}.lua").read_text("utf-8") for part in parts)
