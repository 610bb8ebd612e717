"""Summaries and digests on Redis: the job of making one, under a lease and a fencing token of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Any, cast

from shared.clock import from_ms, to_ms
from shared.ids import SessionRef, bucket_of
from shared.storage import records
from shared.storage.jobs import Cold, DueSummary, SummaryClaim, SummaryOutcome
from shared.storage.keys import COLD, FLIGHTS, wake_key
from shared.storage.limits import Limits
from shared.storage.redis import codec
from shared.storage.redis.client import Client
from shared.storage.redis.turns import RedisScripts
from shared.storage.types import Committed, KeptDigest, KeptSummary, Token

LOOKED_AT = 2_000  # due sessions of a bucket
SCANNED = 1_000


class RedisSummaries(RedisScripts):
    """Implements `shared.storage.contract.Summaries`."""

    async def ask_summary(self, session_id: str) -> None:
        """See `Summaries.ask_summary`."""
        await self._run_session("ask_summary", session_id)

    async def claim_summary(self, session_id: str, nonce: str, *, force: bool = False) -> SummaryClaim | None:
        """See `Summaries.claim_summary`."""
        ref = SessionRef(self.tenant, session_id)
        bucket, answer = await self._run_where(
            "claim_summary", session_id, ref.bucket, session=session_id, nonce=nonce, force=force
        )
        if answer[0] != "claimed":
            if answer[0] != "busy":
                await _land(self._client, ref)
            if answer[0] == "gone":
                await _warm(self._client, ref)
            return None
        _, now, number, reason, behind, head, tickets, tries = answer
        await _fly(self._client, ref, int(now) + self._limits.summary_lease_ms)
        fields = codec.pairs(head)
        return SummaryClaim(
            ref=replace(ref, at=bucket),
            token=Token(int(number), nonce),
            session=records.session(session_id, fields, int(tickets), int(now)),
            reason=reason,
            behind=int(behind),
            summary=records.summary(fields),
            now=from_ms(int(now)),
            version=int(fields.get("sum_version", 0)),
            tries=int(tries),
            indexed=int(fields.get("idx_through", 0)),
            read=int(fields.get("mem_read", 0)),
            unread=int(fields.get("tokens", 0)) - int(fields.get("mem_tokens", 0)),
            cold=Cold.parse(fields.get("mem_cold", "")),
        )

    async def renew_summary(self, claim: SummaryClaim) -> bool:
        """See `Summaries.renew_summary`."""
        token = {"token": claim.token.number, "nonce": claim.token.nonce}
        session_id = claim.ref.session_id
        _, answer = await self._run_where("renew_summary", session_id, claim.ref.bucket, session=session_id, **token)
        if answer[0]:
            await _fly(self._client, claim.ref, int(answer[1]))
        return bool(answer[0])

    async def summary_version(self, session_id: str) -> int:
        """See `Summaries.summary_version`."""
        answer = await self._run_session("read_session", session_id)
        return int(codec.pairs(answer[2]).get("sum_version", 0))

    async def end_summary(self, claim: SummaryClaim, outcome: SummaryOutcome) -> Committed:
        """See `Summaries.end_summary`."""
        await self._marks.mark(claim.ref.bucket)  # it may leave a row in the outbox of a quiet bucket
        cold = None if outcome.cold is None else str(outcome.cold)
        if cold:  # named before it is kept, and struck after: a name too many costs a look
            await self._client.call(lambda: self._client.redis.sadd(COLD, str(claim.ref)))
        bucket, answer = await self._run_where(
            "end_summary",
            claim.ref.session_id,
            claim.ref.bucket,
            session=claim.ref.session_id,
            token=claim.token.number,
            nonce=claim.token.nonce,
            version=claim.version,
            summary=outcome.summary,
            through=outcome.through,
            tokens=outcome.tokens,
            digest=outcome.digest,
            again_in=outcome.again_in_ms,
            left=outcome.left or None,
            read=outcome.read,
            read_tokens=outcome.read_tokens,
            remembered=outcome.remembered or None,
            cold=cold,
            claimed=to_ms(claim.now),
            seen=claim.session.message_count,
        )
        if answer[0] == "stale":  # what is in flight is another's
            return Committed("stale")
        await _land(self._client, claim.ref)
        if answer[0] == "gone" or cold == "":
            await _warm(self._client, claim.ref)
        if answer[0] == "gone":
            return Committed("gone")
        return Committed("committed", tuple(records.row(row, bucket) for row in answer[1:] if row))

    async def summaries(self, session_id: str) -> tuple[KeptSummary, ...]:
        """See `Summaries.summaries`."""
        answer = await self._run_session("list_summaries", session_id)
        return tuple(KeptSummary(value, int(through), int(version)) for value, through, version in answer[1])

    async def digests(self, customer_id: str, limit: int, before: KeptDigest | None = None) -> tuple[KeptDigest, ...]:
        """See `Summaries.digests`."""
        answer = await self._run_customer(
            "list_digests",
            bucket_of(self.tenant, customer_id),
            **codec.customer(customer_id),
            limit=limit,
            before=before.session_id if before else None,
            before_time=to_ms(before.ended_at) if before else None,
        )
        return records.readable(records.digest, answer[1])


class SummaryWork:
    """The deployment's summaries that are due, and those being made.

    What is in flight lies outside the buckets' hash tags and is written beside the scripts: a bound on work, on which
    nothing else rests.
    """

    _client: Client
    limits: Limits

    async def due_summaries(self, bucket: str, limit: int) -> list[DueSummary]:
        """See `Store.due_summaries`."""
        answer = await self._client.run(
            "due_summaries", wake_key(bucket), tenant="-", **codec.limits(self.limits), limit=limit, most=LOOKED_AT
        )
        members = list(answer[1])
        return [
            DueSummary(replace(SessionRef.parse(member), at=bucket), from_ms(int(float(since))))
            for member, since in zip(members[::2], members[1::2], strict=True)
        ]

    async def launch_summary(self, ref: SessionRef) -> bool:
        """See `Store.launch_summary`."""
        limits = codec.limits(self.limits)
        answer = await self._client.run(
            "launch_summary", wake_key(ref.bucket), tenant=ref.tenant, **limits, session=ref.session_id
        )
        if not answer[0]:
            return False
        await _fly(self._client, ref, await self._client.now() + self.limits.summary_lease_ms)
        return True

    async def summaries_in_flight(self) -> list[SessionRef]:
        """See `Store.summaries_in_flight`."""
        now = await self._client.now()
        await self._client.call(lambda: self._client.redis.zremrangebyscore(FLIGHTS, "-inf", now))
        found = await self._client.call(lambda: cast("Awaitable[list[str]]", self._client.redis.zrange(FLIGHTS, 0, -1)))
        return [SessionRef.parse(member) for member in found]

    async def cold_sessions(self) -> AsyncIterator[SessionRef]:
        """See `Store.cold_sessions`."""
        cursor = 0

        async def scan() -> Any:
            return await self._client.redis.sscan(COLD, cursor, count=SCANNED)

        while True:
            found = await self._client.call(scan)
            cursor = int(found[0])
            for member in found[1]:
                yield SessionRef.parse(member)
            if cursor == 0:
                return


async def _fly(client: Client, ref: SessionRef, until: int) -> None:
    await client.call(lambda: client.redis.zadd(FLIGHTS, {str(ref): until}))


async def _land(client: Client, ref: SessionRef) -> None:
    await client.call(lambda: client.redis.zrem(FLIGHTS, str(ref)))


async def _warm(client: Client, ref: SessionRef) -> None:
    await client.call(lambda: client.redis.srem(COLD, str(ref)))
