"""Merging a customer into another on Redis, in steps that can be taken again.

Two customers lie in two slots, and no script sees both. So a session is staged, whole and unseen, where it goes; it
leaves where it was in one script, unless it has changed since it was read; and it arrives in another. Whoever follows
its id in between lets it arrive. Entries follow when all sessions have left: then nothing is extracted behind them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast
from urllib.parse import unquote

from redis.asyncio import Redis

from shared.errors import CustomerErasing, CustomerMerged, MergeBusy, MergeRefused, StoreUnavailable, UnknownCustomer
from shared.ids import bucket_of
from shared.storage.keys import encode
from shared.storage.merging import merge_event
from shared.storage.redis import codec
from shared.storage.redis.merging_entries import TRIES, Late, RedisMovingEntries

Answer = TypeVar("Answer")

AT_ONCE: Final = 10  # sessions that one step moves
BUSY_SECONDS: Final = 0.05
PAGE: Final = 100  # messages, or requests, staged at once


@dataclass(frozen=True, slots=True)
class Merges:
    """What is known of a customer's merges.

    `moving`: who is being merged into them; `sessions`: some of their `count` sessions; `coming`: what came of whom.
    """

    into: str | None
    moving: tuple[str, ...]
    merged: tuple[str, ...]
    sessions: tuple[str, ...]
    coming: dict[str, str]
    count: int


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a merge, and the token under which nobody else moves sessions meanwhile."""

    source: str
    into: str
    token: str


@dataclass(frozen=True, slots=True)
class Staged:
    """What of a session was staged: through which message, and what tells whether one was redacted since."""

    messages: int = 0
    redacted: str | None = None


class RedisMerging(RedisMovingEntries):
    """Implements `shared.storage.contract.Customers.merge_customer`."""

    async def merge_customer(self, source: str, into: str) -> int:
        """See `Customers.merge_customer`."""
        target = await self._now_called(into)
        if source in {into, target}:
            raise MergeRefused
        already = await self._now_called(source)
        if already not in {source, target}:
            raise CustomerMerged(already)
        if already == target and (await self._merges(target)).coming.get(f"done/{source}"):
            return 0
        if already == source:
            await self._begin(source, target)
        return await self.go_on_merging(source, target)

    async def go_on_merging(self, source: str, into: str) -> int:
        """Go on with a merge that has begun, as far as one step goes; return how many sessions are left, at least."""
        of, to = await self._merges(source), await self._merges(into)
        if of.into != into or source not in to.moving:
            return 0
        token = secrets.token_hex(8)
        if (await self._at(source, "take_merge", token=token))[0] == "busy":
            await asyncio.sleep(BUSY_SECONDS)
            return max(1, of.count)
        try:
            more = await self._step(Step(source, into, token), of, to)
        except Late:
            more = True
        return max(1, of.count - AT_ONCE) if more else 0

    async def _step(self, step: Step, of: Merges, to: Merges) -> bool:
        source, into = step.source, step.into
        await self._marks.mark(bucket_of(self.tenant, into))
        self._refuse_ended(await self._at(into, "expect_sessions", **{"from": source}, token=step.token))
        came = [name.removeprefix("s/") for name, who in to.coming.items() if who == source and name.startswith("s/")]
        staged = [session for session in came if await self._is_staged(session, into)]
        for session_id in dict.fromkeys((*staged, *of.sessions)):
            await self._move(session_id, step)
        more = len(of.sessions) == AT_ONCE or not await self._emptied(step, of)
        await self._at(source, "take_merge", token=step.token, release=True)
        return more

    async def _emptied(self, step: Step, of: Merges) -> bool:
        """Move what is left when the sessions have left, and end the merge; return whether that could be."""
        source, into = step.source, step.into
        await self._move_entries(source, into)
        for alias in of.merged:
            await self._repoint(alias, source, into)
        if (await self._at(source, "empty_merged", into=into))[0] == "more":
            return False
        of_source = {"from": source, "from_key": encode(source)}
        await self._at(into, "end_merge", **of_source, through=source, event=merge_event())
        return True

    async def _merges(self, customer_id: str) -> Merges:
        _, into, names, sessions, coming, count = await self._at(customer_id, "read_merge", limit=AT_ONCE)
        states = codec.pairs(names)
        moving = tuple(name for name, state in states.items() if state == "moving")
        done = {f"done/{name}": name for name, state in states.items() if state == "done"}
        return Merges(into or None, moving, tuple(states), tuple(sessions), codec.pairs(coming) | done, int(count))

    async def _begin(self, source: str, into: str) -> None:
        of = {"from": source, "from_key": encode(source)}
        expected = await self._at(into, "expect_merge", **of)
        if expected[0] == "done" and not (await self._merges(source)).into:
            expected = await self._at(into, "expect_merge", **of, anew=True)
        if expected[0] == "erasing":
            raise CustomerErasing
        if expected[0] == "merged":
            raise MergeBusy
        for _ in range(TRIES):
            begun = await self._at(source, "begin_merge", into=into)
            if begun[0] == "begun":
                return
            if begun[0] == "busy" and (await self._merges(str(begun[1]))).into == source:
                while await self.go_on_merging(str(begun[1]), source):
                    pass
                continue
            break
        await self._at(into, "end_merge", **of, undone=True)
        refusals: dict[str, Exception] = {"erasing": CustomerErasing(), "unknown": UnknownCustomer()}
        raise refusals.get(begun[0]) or MergeBusy()

    async def _is_staged(self, session_id: str, into: str) -> bool:
        name = f"cm:{{{bucket_of(self.tenant, into)}}}:t:{self.tenant}:ses:{session_id}:coming"
        return bool(await self._ask(lambda redis: redis.exists(name)))

    async def _move(self, session_id: str, step: Step) -> None:
        """Move a session, with all that belongs to it; what changes meanwhile is read again."""
        source, into = step.source, step.into
        here, there = bucket_of(self.tenant, source), bucket_of(self.tenant, into)
        goes = {"into": into, "into_key": encode(into)}
        if here == there:
            self._refuse_ended(await self._run("rehome", here, session=session_id, **goes, **{"from": source}))
            return
        before = Staged()
        for _ in range(TRIES):
            look = await self._run("look_at_leaving", here, session=session_id, **goes)
            if look[0] == "session":
                _, state, count, redacted, requests, rest, conversation = look
                anew = before.redacted != redacted or None
                await self._stage(session_id, step, anew=anew, rest=rest, conversation=conversation or None)
                await self._stage_messages(session_id, step, 1 if anew else before.messages + 1, int(count))
                await self._stage_requests(session_id, step, requests)
                before = Staged(int(count), str(redacted))
                leave = {"session": session_id, "state": state, "bucket": there, "token": step.token}
                look = await self._run("leave", here, **leave)
                if look[0] == "late":
                    raise Late
                if look[0] == "changed":
                    continue
                await self._lead(here, there, (session_id, *requests))
            if look[0] == "left":
                self._refuse_ended(await self._run("arrive", there, session=session_id))
            else:  # it was deleted, or has expired
                await self._run("unstage", there, session=session_id)
            return
        raise StoreUnavailable("the session changed each time it was looked at")

    async def _lead(self, here: str, there: str, identifiers: Sequence[str]) -> None:
        """Let ids that carry yet another bucket, where their customer was before, lead on in one hop."""
        for identifier in identifiers:
            home = identifier[4:6]
            if home != here:
                await self._point(identifier, home, there)

    async def _stage_messages(self, session_id: str, step: Step, first: int, last: int) -> None:
        name = f"cm:{{{bucket_of(self.tenant, step.source)}}}:t:{self.tenant}:ses:{session_id}:msg"

        async def read(redis: Redis, seqs: list[str]) -> list[str | None]:
            return await cast("Awaitable[list[str | None]]", redis.hmget(name, seqs))

        for start in range(first, last + 1, PAGE):
            seqs = [str(seq) for seq in range(start, min(start + PAGE, last + 1))]
            kept = await self._ask(lambda redis, seqs=seqs: read(redis, seqs))  # type: ignore[misc]  # a bound default
            found = [[seq, raw] for seq, raw in zip(seqs, kept, strict=True) if raw is not None]
            await self._stage(session_id, step, messages=found)

    async def _stage_requests(self, session_id: str, step: Step, requests: Sequence[str]) -> None:
        root = f"cm:{{{bucket_of(self.tenant, step.source)}}}:t:{self.tenant}:req:"

        async def read(redis: Redis, names: Sequence[str]) -> list[Any]:
            async with redis.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.hgetall(f"{root}{name}")
                    pipe.pttl(f"{root}{name}")
                return await pipe.execute()

        for start in range(0, len(requests), PAGE):
            names = requests[start : start + PAGE]
            found = await self._ask(lambda redis, names=names: read(redis, names))  # type: ignore[misc]  # a bound default
            kept = [
                {"id": name, "fields": codec.flat(fields), "left": left}
                for name, fields, left in zip(names, found[::2], found[1::2], strict=True)
                if fields
            ]
            await self._stage(session_id, step, requests=kept)

    async def _stage(self, session_id: str, step: Step, **parts: Any) -> None:
        of = {"session": session_id, "from": step.source, "token": step.token}
        answer = await self._at(step.into, "stage_session", **of, **{"messages": [], "requests": [], **parts})
        self._refuse_ended(answer)

    async def _repoint(self, alias: str, source: str, into: str) -> None:
        """Let one who was merged into `source` lead to where that goes."""
        await self._at(alias, "repoint_merge", seen=source, into=into)
        await self._at(into, "end_merge", **{"from": alias, "from_key": encode(alias)}, through=source)


def merge_in(member: str) -> tuple[str, str, str]:
    """Return tenant, who is merged, and into whom, from the name by which a bucket knows a merge."""
    tenant, source, into = member.split("/")
    return tenant, unquote(source), unquote(into)
