"""The path of a request on Redis: one script for each step."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from shared.clock import from_ms
from shared.errors import (
    ConversationMismatch,
    CustomerErasing,
    Refusal,
    SessionBusy,
    SessionClosed,
    SessionExpired,
    StoreError,
    UnknownSession,
)
from shared.ids import SessionRef, bucket_in, bucket_of
from shared.storage import records
from shared.storage.keys import idempotency_key
from shared.storage.redis import codec
from shared.storage.redis.following import Following
from shared.storage.types import (
    Claim,
    Committed,
    Deltas,
    IndexMark,
    NewRequest,
    NewSession,
    NotClaimed,
    Outcome,
    Reservation,
    Token,
)

DAY_MS = 86_400_000
LISTEN_MS = 60_000
BUFFER_MS = 600_000

REFUSALS: dict[str, type[Refusal]] = {
    "unknown": UnknownSession,
    "closed": SessionClosed,
    "expired": SessionExpired,
    "busy": SessionBusy,
    "mismatch": ConversationMismatch,
    "erasing": CustomerErasing,
}


class RedisScripts(Following):
    """Running a script on a session."""

    async def _run_session(self, name: str, session_id: str, /, **parameters: Any) -> list[Any]:
        bucket = bucket_in(session_id, "ses")
        if bucket is None:
            raise UnknownSession
        # Its answer is kept under a token of this call, so that it can be asked again.
        named = {"op": secrets.token_hex(8), "session": session_id, **parameters}
        _, answer = await self._run_where(name, session_id, bucket, **named)
        if answer[0] in REFUSALS:
            raise REFUSALS[answer[0]]
        return answer


class RedisTurns(RedisScripts):
    """Implements `shared.storage.contract.Turns`."""

    async def reserve(self, key: str, fingerprint: str, request_id: str) -> Reservation:
        """See `Turns.reserve`."""
        name, mine = idempotency_key(self.tenant, key), f"{request_id} {fingerprint}"

        async def ask() -> str | None:
            return await self._client.redis.set(name, mine, nx=True, get=True, px=DAY_MS)  # type: ignore[return-value]  # `get` makes it the earlier value

        kept = await self._client.call(ask)
        known_id, known_fingerprint = (kept or mine).split(" ", 1)
        return Reservation(known_id, same_body=known_fingerprint == fingerprint)

    async def accept(self, request: NewRequest, new_session_id: str) -> str:
        """See `Turns.accept`."""
        bucket = bucket_of(self.tenant, request.customer_id)
        if request.session_id is not None and bucket_in(request.session_id, "ses") != bucket:
            return await self._accept_elsewhere(request, request.session_id)
        answer = await self._accept_at(bucket, request, new_session_id)
        if answer[0] == "coming":
            try:
                return await self._accept_elsewhere(request, str(answer[1]))
            except UnknownSession:  # it was deleted on its way, and its conversation begins anew
                await self._run("unstage", bucket, session=answer[1])
                return await self.accept(request, new_session_id)
        if answer[0] in {"merged", "unknown"} and len(answer) > 1:
            # Its customer was merged into another, and so was the session, if one was named.
            await self._renew_merge(request.customer_id, str(answer[1]))
            return await self.accept(replace(request, customer_id=str(answer[1])), new_session_id)
        if answer[0] in REFUSALS:
            raise REFUSALS[answer[0]]
        return str(answer[1])

    async def _accept_at(self, bucket: str, request: NewRequest, new_session_id: str) -> list[Any]:
        await self._marks.mark(bucket)
        await self._point(request.request_id, _request_bucket(request.request_id), bucket)
        return await self._run(
            "accept",
            bucket,
            **codec.customer(request.customer_id),
            request=request.request_id,
            session=request.session_id,
            conversation=request.conversation_id,
            new_session=f"ses_{bucket}{new_session_id[6:]}",
            coalesces=request.coalesce_ms > 0,
            head=codec.flat(records.head_fields(NewSession(request.customer_id, request.conversation_id))),
            fields=codec.flat(records.request_fields(request)),
        )

    async def _accept_elsewhere(self, request: NewRequest, session_id: str) -> str:
        """Accept a request for a session whose id carries another bucket than its customer's: one was merged."""
        home = bucket_in(session_id, "ses")
        if home is None:
            raise UnknownSession
        bucket, found = await self._run_where("read_session", session_id, home, session=session_id)
        if found[0] != "session":
            raise UnknownSession
        owner = codec.pairs(found[2])["customer"]
        if await self._now_called(owner) != await self._led(request.customer_id):
            raise UnknownSession
        answer = await self._accept_at(bucket, replace(request, customer_id=owner, session_id=session_id), session_id)
        if answer[0] == "unknown":  # it has moved on since
            return await self._accept_elsewhere(request, session_id)
        if answer[0] in REFUSALS:
            raise REFUSALS[answer[0]]
        return str(answer[1])

    async def claim(self, ref: SessionRef, nonce: str, read_tokens: int, *, quarantine: bool) -> Claim | NotClaimed:
        """See `Turns.claim`."""
        bucket, answer = await self._run_where(
            "claim",
            ref.session_id,
            ref.bucket,
            session=ref.session_id,
            nonce=nonce,
            quarantine=quarantine,
            read_tokens=read_tokens,
            read_messages=self._limits.read_messages,
            read_memory=self._limits.read_memory,
        )
        if answer[0] != "claimed":
            return NotClaimed(answer[0], int(answer[1]) if len(answer) > 1 else 0)
        _, now, number, head, request_id, record, messages, below, memory, *more = answer
        listening, deaths, tickets, digests, pinned, mark, burst = more
        return Claim(
            ref=replace(ref, at=bucket),
            token=Token(int(number), nonce),
            session=records.session(ref.session_id, codec.pairs(head), int(tickets), int(now)),
            request=records.request(request_id, codec.pairs(record)),
            history=records.readable(codec.message, reversed(messages)),
            history_complete=int(below) == 0,
            memory=records.readable(records.memory, (raw for raw in memory if raw)),
            now=from_ms(int(now)),
            listening=bool(listening),
            condemned=int(deaths) >= self._limits.poison_limit,
            pin=codec.pairs(head).get("pin"),
            summary=records.summary(codec.pairs(head)),
            digests=records.readable(records.digest, digests),
            index=IndexMark(*map(int, mark)) if mark else None,
            pinned_summary=codec.summary(pinned) if pinned else None,
            burst=tuple(records.request(member, codec.pairs(kept)) for member, kept in burst),
        )

    async def renew(self, claim: Claim) -> bool | None:
        """See `Turns.renew`."""
        _, answer = await self._run_claimed("renew", claim)
        return bool(answer[1]) if answer[0] == "renewed" else None

    async def park(self, claim: Claim, due_in_ms: int, cause: str, *, asked: bool) -> bool:
        """See `Turns.park`."""
        _, answer = await self._run_claimed("park", claim, due_in=due_in_ms, cause=cause, asked=asked)
        return bool(answer[0] == "parked")

    async def commit(self, claim: Claim, outcome: Outcome) -> Committed:
        """See `Turns.commit`."""
        fields, of_first = records.outcome_fields(outcome)
        bucket, answer = await self._run_claimed(
            "commit",
            claim,
            asked=outcome.asked,
            answered=outcome.result is not None,
            handed_off=outcome.handed_off,
            pin=outcome.pin,
            pinned_summary=outcome.pinned_summary,
            messages=[codec.message_raw(message) for message in outcome.messages],
            fields=codec.flat(fields),
            of_first=codec.flat(of_first),
            event="chat.reply.completed" if outcome.result else "chat.reply.failed",
        )
        if answer[0] != "committed":
            return Committed(answer[0])
        rows = tuple(records.row(raw, bucket) for raw in answer[1])
        return Committed("committed", rows, more=int(answer[2]) > 0)

    async def append_delta(self, claim: Claim, offset: int, text: str) -> int:
        """See `Turns.append_delta`."""
        _, answer = await self._run_claimed("append_delta", claim, offset=offset, text=text, keep=BUFFER_MS)
        return int(answer[1])

    async def read_deltas(self, request_id: str, token: int, offset: int) -> Deltas:
        """See `Turns.read_deltas`."""
        bucket = _request_bucket(request_id)
        _, answer = await self._run_where(
            "read_deltas", request_id, bucket, request=request_id, token=token, offset=offset
        )
        return Deltas(int(answer[1]), int(answer[2]), str(answer[3])) if answer[0] == "deltas" else Deltas(0, 0, "")

    async def listen(self, request_id: str) -> None:
        """See `Turns.listen`."""
        await self._run_where("listen", request_id, _request_bucket(request_id), request=request_id, keep=LISTEN_MS)

    async def _run_claimed(self, name: str, claim: Claim, /, **parameters: Any) -> tuple[str, list[Any]]:
        return await self._run_where(
            name,
            claim.ref.session_id,
            claim.ref.bucket,
            session=claim.ref.session_id,
            request=claim.request.id,
            token=claim.token.number,
            nonce=claim.token.nonce,
            **parameters,
        )


def _request_bucket(request_id: str) -> str:
    bucket = bucket_in(request_id, "req")
    if bucket is None:
        message = f"not a request id: {request_id!r}"
        raise StoreError(message)
    return bucket
