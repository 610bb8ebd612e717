"""The path of a request on DynamoDB: accept, claim, and here the rest: renew, park, commit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from shared.errors import StoreUnavailable
from shared.models import ChatRequest
from shared.storage import records
from shared.storage.dynamodb import bodies
from shared.storage.dynamodb.actions import ABSENT, EXISTS, Action, Item, check, put, update
from shared.storage.dynamodb.base import (
    CURRENT,
    DELETED,
    HEAD,
    HUMAN,
    INBOX,
    LEASE,
    OF_AGENT,
    SUMMARY,
    State,
    ending,
)
from shared.storage.dynamodb.claiming import DynamoClaim, HeldClaim, Standing
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.deltas import DynamoDeltas
from shared.storage.dynamodb.outbox import DynamoOutbox
from shared.storage.dynamodb.schema import digest, feed_of, request_key, session_key, tenant_key
from shared.storage.types import Claim, Committed, Outcome, Reservation, hook_of

DAY_MS: Final = 86_400_000
TRIES: Final = 8

_RELEASED = "SET #lease = :none REMOVE #running"
_DONE = "SET #lease = :none REMOVE #request, #running, #alone, #deaths, #quarantined"


class DynamoTurns(DynamoClaim, DynamoDeltas, DynamoOutbox):
    """Implements `shared.storage.contract.Turns`."""

    async def reserve(self, key: str, fingerprint: str, request_id: str) -> Reservation:
        """See `Turns.reserve`."""
        now = await self._client.now()
        item = {
            **tenant_key(self.tenant, f"idem/{digest(key)}", "idem"),
            "request": request_id,
            "fingerprint": fingerprint,
            **ending(now + DAY_MS),
        }
        try:
            await self._client.write(put(item, f"{ABSENT} OR #ends < :now", now=now))
        except ConditionFailed as failed:
            known = failed.items[0] or item
            return Reservation(known["request"], same_body=known["fingerprint"] == fingerprint)
        return Reservation(request_id, same_body=True)

    async def renew(self, claim: Claim) -> bool | None:
        """See `Turns.renew`."""
        until = await self._client.now() + self._limits.lease_ms
        try:
            await self._client.write(
                self._held(claim, "SET #lease = :until", f"{CURRENT} AND #running = :token", until=until)
            )
        except ConditionFailed:
            return None
        return await self._listened(claim.request.id)

    async def park(self, claim: Claim, due_in_ms: int, cause: str, *, asked: bool) -> bool:
        """See `Turns.park`."""
        now = await self._client.now()
        try:
            await self._client.transact(self._parked(claim, now + due_in_ms, None, cause, asked=asked))
        except ConditionFailed as failed:
            if not any(item is not None and item.get("handler") == HUMAN for item in failed.items):
                return await self._is_parked(claim)
            # A person has taken over: it has to be told so, and waits for nothing.
            try:
                await self._client.transact(self._parked(claim, now + due_in_ms, now, cause, asked=asked))
            except ConditionFailed:
                return await self._is_parked(claim)
        return True

    async def _is_parked(self, claim: Claim) -> bool:
        kept = await self._client.get(request_key(self.tenant, claim.request.id))
        return kept is not None and kept.get("parked") == _name(claim)

    def _parked(self, claim: Claim, due: int, taken: int | None, cause: str, *, asked: bool) -> list[Action]:
        """Return the actions that park a claim until `due`; its session until `taken`, where a person has it."""
        wake = due if taken is None else taken
        record = update(
            request_key(self.tenant, claim.request.id),
            "SET #status = :queued, #due = :due, #cause = :cause, #attempts = #attempts + :asked, #parked = :claim",
            "#status = :running",
            queued="queued",
            running="running",
            due=due,
            cause=cause,
            asked=int(asked),
            claim=_name(claim),
        )
        asleep = self._inbox(
            claim.ref.session_id,
            "SET #wake = :wake, #due_at = :wake, #due_pk = :due_pk, #tries = :none",
            "#status <> :deleted AND #tickets[0] = :request",
            wake=wake,
            due_pk=self._due(claim.ref.session_id, wake)["due_pk"],
            none=0,
            deleted=DELETED,
            request=claim.request.id,
        )
        actions = [record, self._held(claim, _RELEASED, f"{CURRENT} AND #running = :token"), asleep]
        if taken is not None:
            return actions
        head = session_key(self.tenant, claim.ref.session_id, HEAD)
        return [*actions, check(head, OF_AGENT, human=HUMAN)]

    async def commit(self, claim: Claim, outcome: Outcome) -> Committed:
        """See `Turns.commit`."""
        ids = [request.id for request in claim.requests]
        if claim.session.open_requests == len(ids) and isinstance(claim, HeldClaim) and claim.standing is not None:
            with suppress(ConditionFailed):  # then look at what stands there
                return await self._commit(claim, outcome, ids, claim.standing)
        for _ in range(TRIES):
            record, head, inbox, lease, summary = await self._standing(claim)
            if record is not None and record.get("committed") == _name(claim):
                await self._let_text_end(claim, record["ends"])
                return await self._committed(claim, record, inbox)
            if head is None or inbox is None or inbox["status"] == DELETED:
                return Committed("gone")
            if lease is None or not _is_current(claim, lease) or ids != inbox["tickets"][: len(ids)]:
                return Committed("stale")
            state = State(claim.ref.session_id, head, inbox, lease, summary or {})
            if outcome.result is not None and state.human:
                return Committed("taken")
            with suppress(ConditionFailed):
                return await self._commit(claim, outcome, inbox["tickets"], Standing.of(state))
        raise StoreUnavailable("the session changed each time it was looked at")

    async def _commit(self, claim: Claim, outcome: Outcome, seen: list[str], standing: Standing) -> Committed:
        now, session_id, customer = await self._client.now(), claim.ref.session_id, claim.session.customer_id
        account, before, stored = standing.account, standing.account.messages, outcome.messages
        drained = await self._drained(
            session_id, seen[len(claim.requests) :], before + len(stored), _bytes_of(outcome) + 1
        )
        rows, hooked = [], standing.hooked
        for request in claim.requests:
            rows.append(self._row(claim, request, outcome, now, hooked))
            hooked = request.id if _posts(claim, request) else hooked
        tokens = sum(message.tokens for message in stored)
        messages = [
            action
            for number, message in enumerate(stored, 1)
            for action in self._appended(session_id, before + number, message)
        ]
        handed = [self._assigned(session_id, customer, HUMAN, "agent", now)] if outcome.handed_off else []
        held = replace(standing.held, human=standing.held.human or outcome.handed_off)
        after = _of_head(claim, outcome)
        await self._client.transact(
            [
                *self._recorded(claim, outcome, rows, now),
                self._left(session_id, seen, drained.tickets, now, now, held=held),
                self._held(claim, _DONE, CURRENT),
                self._counted(session_id, before, drained.messages, now, tokens + drained.tokens, **after),
                *self._said(session_id, account, drained, tokens, now, now),
                *(self._announced(claim.ref.bucket, row, now) for row in [*rows, *handed]),
                *messages,
                *drained.actions,
            ]
        )
        await self._client.delete_many(drained.rest)
        await self._let_text_end(claim, now + self._limits.request_retention_ms)
        told = tuple(records.row(records.dump(row), claim.ref.bucket) for row in rows)
        return Committed("committed", told, more=bool(drained.tickets))

    def _recorded(self, claim: Claim, outcome: Outcome, rows: Sequence[Item], now: int) -> list[Action]:
        """Return the actions that write a turn's end into the records of its requests."""
        every, of_first = records.outcome_fields(outcome)
        asked, ends = int(outcome.asked), now + self._limits.request_retention_ms
        actions, pieces = [], []
        for request, row in zip(claim.requests, rows, strict=True):
            key, first = request_key(self.tenant, request.id), request is claim.request
            fields = {**every, **(of_first if first else {"with": claim.request.id})}
            for name in fields.keys() & bodies.OF_REQUEST.keys():
                fields[name], rest = bodies.split(fields[name])
                pieces += bodies.pieces(key["pk"], bodies.OF_REQUEST[name], rest)
            attempts = "#attempts + :asked" if first else ":attempts"
            actions.append(self._turn_ended(claim, request.id, fields, row, now, attempts, asked))
        return [*actions, *(put({**piece, "ttl": ends // 1000}) for piece in pieces)]

    def _turn_ended(
        self, claim: Claim, request_id: str, fields: Item, row: Item, now: int, attempts: str, asked: int
    ) -> Action:
        values = {
            **fields,
            "finished": now,
            "committed": _name(claim),
            # Its metadata stands in the record already.
            "row": records.dump({name: value for name, value in row.items() if name != "metadata"}),
            **ending(now + self._limits.request_retention_ms),
            "due_pk": feed_of(request_id),
            "due_at": now,
        }
        change = ", ".join(f"#{name} = :{name}" for name in values)
        return update(
            request_key(self.tenant, request_id),
            f"SET {change}, #attempts = {attempts} REMOVE #cause, #parked",
            "#status IN (:queued, :running)",
            queued="queued",
            running="running",
            asked=asked,
            attempts=claim.request.attempts + asked,
            **values,
        )

    async def _let_text_end(self, claim: Claim, ends: int) -> None:
        """Let the rest of long messages end with their records; while the requests were open, it had no end."""
        for request in claim.requests:
            _, rest = bodies.split(request.message)
            pk = request_key(self.tenant, request.id)["pk"]
            for piece in bodies.pieces(pk, bodies.OF_REQUEST["message"], rest):
                with suppress(ConditionFailed):  # the session was deleted meanwhile
                    key = {"pk": piece["pk"], "sk": piece["sk"]}
                    await self._client.write(update(key, "SET #ttl = :ttl", EXISTS, ttl=ends // 1000))

    def _row(self, claim: Claim, request: ChatRequest, outcome: Outcome, now: int, hooked: str | None) -> Item:
        kind = "chat.reply.completed" if outcome.result else "chat.reply.failed"
        row = self._event(kind, claim.ref.session_id, claim.session.customer_id, f"evt_{request.id}", now, request.id)
        through, posts = hook_of(request.callback) is not None, _posts(claim, request)
        callback = None if through and not posts else request.callback
        after = hooked if posts else None
        return row | records.known({"metadata": records.dump(request.metadata), "callback": callback, "after": after})

    async def _standing(self, claim: Claim) -> list[Item | None]:
        """Return what stands of a claim: its request's record, and of its session head, inbox, lease and summary."""
        parts = (HEAD, INBOX, LEASE, SUMMARY)
        keys = [session_key(self.tenant, claim.ref.session_id, part) for part in parts]
        return await self._client.get_many([request_key(self.tenant, claim.request.id), *keys])

    async def _committed(self, claim: Claim, record: Item, inbox: Item | None) -> Committed:
        keys = [request_key(self.tenant, request.id) for request in claim.burst]
        kept = [record, *(await self._client.get_many(keys) if keys else ())]
        rows = tuple(
            replace(records.row(each["row"], claim.ref.bucket), metadata=request.metadata)
            for request, each in zip(claim.requests, kept, strict=True)
            if each is not None
        )
        return Committed("committed", rows, more=bool(inbox and inbox["tickets"]))

    def _held(self, claim: Claim, change: str, condition: str, **values: Any) -> Action:
        return update(
            session_key(self.tenant, claim.ref.session_id, LEASE),
            change,
            condition,
            token=claim.token.number,
            nonce=claim.token.nonce,
            none=0,
            **values,
        )


def _posts(claim: Claim, request: ChatRequest) -> bool:
    """Return whether a hook posts the result of a request; of a burst, with the first of its requests."""
    first = next(each for each in claim.requests if each.callback == request.callback)
    return hook_of(request.callback) is not None and first.id == request.id


def _of_head(claim: Claim, outcome: Outcome) -> dict[str, Any]:
    """Return what a turn's end changes of the session's head, besides its counts."""
    values: dict[str, Any] = {}
    if outcome.handed_off:
        values["handler"] = HUMAN
    if outcome.pin is not None:
        values |= {"pin": outcome.pin, "pin_summary": outcome.pinned_summary}
    posted = [request.id for request in claim.requests if _posts(claim, request)]
    if posted:
        values["hooked"] = posted[-1]
    change = "".join(f", #{name} = :{name}" for name in values)
    return {"more": change, **values, **({"only": OF_AGENT, "human": HUMAN} if outcome.result else {})}


def _bytes_of(outcome: Outcome) -> int:
    """Return the bytes of a commit's long texts: messages are held once, the reply in the result too."""
    texts = [message.content for message in outcome.messages] + ([outcome.reply.content] if outcome.reply else [])
    receipt = outcome.receipt.model_dump_json() if outcome.receipt else ""
    return sum(len(text.encode()) for text in (*texts, receipt))


def _name(claim: Claim) -> str:
    return f"{claim.token.number}.{claim.token.nonce}"


def _is_current(claim: Claim, lease: Item) -> bool:
    return bool(lease.get("token") == claim.token.number and lease.get("nonce") == claim.token.nonce)
