"""The path of a request on DynamoDB: accept, claim, and here the rest: renew, park, commit."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from shared.errors import StoreUnavailable
from shared.storage import records
from shared.storage.dynamodb import bodies
from shared.storage.dynamodb.actions import ABSENT, EXISTS, Action, Item, put, update
from shared.storage.dynamodb.base import CURRENT, DELETED, HEAD, INBOX, LEASE, SUMMARY, State, ending
from shared.storage.dynamodb.claiming import DynamoClaim, HeldClaim
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.deltas import DynamoDeltas
from shared.storage.dynamodb.scheduling import Account, account_of
from shared.storage.dynamodb.schema import digest, feed_of, outbox_key, request_key, session_key, tenant_key
from shared.storage.types import Claim, Committed, Outcome, Reservation

DAY_MS: Final = 86_400_000
TRIES: Final = 8

_RELEASED = "SET #lease = :none REMOVE #running"
_DONE = "SET #lease = :none REMOVE #request, #running, #alone, #deaths, #quarantined"


class DynamoTurns(DynamoClaim, DynamoDeltas):
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
        due = await self._client.now() + due_in_ms
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
            "SET #wake = :due, #due_at = :due, #due_pk = :due_pk, #tries = :none",
            "#status <> :deleted AND #tickets[0] = :request",
            due=due,
            due_pk=self._due(claim.ref.session_id, due)["due_pk"],
            none=0,
            deleted=DELETED,
            request=claim.request.id,
        )
        try:
            await self._client.transact(
                [record, self._held(claim, _RELEASED, f"{CURRENT} AND #running = :token"), asleep]
            )
        except ConditionFailed:
            kept = await self._client.get(request_key(self.tenant, claim.request.id))
            return kept is not None and kept.get("parked") == _name(claim)
        return True

    async def commit(self, claim: Claim, outcome: Outcome) -> Committed:
        """See `Turns.commit`."""
        account = claim.account if isinstance(claim, HeldClaim) else None
        if claim.session.open_requests == 1 and account is not None:
            with suppress(ConditionFailed):  # then look at what stands there
                return await self._commit(claim, outcome, [claim.request.id], account)
        for _ in range(TRIES):
            record, head, inbox, lease, summary = await self._standing(claim)
            if record is not None and record.get("committed") == _name(claim):
                await self._let_text_end(claim, record["ends"])
                return self._committed(claim, record, inbox)
            if head is None or inbox is None or inbox["status"] == DELETED:
                return Committed("gone")
            if lease is None or not _is_current(claim, lease) or claim.request.id not in inbox["tickets"][:1]:
                return Committed("stale")
            with suppress(ConditionFailed):
                account = account_of(State(claim.ref.session_id, head, inbox, lease, summary or {}))
                return await self._commit(claim, outcome, inbox["tickets"], account)
        raise StoreUnavailable("the session changed each time it was looked at")

    async def _commit(self, claim: Claim, outcome: Outcome, seen: list[str], account: Account) -> Committed:
        now = await self._client.now()
        session_id, before = claim.ref.session_id, account.messages
        stored = [outcome.user, outcome.reply] if outcome.reply else [outcome.user]
        # The message is held once, the reply as a message and in its result.
        size = sum(len(message.content.encode()) for message in (outcome.user, *stored[1:] * 2))
        size += len(outcome.receipt.model_dump_json().encode()) if outcome.receipt else 0
        drained = await self._drained(session_id, seen[1:], before + len(stored), size + 1)
        row = self._row(claim, outcome, now)
        tokens = sum(message.tokens for message in stored)
        messages = [
            action
            for number, message in enumerate(stored, 1)
            for action in self._appended(session_id, before + number, message)
        ]
        await self._client.transact(
            [
                *self._recorded(claim, outcome, row, now),
                self._left(session_id, seen, drained.tickets, now, now),
                self._held(claim, _DONE, CURRENT),
                self._counted(session_id, before, drained.messages, now, tokens + drained.tokens, **_pinned(outcome)),
                *self._said(session_id, account, drained, tokens, now, now),
                self._announced(claim.ref.bucket, row, now),
                *messages,
                *drained.actions,
            ]
        )
        await self._client.delete_many(drained.rest)
        await self._let_text_end(claim, now + self._limits.request_retention_ms)
        return Committed("committed", (records.row(records.dump(row), claim.ref.bucket),), more=bool(drained.tickets))

    def _recorded(self, claim: Claim, outcome: Outcome, row: Item, now: int) -> list[Action]:
        """Return the actions that write a turn's end into its request's record."""
        ends = now + self._limits.request_retention_ms
        key = request_key(self.tenant, claim.request.id)
        fields, pieces = records.outcome_fields(outcome), []
        for name in fields.keys() & bodies.OF_REQUEST.keys():
            fields[name], rest = bodies.split(fields[name])
            pieces += bodies.pieces(key["pk"], bodies.OF_REQUEST[name], rest)
        values = {
            **fields,
            "finished": now,
            "committed": _name(claim),
            # Its metadata stands in the record already.
            "row": records.dump({name: value for name, value in row.items() if name != "metadata"}),
            **ending(ends),
            "due_pk": feed_of(claim.request.id),
            "due_at": now,
        }
        change = ", ".join(f"#{name} = :{name}" for name in values)
        done = update(
            key,
            f"SET {change}, #attempts = #attempts + :asked REMOVE #cause, #parked",
            "#status IN (:queued, :running)",
            queued="queued",
            running="running",
            asked=int(outcome.asked),
            **values,
        )
        return [done, *(put({**piece, "ttl": ends // 1000}) for piece in pieces)]

    async def _let_text_end(self, claim: Claim, ends: int) -> None:
        """Let the rest of a long message end with its record; while the request was open, it had no end."""
        _, rest = bodies.split(claim.request.message)
        pieces = bodies.pieces(request_key(self.tenant, claim.request.id)["pk"], bodies.OF_REQUEST["message"], rest)
        for piece in pieces:
            with suppress(ConditionFailed):  # the session was deleted meanwhile
                key = {"pk": piece["pk"], "sk": piece["sk"]}
                await self._client.write(update(key, "SET #ttl = :ttl", EXISTS, ttl=ends // 1000))

    def _row(self, claim: Claim, outcome: Outcome, now: int) -> Item:
        kind = "chat.reply.completed" if outcome.result else "chat.reply.failed"
        return self._event(
            kind, claim.ref.session_id, claim.session.customer_id, f"evt_{claim.request.id}", now, claim.request.id
        ) | records.known({"metadata": records.dump(claim.request.metadata), "callback": claim.request.callback})

    def _event(
        self, kind: str, session_id: str, customer: str, event: str, now: int, request: str | None = None
    ) -> Item:
        row = {"id": event, "type": kind, "tenant": self.tenant, "session": session_id, "customer": customer, "at": now}
        return row | ({"request": request} if request else {})

    def _announced(self, bucket: str, row: Item, now: int) -> Action:
        """Return the action that adds a row to the outbox."""
        key = outbox_key(bucket, row["id"])
        due = now + self._limits.announce_grace_ms
        return put({**key, "row": records.dump(row), "bucket": bucket, "due_pk": key["pk"], "due_at": due})

    async def _standing(self, claim: Claim) -> list[Item | None]:
        """Return what stands of a claim: its request's record, and of its session head, inbox, lease and summary."""
        parts = (HEAD, INBOX, LEASE, SUMMARY)
        keys = [session_key(self.tenant, claim.ref.session_id, part) for part in parts]
        return await self._client.get_many([request_key(self.tenant, claim.request.id), *keys])

    def _committed(self, claim: Claim, record: Item, inbox: Item | None) -> Committed:
        row = records.row(record["row"], claim.ref.bucket)
        rows = (replace(row, metadata=claim.request.metadata),)
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


def _pinned(outcome: Outcome) -> dict[str, Any]:
    if outcome.pin is None:
        return {}
    change = ", #pin = :pin, #pin_summary = :pin_summary"
    return {"more": change, "pin": outcome.pin, "pin_summary": outcome.pinned_summary}


def _name(claim: Claim) -> str:
    return f"{claim.token.number}.{claim.token.nonce}"


def _is_current(claim: Claim, lease: Item) -> bool:
    return bool(lease.get("token") == claim.token.number and lease.get("nonce") == claim.token.nonce)
