"""A session's tickets on DynamoDB: what becomes of those that need no model, and of the inbox when one is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from shared.models import Message
from shared.storage import records
from shared.storage.dynamodb import bodies
from shared.storage.dynamodb.accepting import DynamoAccept
from shared.storage.dynamodb.actions import EXISTS, Action, Item, delete, put, update
from shared.storage.dynamodb.base import DELETED, HEAD, State
from shared.storage.dynamodb.bursts import Waiting, behind, due_of, kept_of, waits_in
from shared.storage.dynamodb.reading import DynamoReading
from shared.storage.dynamodb.scheduling import Account, DynamoScheduling, account_of, falls_due
from shared.storage.dynamodb.schema import message_sk, session_key

RECORDED: Final = "msg_"  # the ticket of a message that was recorded, and asks for no reply
# A transaction holds 100 actions and 4 MB; a recorded message takes two actions or more, and its bytes twice at most.
DRAINED_AT_ONCE: Final = 20
DRAINED_BYTES: Final = 600_000
TRANSACTION_BYTES: Final = 3_900_000


@dataclass(frozen=True, slots=True)
class Drained:
    """Recorded messages that stood at the head of the inbox: their actions, tokens, and the tickets that are left.

    `rest`: what is left of long ones, to be removed when the transaction is done; nobody reads it any more.
    """

    actions: list[Action]
    tickets: list[str]
    messages: int
    tokens: int
    rest: list[Item]


@dataclass(frozen=True, slots=True)
class Held:
    """What of a session decides when it is looked at next: who has it, and which of its tickets wait for more."""

    waits: Mapping[str, Waiting] = field(default_factory=dict)
    human: bool = False

    @classmethod
    def of(cls, state: State) -> Held:
        """Return a session's, as read."""
        return cls(waits_in(state.inbox), state.human)


NOTHING_HELD: Final = Held()


class DynamoInbox(DynamoAccept, DynamoReading, DynamoScheduling):
    """What claim, commit and record share of a session's inbox."""

    async def _drained(self, session_id: str, tickets: Sequence[str], messages: int, beside: int = 0) -> Drained:
        """Append recorded messages that nothing precedes any more; `messages` stand already.

        `beside`: bytes the transaction holds besides; where there are none, the first one may be as long as any.
        """
        room = min(DRAINED_BYTES, (TRANSACTION_BYTES - beside) // 2)
        ready = 0
        while ready < min(len(tickets), DRAINED_AT_ONCE) and tickets[ready].startswith(RECORDED):
            ready += 1
        firsts = await self._firsts(session_id, tickets[:ready])
        taken, size = 0, 0
        for ticket in tickets[:ready]:
            if ticket in firsts:
                size += len(firsts[ticket]["text"].encode()) + firsts[ticket].get("pieces", 0) * bodies.MOST
            if size > room and (taken or beside):
                break
            taken += 1
        actions: list[Action] = []
        left: list[Item] = []
        tokens = 0
        for first, *rest in await self._whole_ones(session_id, firsts, tickets[:taken]):
            messages, tokens = messages + 1, tokens + first["tokens"]
            text = bodies.joined(first["text"], first["sk"], rest)
            actions += self._written(session_id, messages, text, first["tokens"], None)
            actions.append(delete({"pk": first["pk"], "sk": first["sk"]}))
            left += rest
        return Drained(actions, list(tickets[taken:]), messages, tokens, left)

    async def _pending(self, session_id: str, tickets: Sequence[str]) -> list[list[Item]]:
        """Return the items of recorded messages that wait, each message's first item first."""
        return await self._whole_ones(session_id, await self._firsts(session_id, tickets), tickets)

    async def _firsts(self, session_id: str, tickets: Sequence[str]) -> dict[str, Item]:
        keys = [session_key(self.tenant, session_id, f"in/{ticket}") for ticket in tickets]
        found = zip(tickets, await self._client.get_many(keys), strict=True)
        return {ticket: item for ticket, item in found if item is not None}

    async def _whole_ones(
        self, session_id: str, firsts: Mapping[str, Item], tickets: Sequence[str]
    ) -> list[list[Item]]:
        chosen = [firsts[ticket] for ticket in tickets if ticket in firsts]
        more = [
            session_key(self.tenant, session_id, f"{item['sk']}/{number:03d}")
            for item in chosen
            for number in range(1, item.get("pieces", 0) + 1)
        ]
        rest = [item for item in await self._client.get_many(more) if item is not None]
        return [[first, *(item for item in rest if item["sk"].startswith(f"{first['sk']}/"))] for first in chosen]

    async def _drain_now(self, state: State, now: int) -> None:
        """Append the recorded messages at the head of an inbox whose turn it is. Raises ConditionFailed."""
        drained = await self._drained(state.id, state.tickets, state.head["messages"])
        last = int(state.head.get("last", now))
        await self._client.transact(
            [
                self._left(state.id, state.tickets, drained.tickets, last, now, held=Held.of(state)),
                self._counted(state.id, state.head["messages"], drained.messages, last, drained.tokens),
                *self._said(state.id, account_of(state), drained, 0, last, now),
                *drained.actions,
            ]
        )
        await self._client.delete_many(drained.rest)

    def _left(
        self,
        session_id: str,
        seen: Sequence[str],
        left: Sequence[str],
        last: int,
        now: int,
        status: str | None = None,
        held: Held = NOTHING_HELD,
    ) -> Action:
        """Return the change of the inbox from the tickets `seen` to those `left`; `last`: the newest message's time.

        `status`: the status the session must still have. `held`: what it held besides its tickets.
        """
        expires = last + self._limits.session_ttl_ms
        values: dict[str, Any] = {"seen": list(seen), "left": list(left), "expires": expires, "none": 0}
        change, gone = "SET #tickets = :left, #expires = :expires, #tries = :none", ["#burst"]
        waits = kept_of(left, held.waits)
        if waits:
            change += ", #waits = :waits"
            values["waits"] = waits
        else:
            gone.append("#waits")
        if left:
            wake = now if held.human else max(now, due_of(behind(left, held.waits)))
            change += ", #wake = :wake, #due_at = :wake, #due_pk = :due_pk"
            values |= {"wake": wake, "due_pk": self._due(session_id, wake)["due_pk"]}
        elif rest := self._rests(session_id, max(last, now)):
            change += ", #retain = :retain, #due_at = :due_at, #due_pk = :due_pk"
            gone.append("#wake")
            values |= rest
        else:
            gone += ["#wake", "#due_at", "#due_pk", "#retain"]
        condition = f"#tickets = :seen AND #status {'=' if status else '<>'} :status"
        change = f"{change} REMOVE {', '.join(gone)}"
        return self._inbox(session_id, change, condition, status=status or DELETED, **values)

    def _counted(
        self,
        session_id: str,
        before: int,
        after: int,
        last: int,
        tokens: int,
        more: str = "",
        only: str | None = None,
        **values: Any,
    ) -> Action:
        """Return the change of the head when messages of so many raw tokens were appended; `only` where that holds."""
        return update(
            session_key(self.tenant, session_id, HEAD),
            f"SET #messages = :after, #last = :last{more} ADD #tokens :tokens",
            f"{EXISTS} AND #messages = :before" + (f" AND {only}" if only else ""),
            before=before,
            after=after,
            last=last,
            tokens=tokens,
            **values,
        )

    def _said(
        self, session_id: str, account: Account, drained: Drained, tokens: int, last: int, now: int
    ) -> list[Action]:
        """Return the action, if it takes one, by which the index knows of messages that took their turn.

        `tokens`: those of messages besides what was drained.
        """
        after = replace(
            account,
            messages=drained.messages,
            tokens=account.tokens + tokens + drained.tokens,
            last=last,
            expires=last + self._limits.session_ttl_ms,
            drained=not drained.tickets,
        )
        _, wanted = falls_due(after, self._limits, now)
        return self._rescheduled(session_id, account.found, wanted)

    def _appended(self, session_id: str, seq: int, message: Message) -> list[Action]:
        """Return the actions that write a message at `seq`."""
        return self._written(session_id, seq, records.message_text(message), message.tokens, message.request_id)

    def _written(self, session_id: str, seq: int, text: str, tokens: int, request: str | None) -> list[Action]:
        pk = session_key(self.tenant, session_id, HEAD)["pk"]
        first, rest = bodies.split(text, bodies.MOST)
        item = {"pk": pk, "sk": message_sk(seq), "tokens": tokens, "text": first, "request": request}
        return [put(item), *(put(piece) for piece in bodies.pieces(pk, message_sk(seq), rest))]
