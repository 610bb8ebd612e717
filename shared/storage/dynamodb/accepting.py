"""Accepting a request on DynamoDB: one transaction, whose conditions are the rules.

The session is not read first. Where a condition fails, DynamoDB says what was there instead, and that says why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from shared.errors import (
    ConversationMismatch,
    CustomerErasing,
    CustomerMerged,
    Refusal,
    SessionBusy,
    SessionClosed,
    SessionExpired,
    StoreUnavailable,
    UnknownSession,
)
from shared.ids import bucket_in
from shared.storage import records
from shared.storage.dynamodb import bodies
from shared.storage.dynamodb.actions import ABSENT, Action, Item, check, put
from shared.storage.dynamodb.base import HEAD, INBOX, OPEN, DynamoParts, is_gone, is_over
from shared.storage.dynamodb.bursts import Waiting, behind, due_of, waits_in
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.schema import (
    ERASING,
    conversation_key,
    customer_key,
    listed_key,
    request_key,
    session_key,
    shard_of,
)
from shared.storage.types import NewRequest, NewSession

TRIES: Final = 8

REFUSALS: Final[dict[str, type[Refusal]]] = {"closed": SessionClosed, "expired": SessionExpired, "busy": SessionBusy}

_TAKES_ONE = (
    "attribute_exists(#pk) AND #customer = :customer AND #status = :open AND size(#tickets) < :most "
    "AND (#expires >= :now OR size(#tickets) > :none)"
)
_UNBOUND = " AND attribute_not_exists(#conversation)"
_APPEND = (
    "SET #tickets = list_append(#tickets, :ticket), #wake = if_not_exists(#wake, :wake), "
    "#due_at = if_not_exists(#wake, :wake), #due_pk = :due_pk"
)


_PUT_OFF = (
    "SET #tickets = list_append(#tickets, :ticket), #wake = :wake, #due_at = :wake, #due_pk = :due_pk, #tries = :none"
)
_WAITS = ", #waits = list_append(if_not_exists(#waits, :nothing), :waits)"


@dataclass(frozen=True, slots=True)
class Joining:
    """How a request joins an inbox: the change, on which condition besides the usual one, and what they name."""

    change: str
    condition: str = ""
    values: dict[str, Any] = field(default_factory=dict)


PLAIN: Final = Joining(_APPEND)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a request went: in the session `id`, or nowhere, because of `refusal`."""

    id: str | None
    refusal: Refusal | None = None


class DynamoAccept(DynamoParts):
    """Implements `shared.storage.contract.Turns.accept`."""

    async def accept(self, request: NewRequest, new_session_id: str) -> str:
        """See `Turns.accept`."""
        if request.session_id is not None:
            if bucket_in(request.session_id, "ses") is None:
                raise UnknownSession
            placed = await self._join(request, request.session_id)
            if placed.refusal is not None:
                raise placed.refusal
            return str(placed.id)
        for _ in range(TRIES):
            session_id = await self._resume_or_begin(request, new_session_id)
            if session_id is not None:
                return session_id
        raise StoreUnavailable("the conversation was bound anew each time it was looked at")

    async def _resume_or_begin(self, request: NewRequest, new_session_id: str) -> str | None:
        """Return the session; None when the conversation's binding changed meanwhile."""
        bound = None
        if request.conversation_id is not None:
            binding = await self._client.get(self._binding_key(request))
            bound = str(binding["session"]) if binding else None
        if bound is not None:
            placed = await self._join(request, bound)
            if placed.id is not None:
                return placed.id
            if isinstance(placed.refusal, SessionBusy):
                raise placed.refusal
        return await self._begin(request, new_session_id, bound)

    async def _begin(self, request: NewRequest, session_id: str, bound: str | None) -> str | None:
        now = await self._client.now()
        new = NewSession(request.customer_id, request.conversation_id)
        wake, waits = now + self._limits.grace_ms, None
        if request.coalesce_ms:
            waiting = Waiting.of(request, now, self._limits.request_deadline_ms)
            wake, waits = max(wake, due_of([waiting])), [str(waiting)]
        inbox = {"tickets": [request.request_id], "wake": wake, "waits": waits, **self._due(session_id, wake)}
        actions = [*self._record(request, session_id, now), *self._new_session(session_id, new, now, inbox)]
        if request.conversation_id is not None:
            actions.append(self._bind(request, session_id, bound))
        try:
            await self._client.transact(actions)
        except ConditionFailed as failed:
            if failed.items[0]:
                return str(failed.items[0]["session"])
            refuse_erasing(failed)
            return None
        return session_id

    async def _join(self, request: NewRequest, session_id: str) -> Placed:
        """Put the request at the end of a session's tickets."""
        if request.conversation_id is None:
            return await self._append(request, session_id, "")
        for _ in range(TRIES):
            placed = await self._append(request, session_id, " AND #conversation = :conversation")
            if not isinstance(placed.refusal, _Unbound):
                return placed
            # The session belongs to no conversation yet: from now on it belongs to this one.
            placed = await self._append(request, session_id, _UNBOUND, bind=True)
            if not isinstance(placed.refusal, _Bound):
                return placed
        raise StoreUnavailable("the session was bound anew each time it was looked at")

    async def _append(self, request: NewRequest, session_id: str, more: str, *, bind: bool = False) -> Placed:
        if not request.coalesce_ms:
            return await self._put_behind(request, session_id, more, bind=bind)
        for _ in range(TRIES):
            seen = await self._client.get(session_key(self.tenant, session_id, INBOX)) or {"tickets": []}
            placed = await self._put_behind(request, session_id, more, bind=bind, seen=seen)
            if not isinstance(placed.refusal, _Changed):
                return placed
        raise StoreUnavailable("the session changed each time it was looked at")

    async def _put_behind(
        self, request: NewRequest, session_id: str, more: str, *, bind: bool, seen: Item | None = None
    ) -> Placed:
        """Put the request at the end of a session's tickets; of one that waits for the next, as they were `seen`."""
        now = await self._client.now()
        joined = self._joining(request, seen, now) if seen is not None else PLAIN
        wake = now + self._limits.grace_ms
        values: dict[str, Any] = {
            "customer": request.customer_id,
            "open": OPEN,
            "most": self._limits.max_open_requests,
            "none": 0,
            "now": now,
            "ticket": [request.request_id],
            "wake": wake,
            "due_pk": self._due(session_id, wake)["due_pk"],
            "conversation": request.conversation_id,
            **joined.values,
        }
        change = joined.change + (", #conversation = :conversation" if bind else "") + " REMOVE #retain"
        actions = [
            *self._record(request, session_id, now),
            self._inbox(session_id, change, _TAKES_ONE + joined.condition + more, **values),
        ]
        if bind:
            actions.append(put(self._binding(request, session_id)))
        try:
            await self._client.transact(actions)
        except ConditionFailed as failed:
            if failed.items[0]:
                return Placed(str(failed.items[0]["session"]))
            return Placed(None, self._refusal(request, failed.items[-2 if bind else -1], now, bind=bind))
        return Placed(session_id)

    def _refusal(self, request: NewRequest, inbox: Item | None, now: int, *, bind: bool) -> Refusal:
        """Say why a session took no ticket, by its inbox as it was then."""
        if inbox is None or is_gone(inbox, now) or inbox["customer"] != request.customer_id:
            return UnknownSession()
        if request.conversation_id is not None:
            if inbox.get("conversation", request.conversation_id) != request.conversation_id:
                return ConversationMismatch()
            if bind is ("conversation" in inbox):
                return _Bound() if bind else _Unbound()
        reason = is_over(inbox, now)
        if reason is None and len(inbox["tickets"]) < self._limits.max_open_requests:
            return _Changed()
        return REFUSALS[reason or "busy"]()

    def _joining(self, request: NewRequest, seen: Item, now: int) -> Joining:
        """Return how a request that waits for the next one joins an inbox, given how that was seen."""
        waiting, waits = Waiting.of(request, now, self._limits.request_deadline_ms), waits_in(seen)
        values = {"seen": seen["tickets"], "nothing": [], "waits": [str(waiting)]}
        condition = " AND #tickets = :seen"
        burst = behind([*seen["tickets"], waiting.id], {**waits, waiting.id: waiting})
        if "burst" in seen or not burst or burst[-1] is not waiting:
            return Joining(_APPEND + _WAITS, condition, values)
        wake = max(due_of(burst), now + self._limits.grace_ms)
        return Joining(_PUT_OFF + _WAITS, condition + " AND attribute_not_exists(#burst)", {**values, "wake": wake})

    def _record(self, request: NewRequest, session_id: str, now: int) -> list[Action]:
        """Return the actions that write a request's record, which must not be there yet; the record's is the first."""
        key = request_key(self.tenant, request.request_id)
        fields = records.request_fields(request)
        text, rest = bodies.split(fields.pop("message"))
        record = {
            **key,
            **fields,
            "message": text,
            "pieces": len(rest) or None,
            "session": session_id,
            "status": "queued",
            "accepted": now,
            "due": now,
            "deadline": now + self._limits.request_deadline_ms,
            "attempts": 0,
        }
        return [put(record, ABSENT), *(put(item) for item in bodies.pieces(key["pk"], "text", rest))]

    def _new_session(self, session_id: str, new: NewSession, now: int, inbox: Item) -> list[Action]:
        """Return the actions that write a session that is not there yet."""
        described = records.head_fields(new)
        customer, conversation = described.pop("customer"), described.pop("conversation", None)
        head = {
            **session_key(self.tenant, session_id, HEAD),
            **described,
            "customer": customer,
            "created": now,
            "messages": 0,
            **self._listed(customer, session_id, now),
        }
        inbox = {
            **session_key(self.tenant, session_id, INBOX),
            "status": OPEN,
            "customer": customer,
            "conversation": conversation,
            "expires": now + self._limits.session_ttl_ms,
            "tries": 0,
            **inbox,
        }
        listed = put(listed_key(self.tenant, customer, session_id))
        return [put(head, ABSENT), put(inbox, ABSENT), listed, self._not_erasing(customer)]

    def _not_erasing(self, customer: str) -> Action:
        return check(customer_key(self.tenant, customer, ERASING), ABSENT)

    def _listed(self, customer: str, session_id: str, created: int) -> dict[str, str]:
        """Return the attributes by which the indexes list a session that began at `created`."""
        order = f"{created:013d}/{session_id}"
        return {
            "customer_pk": f"{self.tenant}/{customer}",
            "customer_sk": order,
            "tenant_pk": self.tenant,
            "tenant_sk": order,
        }

    def _due(self, session_id: str, wake: int) -> dict[str, Any]:
        return {"due_pk": f"wake/{shard_of(session_id[4:6])}", "due_at": wake}

    def _bind(self, request: NewRequest, session_id: str, bound: str | None) -> Action:
        condition = "#session = :bound" if bound else ABSENT
        return put(self._binding(request, session_id), condition, bound=bound)

    def _binding(self, request: NewRequest, session_id: str) -> Item:
        return {**self._binding_key(request), "conversation": request.conversation_id, "session": session_id}

    def _binding_key(self, request: NewRequest) -> dict[str, str]:
        return conversation_key(self.tenant, request.customer_id, str(request.conversation_id))


def refuse_erasing(failed: ConditionFailed) -> None:
    """Raise CustomerErasing, or CustomerMerged, where a transaction failed for that."""
    for item in failed.items:
        if item is not None and item["sk"] == ERASING:
            raise CustomerMerged(item["into"]) if "into" in item else CustomerErasing


class _Unbound(Refusal):
    """The session belongs to no conversation."""


class _Bound(Refusal):
    """The session belongs to the conversation since a moment ago."""


class _Changed(Refusal):
    """The session's tickets are no longer those that were seen."""
