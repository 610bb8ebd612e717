"""Summaries and digests on DynamoDB: the job of making one, under a lease and a fencing token of its own.

Each step reads the session, decides, and writes on condition that what it read still stands.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from shared.clock import from_ms, to_ms
from shared.errors import StoreUnavailable, UnknownSession
from shared.ids import SessionRef
from shared.storage import records
from shared.storage.dynamodb.actions import Action, Item, delete, put, query, update
from shared.storage.dynamodb.base import SUMMARY, State
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.reading import digest_in
from shared.storage.dynamodb.scheduling import ACCOUNTED, NOWHERE, Account, account_of, falls_due, next_look
from shared.storage.dynamodb.schema import (
    cold_key,
    customer_key,
    digest_place_sk,
    digest_sk,
    flight_key,
    session_key,
    shard_of,
)
from shared.storage.dynamodb.summary_items import (
    CURRENT,
    EARLIER,
    current_items,
    earlier_items,
    earlier_sk,
    summaries_in,
)
from shared.storage.dynamodb.turns import DynamoTurns
from shared.storage.jobs import Cold, SummaryClaim, SummaryOutcome, SummaryReason
from shared.storage.types import Committed, KeptDigest, KeptSummary, Token

TRIES: Final = 8
# How long the record of a job that never ended lies about; what it says ends with the job's lease.
FLIGHT_KEPT_SECONDS: Final = 86_400
_CHANGED: Final = "the session changed each time it was looked at"


class DynamoSummaries(DynamoTurns):
    """Implements `shared.storage.contract.Summaries`."""

    async def ask_summary(self, session_id: str) -> None:
        """See `Summaries.ask_summary`."""
        for _ in range(TRIES):
            now = await self._client.now()
            state = await self._state(session_id, now, summary=True)
            given = {"asked": now, "later": 0, "tries": 0}
            wanted = replace(account_of(state), asked=now, later=0)
            change, values = self._moved_to(state.id, next_look(wanted, self._limits, now), given)
            condition, seen = standing(state.summary, "nonce", "lease", "asked")
            asked = update(session_key(self.tenant, session_id, SUMMARY), change, condition, **values, **seen)
            with suppress(ConditionFailed):
                await self._client.transact([asked, *self._unchanged(state)])
                return
        raise StoreUnavailable(_CHANGED)

    async def claim_summary(self, session_id: str, nonce: str, *, force: bool = False) -> SummaryClaim | None:
        """See `Summaries.claim_summary`."""
        for _ in range(TRIES):
            now = await self._client.now()
            try:
                state = await self._state(session_id, now, summary=True)
            except UnknownSession:
                await self._land(session_id)
                await self._client.write(delete(cold_key(self.tenant, session_id)))
                return None
            account = account_of(state)
            again = state.summary.get("nonce") == nonce
            if account.lease > now and not again:
                return None
            reason = self._reason(state, account, now, again=again, force=force)
            try:
                if reason is None:
                    await self.move(state, now)
                    await self._land(session_id)
                    return None
                summary = await self._summary(state)
                return await self._claimed_summary(state, nonce, reason, summary, now)
            except ConditionFailed:
                continue  # it changed meanwhile, or an answer was lost: look again
        raise StoreUnavailable(_CHANGED)

    async def renew_summary(self, claim: SummaryClaim) -> bool:
        """See `Summaries.renew_summary`."""
        session_id, now = claim.ref.session_id, await self._client.now()
        until = now + self._limits.summary_lease_ms
        given = {"number": claim.token.number, "nonce": claim.token.nonce, "until": until, "none": 0}
        # The index finds the session where it did, and then sees that the job has been renewed.
        renewed = update(
            session_key(self.tenant, session_id, SUMMARY),
            "SET #lease = :until",
            "#token = :number AND #nonce = :nonce AND #lease > :none",
            **given,
        )
        flight = put({**flight_key(self.tenant, session_id), "ends": until, "ttl": until // 1000 + FLIGHT_KEPT_SECONDS})
        try:
            await self._client.transact([renewed, flight])
        except ConditionFailed:
            return False
        return True

    async def summary_version(self, session_id: str) -> int:
        """See `Summaries.summary_version`."""
        state = await self._state(session_id, await self._client.now(), summary=True)
        return int(state.summary.get("version", 0))

    async def end_summary(self, claim: SummaryClaim, outcome: SummaryOutcome) -> Committed:
        """See `Summaries.end_summary`."""
        session_id, name = claim.ref.session_id, f"{claim.token.number}.{claim.token.nonce}"
        for _ in range(TRIES):
            now = await self._client.now()
            try:
                state = await self._state(session_id, now, summary=True)
            except UnknownSession:
                await self._land(session_id)
                return Committed("gone")
            if state.summary.get("ended") == name:
                break
            if not _is_current(claim, state.summary):
                return Committed("stale")
            with suppress(ConditionFailed):
                await self._client.transact(await self._ended(claim, outcome, state, now))
        else:
            raise StoreUnavailable(_CHANGED)
        await self._land(session_id)
        await self._drop_earlier(session_id, state.summary.get("version", 0))
        rows = [state.summary.get(name) for name in ("row", "told")]
        return Committed("committed", tuple(records.row(row, claim.ref.bucket) for row in rows if row))

    async def summaries(self, session_id: str) -> tuple[KeptSummary, ...]:
        """See `Summaries.summaries`."""
        await self._state(session_id, await self._client.now())
        found = await asyncio.gather(self._texts(session_id, CURRENT), self._texts(session_id, EARLIER))
        return tuple(summaries_in(item for items in found for item in items)[: self._limits.summary_versions])

    async def digests(self, customer_id: str, limit: int, before: KeptDigest | None = None) -> tuple[KeptDigest, ...]:
        """See `Summaries.digests`."""
        if before is None:
            return (await self._newest_digests(customer_id, limit))[0]
        pk, last = (
            customer_key(self.tenant, customer_id, "")["pk"],
            digest_sk(to_ms(before.ended_at), before.session_id),
        )
        asked = query(None, "#pk = :pk AND #sk BETWEEN :first AND :last", pk=pk, first="d/", last=last)
        found = await self._client.first(asked, limit + 1, forward=False)
        return records.readable(digest_in, [item for item in found if item["sk"] != last][:limit])

    async def found(self, session_id: str, now: int) -> State:
        """Return a session that the index has found. Raises UnknownSession."""
        return await self._state(session_id, now, summary=True)

    async def move(self, state: State, now: int) -> None:
        """Let the index find a session whose job is not due when it may be. Raises ConditionFailed."""
        account = account_of(state)
        when = next_look(account, self._limits, now)
        if when == account.found:
            return
        change, values = self._moved_to(state.id, when)
        seen = "#due_at = :seen" if account.found is not None else "attribute_not_exists(#due_at)"
        moved = update(session_key(self.tenant, state.id, SUMMARY), change, seen, seen=account.found, **values)
        await self._client.transact([moved, *self._unchanged(state)])

    def _reason(self, state: State, account: Account, now: int, *, again: bool, force: bool) -> SummaryReason | None:
        if again and account.lease > now:
            kept: SummaryReason = state.summary["reason"]
            return kept
        reason, _ = falls_due(account, self._limits, now)
        return "forced" if reason is None and force else reason

    async def _claimed_summary(
        self, state: State, nonce: str, reason: SummaryReason, summary: KeptSummary | None, now: int
    ) -> SummaryClaim:
        """Take the lease, with the next token unless it is the same claim again. Raises ConditionFailed."""
        kept, account = state.summary, account_of(state)
        number = int(kept.get("token", 0)) + (kept.get("nonce") != nonce)
        until = now + self._limits.summary_lease_ms
        held = replace(account, lease=until)
        given = {"token": number, "nonce": nonce, "lease": until, "reason": reason}
        change, values = self._moved_to(state.id, next_look(held, self._limits, now), given)
        condition, seen = standing(kept, "token", "nonce", "lease", "asked")
        taken = update(session_key(self.tenant, state.id, SUMMARY), change, condition, **values, **seen)
        flight = put({**flight_key(self.tenant, state.id), "ends": until, "ttl": until // 1000 + FLIGHT_KEPT_SECONDS})
        await self._client.transact([taken, flight, *self._unchanged(state)])
        return SummaryClaim(
            ref=SessionRef(self.tenant, state.id),
            token=Token(number, nonce),
            session=state.session(now),
            reason=reason,
            behind=account.behind,
            summary=summary,
            now=from_ms(now),
            version=int(kept.get("version", 0)),
            tries=int(kept.get("tries", 0)),
            indexed=account.indexed,
            read=account.read,
            unread=account.tokens - account.taken,
            cold=Cold.parse(kept.get("cold", "")),
        )

    async def _ended(self, claim: SummaryClaim, outcome: SummaryOutcome, state: State, now: int) -> list[Action]:
        """Return the actions that end a job which is the current one."""
        row = self._summarised_row(claim, state, now) if outcome.summary is not None else None
        changed: dict[str, Any] = {"later": 0, "tries": 0}
        if outcome.again_in_ms is not None:
            changed = {"later": now + outcome.again_in_ms, "tries": state.summary.get("tries", 0) + 1}
        elif not outcome.left and claim.reason != "memory":
            changed["seen"] = claim.session.message_count
        if outcome.read is not None:
            changed |= {"read": outcome.read, "taken": state.summary.get("taken", 0) + outcome.read_tokens}
        if _answers(claim, outcome) and state.summary.get("asked", 0) <= to_ms(claim.now):
            changed["asked"] = 0
        if outcome.digest is not None:
            changed["done"] = claim.session.message_count
        actions = []
        if outcome.cold is not None:
            changed["cold"], note = str(outcome.cold), cold_key(self.tenant, state.id)
            actions.append(put(note) if changed["cold"] else delete(note))
        if outcome.summary is not None:
            kept = KeptSummary(outcome.summary, outcome.through, claim.version + 1)
            items = current_items(session_key(self.tenant, state.id, SUMMARY)["pk"], kept)
            changed |= {
                "version": kept.version,
                "covered": state.summary.get("covered", 0) + outcome.tokens,
                "pieces": len(items),
                "through": kept.through,
            }
            actions += self._replaced(claim, state, items)
        after = replace(account_of(state), lease=0, **{n: v for n, v in changed.items() if n in ACCOUNTED})
        written = {"lease": 0, "ended": f"{claim.token.number}.{claim.token.nonce}", **changed}
        told = self._told_row(claim, state, now) if outcome.remembered else None
        written |= {"row": records.dump(row) if row else "", "told": records.dump(told) if told else ""}
        change, values = self._moved_to(state.id, next_look(after, self._limits, now), written)
        condition, seen = standing(state.summary, "token", "nonce", "lease", "asked")
        ended = update(session_key(self.tenant, state.id, SUMMARY), change, condition, **values, **seen)
        actions += [self._announced(claim.ref.bucket, each, now) for each in (row, told) if each is not None]
        if outcome.digest is not None:
            actions += await self._digested(claim, outcome.digest, state, now)
        return [ended, *self._unchanged(state), *actions]

    def _replaced(self, claim: SummaryClaim, state: State, items: list[Item]) -> list[Action]:
        """Return the actions that write a summary in place of the one that was claimed, which is kept beside it."""
        pk = items[0]["pk"]
        actions = [put(item) for item in items]
        beyond = range(len(items) + 1, state.summary.get("pieces", 0) + 1)
        actions += [delete({"pk": pk, "sk": f"{CURRENT}{number:03d}"}) for number in beyond]
        if claim.summary is not None and self._limits.summary_versions > 1:
            actions += [put(item) for item in earlier_items(pk, claim.summary)]
        return actions

    async def _digested(self, claim: SummaryClaim, value: str, state: State, now: int) -> list[Action]:
        """Return the actions that write a session's digest, in place of an earlier one, among its customer's memory."""
        session_id, customer = state.id, state.head["customer"]
        place = customer_key(self.tenant, customer, digest_place_sk(session_id))
        new, old = digest_sk(state.head.get("last", 0), session_id), await self._client.get(place)
        actions = [
            put({**place, "place": new}),
            put({**customer_key(self.tenant, customer, new), "value": value, "messages": claim.session.message_count}),
            self._remembered(customer, state, now),
        ]
        if old is not None and old["place"] != new:
            actions.append(delete(customer_key(self.tenant, customer, old["place"])))
        return actions

    def _remembered(self, customer: str, state: State, now: int) -> Action:
        """Return the change of the count of memory entries, by which a sweep finds a customer's memory."""
        counter = customer_key(self.tenant, customer, "memory")
        if self._limits.memory_retention_ms == 0:
            return update(counter, "ADD #count :none", none=0)
        return update(
            counter,
            "SET #due_pk = :due_pk, #due_at = if_not_exists(#due_at, :due_at) ADD #count :none",
            none=0,
            due_pk=f"retain/{shard_of(state.id[4:6])}",
            due_at=state.inbox.get("retain", now + self._limits.memory_retention_ms),
        )

    def _summarised_row(self, claim: SummaryClaim, state: State, now: int) -> Item:
        event = f"evt_{state.id}_summary_{claim.version + 1}"
        return self._event("session.summarized", state.id, state.head["customer"], event, now)

    def _told_row(self, claim: SummaryClaim, state: State, now: int) -> Item:
        event = f"evt_{state.id}_memory_{claim.token.number}"
        return self._event("memory.updated", state.id, state.head["customer"], event, now)

    def _moved_to(self, session_id: str, when: int | None, more: dict[str, Any] | None = None) -> tuple[str, Item]:
        """Return the change, and its values, that sets attributes, and when the index finds the session."""
        values = dict(more or {})
        assigned = [f"#{name} = :{name}" for name in values]
        removed = NOWHERE if when is None else ""
        if when is not None:
            found, placed = self._found_at(session_id, when)
            assigned.append(found)
            values |= placed
        changes = [f"SET {', '.join(assigned)}"] if assigned else []
        return " ".join([*changes, removed]).strip(), values

    async def _summary(self, state: State) -> KeptSummary | None:
        """Return the session's summary of the version that was read. Raises ConditionFailed where it is another."""
        version = state.summary.get("version", 0)
        if version == 0 or not state.summary.get("pieces"):  # there was none yet, or it was taken out
            return None
        found = summaries_in(await self._texts(state.id, CURRENT))
        if [kept.version for kept in found] != [version]:
            raise ConditionFailed([None], again=False)
        return found[0]

    async def _drop_earlier(self, session_id: str, version: int) -> None:
        """Remove versions before those that are kept."""
        oldest = earlier_sk(max(0, version - self._limits.summary_versions + 1))
        pk = session_key(self.tenant, session_id, SUMMARY)["pk"]
        asked = query(None, "#pk = :pk AND #sk BETWEEN :first AND :oldest", pk=pk, first=EARLIER, oldest=oldest)
        await self._client.delete_many(await self._client.all(asked))

    async def _land(self, session_id: str) -> None:
        await self._client.write(delete(flight_key(self.tenant, session_id)))


def _answers(claim: SummaryClaim, outcome: SummaryOutcome) -> bool:
    """Whether this is what somebody asked for."""
    if claim.reason == "forced":
        return outcome.summary is not None
    return claim.reason == "asked" and outcome.again_in_ms is None and not outcome.left


def standing(kept: Item, *names: str) -> tuple[str, dict[str, Any]]:
    """Return the condition that attributes are still as they were read, and its values."""
    conditions = [f"#{name} = :seen_{name}" if name in kept else f"attribute_not_exists(#{name})" for name in names]
    return " AND ".join(conditions), {f"seen_{name}": kept[name] for name in names if name in kept}


def _is_current(claim: SummaryClaim, kept: Item) -> bool:
    standing = kept.get("token"), kept.get("nonce"), kept.get("version", 0)
    return standing == (claim.token.number, claim.token.nonce, claim.version)
