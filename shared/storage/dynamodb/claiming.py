"""Claiming a session on DynamoDB: read it, decide, and take lease and ticket in one transaction on what was read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from shared.clock import from_ms
from shared.ids import SessionRef
from shared.models import NONE_SET, AgentInstructions
from shared.storage import records
from shared.storage.dynamodb.actions import ABSENT, Action, Item, update
from shared.storage.dynamodb.base import DELETED, LEASE, State, is_gone
from shared.storage.dynamodb.bursts import behind, due_of, is_open, members_of, waits_in
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.inbox import RECORDED, DynamoInbox, Held
from shared.storage.dynamodb.instructions import agent_key, instructions_in
from shared.storage.dynamodb.reading import Reading, is_kept
from shared.storage.dynamodb.scheduling import Account, account_of
from shared.storage.dynamodb.schema import feed_of, request_key, session_key
from shared.storage.types import Claim, NotClaimed, Token

TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class Bid:
    """A claim about to be made: who asks, for which request, on what was read, and what it knows of earlier claims."""

    ref: SessionRef
    nonce: str
    state: State
    request_id: str
    now: int
    quarantine: bool

    @property
    def held(self) -> Item:
        """What the lease says of this request; empty where it speaks of another."""
        return self.state.lease if self.state.lease.get("request") == self.request_id else {}

    @property
    def again(self) -> bool:
        """Whether this very claim was made already, and its answer lost."""
        return self.state.lease.get("nonce") == self.nonce and "running" in self.held

    @property
    def unexplained(self) -> bool:
        """Whether an earlier claim neither parked nor committed: it may have killed its process, or been near one."""
        return "running" in self.held and not self.again

    @property
    def suspect(self) -> bool:
        """Whether the request belongs into quarantine."""
        return self.unexplained or bool(self.held.get("quarantined"))

    @property
    def alone(self) -> bool:
        """Whether the request runs in quarantine; a claim made already stays what it was."""
        return bool(self.held.get("alone")) if self.again else self.quarantine

    @property
    def deaths(self) -> int:
        """Deaths in quarantine, with this one."""
        alone = self.unexplained and self.held.get("alone")
        return int(self.held.get("deaths", 0)) + (1 if alone else 0)

    @property
    def members(self) -> list[str]:
        """The requests that are answered with this one."""
        return members_of(self.state.inbox)

    @property
    def due(self) -> int | None:
        """When its burst is due, where that is still open; else its own record tells."""
        inbox = self.state.inbox
        return due_of(behind(inbox["tickets"], waits_in(inbox))) if is_open(inbox) else None

    @property
    def number(self) -> int:
        """The fencing token's number."""
        return int(self.state.lease.get("token", 0)) + (0 if self.again else 1)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request's record, whole, and those of its burst; the tenant's instructions; whether somebody listens."""

    record: Item
    burst: tuple[Item, ...]
    instructions: AgentInstructions
    listening: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What a commit must know of its session. `hooked`: the request whose result was posted last through a hook."""

    account: Account
    hooked: str | None
    held: Held

    @classmethod
    def of(cls, state: State) -> Standing:
        """Return a session's, as read."""
        return cls(account_of(state), state.head.get("hooked"), Held.of(state))


@dataclass(frozen=True, slots=True, eq=False)
class HeldClaim(Claim):
    """A claim that keeps what its commit will want to know, and need not read again."""

    standing: Standing | None = None

    def __eq__(self, other: object) -> bool:
        """Return whether it tells the same, whichever store made it."""
        return isinstance(other, Claim) and all(
            getattr(self, each.name) == getattr(other, each.name) for each in fields(Claim) if each.compare
        )

    __hash__ = Claim.__hash__


class DynamoClaim(DynamoInbox):
    """Implements `shared.storage.contract.Turns.claim`."""

    async def claim(self, ref: SessionRef, nonce: str, read_tokens: int, *, quarantine: bool) -> Claim | NotClaimed:
        """See `Turns.claim`."""
        for _ in range(TRIES):
            try:
                now = await self._client.now()
                state, reading = await self._read(ref.session_id, read_tokens)
                if state is None or is_gone(state.inbox, now):
                    return NotClaimed("gone")
                if state.tickets and state.tickets[0].startswith(RECORDED):
                    await self._drain_now(state, now)
                    continue
                if not state.tickets:
                    return NotClaimed("idle")
                return await self._bid(Bid(ref, nonce, state, state.tickets[0], now, quarantine), reading)
            except ConditionFailed:
                continue  # somebody was quicker: look again
        return NotClaimed("busy")

    async def _bid(self, bid: Bid, reading: Reading) -> Claim | NotClaimed:
        if bid.state.lease.get("lease", 0) > bid.now and not bid.again:
            return NotClaimed("busy")
        customer = bid.state.head["customer"]
        asked, memory, (digests, mark), pinned = await asyncio.gather(
            self._asked(bid.request_id, bid.members),
            self._newest_memory(customer),
            self._newest_digests(customer, self._limits.read_digests, bid.ref.session_id),
            self._pinned_summary(bid.state, reading.summary()),
        )
        if asked is None:
            return NotClaimed("gone")
        record = asked.record
        due = record["due"] if bid.due is None else bid.due
        if due > bid.now and not bid.state.human:
            return NotClaimed("parked", due - bid.now)
        # Past its deadline, or in a person's hands, it will only be told so, which harms nobody.
        only_told = bid.now >= record["deadline"] or bid.state.human
        if not bid.again and bid.suspect and not bid.quarantine and not only_told:
            await self._client.transact(self._quarantined(bid))
            return NotClaimed("quarantine")
        if not bid.again and bid.quarantine and not bid.suspect:
            return NotClaimed("ordinary")
        await self._client.transact(self._taken(bid))
        return HeldClaim(
            ref=bid.ref,
            token=Token(bid.number, bid.nonce),
            session=bid.state.session(bid.now),
            request=records.request(bid.request_id, {**record, "status": "running", "members": " ".join(bid.members)}),
            history=reading.history(),
            history_complete=reading.complete,
            memory=memory,
            now=from_ms(bid.now),
            listening=asked.listening,
            condemned=bid.deaths >= self._limits.poison_limit,
            pin=bid.state.head.get("pin"),
            summary=reading.summary(),
            digests=digests,
            index=mark,
            instructions=asked.instructions,
            pinned_summary=pinned,
            burst=tuple(
                records.request(name, {**kept, "with": bid.request_id})
                for name, kept in zip(bid.members, asked.burst, strict=True)
            ),
            standing=Standing.of(bid.state),
        )

    async def _asked(self, request_id: str, members: Sequence[str]) -> Asked | None:
        """Return a request with its burst, and what else a turn needs to know that lies by itself, in one read."""
        names = [request_id, *members]
        keys = [request_key(self.tenant, name) for name in names]
        beside = [request_key(self.tenant, request_id, "listen"), agent_key(self.tenant)]
        *found, listen, agent = await self._client.get_many([*keys, *beside])
        now = await self._client.now()
        kept = [record for record in found if record is not None and is_kept(record, now)]
        if len(kept) < len(names):
            return None
        parts = [
            request_key(self.tenant, name, f"text/{number:03d}")
            for name, record in zip(names, kept, strict=True)
            for number in range(1, record.get("pieces", 0) + 1)
        ]
        rest = [piece for piece in await self._client.get_many(parts) if piece is not None]
        whole, *burst = (self._whole(each, [part for part in rest if part["pk"] == each["pk"]]) for each in kept)
        listening = listen is not None and listen["until"] > now
        return Asked(whole, tuple(burst), instructions_in(agent) if agent else NONE_SET, listening=listening)

    def _taken(self, bid: Bid) -> list[Action]:
        """Return the actions that take the lease with the next token, unless it changed since it was read."""
        until = bid.now + self._limits.lease_ms
        change = (
            "SET #token = :token, #nonce = :nonce, #lease = :until, #request = :request, #running = :token, "
            "#alone = :alone, #deaths = :deaths, #quarantined = :quarantined"
        )
        quarantined = bool(bid.held.get("quarantined"))
        taken = self._lease(
            bid,
            change,
            token=bid.number,
            nonce=bid.nonce,
            until=until,
            request=bid.request_id,
            alone=bid.alone,
            deaths=bid.deaths,
            quarantined=quarantined,
        )
        fixes = is_open(bid.state.inbox)
        running = update(
            request_key(self.tenant, bid.request_id),
            f"SET #status = :running{', #members = :members' if fixes else ''} REMOVE #parked",
            "#status IN (:queued, :running)",
            running="running",
            queued="queued",
            members=" ".join(bid.members),
        )
        woken = self._woken(bid, until, ", #burst = :burst" if fixes else "")
        return [taken, running, woken, *(self._led(bid, member) for member in bid.members if fixes)]

    def _led(self, bid: Bid, member: str) -> Action:
        """Return the action that says of a request with which it is answered: who listens to it is told."""
        return update(
            request_key(self.tenant, member),
            "SET #with = :first, #due_pk = :feed, #due_at = :now",
            "#status = :queued",
            first=bid.request_id,
            feed=feed_of(member),
            now=bid.now,
            queued="queued",
        )

    def _quarantined(self, bid: Bid) -> list[Action]:
        flagged = self._lease(bid, "SET #quarantined = :true", true=True)
        return [flagged, self._woken(bid, bid.now + self._limits.grace_ms)]

    def _lease(self, bid: Bid, change: str, **values: Any) -> Action:
        key, seen = session_key(self.tenant, bid.ref.session_id, LEASE), bid.state.lease
        if not seen:
            return update(key, change, ABSENT, **values)
        condition = "#token = :seen_token AND #nonce = :seen_nonce AND #lease = :seen_lease"
        return update(
            key,
            change,
            condition,
            seen_token=seen["token"],
            seen_nonce=seen["nonce"],
            seen_lease=seen["lease"],
            **values,
        )

    def _woken(self, bid: Bid, wake: int, more: str = "") -> Action:
        return self._inbox(
            bid.ref.session_id,
            f"SET #wake = :wake, #due_at = :wake, #due_pk = :due_pk, #tries = :none{more}",
            "#status <> :deleted AND #tickets[0] = :request",
            wake=wake,
            due_pk=self._due(bid.ref.session_id, wake)["due_pk"],
            none=0,
            deleted=DELETED,
            request=bid.request_id,
            burst=bid.members,
        )
