"""Letting memory entries be another customer's on Redis: each once, however often a merge is gone on with."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from redis.asyncio import Redis

from shared.errors import CustomerErasing, StoreUnavailable
from shared.ids import bucket_of
from shared.storage import records
from shared.storage.keys import encode
from shared.storage.merging import KeptEntry, Place, merged, without
from shared.storage.redis import codec
from shared.storage.redis.turns import RedisScripts

Answer = TypeVar("Answer")

TRIES: Final = 50


class Late(Exception):
    """Somebody else holds the merge since, or it is one no more: a customer was erased."""


class RedisMovingEntries(RedisScripts):
    """What merging does with memory entries."""

    async def _move_entries(self, source: str, into: str) -> None:
        _, _, entries, histories, *_ = await self._at(source, "dump_memory")
        earlier = codec.pairs(histories)
        left = await self._ask(lambda redis: redis.pttl(self._of(source, "mem")))
        for key, text in codec.pairs(entries).items():
            comes = KeptEntry(json.loads(text), tuple(json.loads(earlier.get(key, "[]"))))
            await self._move_entry(source, into, comes, int(left))
        gone: Any = await self._ask(lambda redis: redis.zrange(self._of(source, "memgone"), 0, -1, withscores=True))
        if gone:
            keys = [[str(key), int(when)] for key, when in gone]
            self._refuse_ended(await self._at(into, "forget_merged", **{"from": source}, keys=keys))

    async def _move_entry(self, source: str, into: str, comes: KeptEntry, left: int) -> None:
        key, places = comes.entry["key"], comes.places
        of = {"key": key, "from": source, "mark": _mark(source, comes), "rests": [list(place) for place in places]}
        for _ in range(TRIES):
            found: Any = await self._at(into, "look_at_merged", **of)
            _, stands, history, gone, lost, kept = found
            if kept:
                return
            lost_places: set[Place] = {(str(session), int(seq)) for session, seq in lost}
            there = KeptEntry(json.loads(stands), tuple(json.loads(history))) if stands else None
            now = await self._client.now()
            rests = without(comes, lost_places, now)
            after = merged(there, rests, int(float(gone)) if gone else None, now) if rests is not None else None
            of["rests"] = [list(place) for place in places if place not in lost_places]
            answer = await self._at(
                into,
                "put_merged",
                **of,
                seen=stands,
                gone=gone,
                entry=records.dump(after.entry) if after else None,
                history=records.dump(list(after.history)) if after else None,
                max_entries=self._limits.memory_max_entries,
                left=left,
            )
            self._refuse_ended(answer)
            if answer[0] == "kept":
                return
        raise StoreUnavailable("the entry changed each time it was looked at")

    def _refuse_ended(self, answer: list[Any]) -> None:
        if answer[0] == "erasing":
            raise CustomerErasing
        if answer[0] == "late":
            raise Late

    def _of(self, customer_id: str, part: str) -> str:
        return f"cm:{{{bucket_of(self.tenant, customer_id)}}}:t:{self.tenant}:cus:{encode(customer_id)}:{part}"

    async def _ask(self, ask: Callable[[Redis], Awaitable[Answer]]) -> Answer:
        return await self._client.call(lambda: ask(self._client.redis))


def _mark(source: str, comes: KeptEntry) -> str:
    return f"m/{encode(source)}/{comes.entry['key']}"
