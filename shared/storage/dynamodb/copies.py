"""Sessions moving to and from DynamoDB: see `shared.storage.portable`.

A session that is copied here has an item beside it, `copy`, written first: the stamp it will have, and its open
requests, so that a copy that was cut off can be found and removed whole. The inbox comes last and says the same stamp:
until then nobody can see the session.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from shared.storage.dynamodb import bodies
from shared.storage.dynamodb.actions import ABSENT, Action, Item, delete, put, query, update
from shared.storage.dynamodb.base import DELETED, HEAD, HUMAN, INBOX, LEASE, SUMMARY, is_gone
from shared.storage.dynamodb.bursts import Waiting, behind, due_of, kept_of
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.inbox import RECORDED
from shared.storage.dynamodb.reading import FIRST_MESSAGE
from shared.storage.dynamodb.request_copies import RequestCopies, write_all
from shared.storage.dynamodb.schema import conversation_key, listed_key, message_sk, session_key
from shared.storage.dynamodb.summary_copies import OF_SUMMARY, SummaryCopies
from shared.storage.portable import (
    LOADING,
    Claimed,
    Dump,
    Inbox,
    Kept,
    Line,
    MovedOn,
    Part,
    Unit,
    Vanished,
)
from shared.storage.portable_fields import (
    plain,
    plain_head,
    plain_request,
    typed,
)

COPY: Final = "copy"
PAGE: Final = 50

_PLACES: Final = ("pk", "sk", "customer_pk", "customer_sk", "tenant_pk", "tenant_sk")
_OF_INBOX: Final = ("status", "conversation", "expires", "closed")


class SessionCopies(SummaryCopies, RequestCopies):
    """One tenant's sessions, and requests, as they move."""

    async def look(self, unit: Unit) -> Kept | None:
        """Return what is held of a session; what is read may be of several moments."""
        keys = [session_key(self.tenant, unit.name, part) for part in (HEAD, INBOX, LEASE, COPY, SUMMARY)]
        head, inbox, lease, copy, summary = await self._client.get_many(keys)
        now = await self._client.now()
        if (inbox is None and copy is None) or (inbox is not None and is_gone(inbox, now)):
            return None
        if head is None or inbox is None:
            return Kept(None, LOADING)
        copied = inbox.get("copied")
        if copy is not None and copy["stamp"] != copied:
            copied = LOADING
        described = plain(head, *_PLACES) | plain({name: inbox.get(name) for name in _OF_INBOX})
        current, earlier = await self.summary_fields(unit.name, summary or {})
        described = plain_head(described | plain(current))
        waiting = await self._waiting(unit.name, inbox, lease or {})
        busy = bool(lease and lease["lease"] > now)
        return Kept(Dump(unit, described, waiting, inbox.get("retain") or None, busy, earlier), copied)

    async def parts(self, dump: Dump, after: int) -> AsyncGenerator[Part, None]:
        """See `Portable.parts`."""
        pk = session_key(self.tenant, dump.unit.name, HEAD)["pk"]
        for first in range(after + 1, dump.messages + 1, PAGE):
            last = min(first + PAGE - 1, dump.messages)
            condition = "#pk = :pk AND #sk BETWEEN :first AND :last"
            asked = query(None, condition, pk=pk, first=message_sk(first), last=message_sk(last) + "/~")
            items = await self._client.all(asked)
            lines = tuple(
                Line(int(item["sk"][2:]), item["tokens"], bodies.joined(item["text"], item["sk"], items))
                for item in items
                if item["sk"].count("/") == 1
            )
            if len(lines) <= last - first and await self.look(dump.unit) is None:
                raise Vanished
            yield Part(lines, await self._finished([line.request for line in lines]))

    async def load(self, dump: Dump, parts: AsyncGenerator[Part, None], over: Kept | None) -> None:
        """See `Portable.load`."""
        session_id, there = dump.unit.name, over.dump if over is not None else None
        beside = session_key(self.tenant, session_id, COPY)
        await self._client.write(put({**beside, "stamp": dump.stamp, "open": list(dump.inbox.requests)}))
        now = await self._client.now()
        async for part in parts:
            lines = [self._written(session_id, line.seq, line.text, line.tokens, line.request) for line in part.lines]
            records = [self._kept_request(name, fields, now) for name, fields in part.requests.items()]
            await write_all(self._client, [action for actions in (*lines, *records) for action in actions])
        summary = self.summary_items(dump, now)
        stale = await self.stale_summaries(session_id, summary) if over is not None else []
        await write_all(self._client, [*self._stale(dump, there), *stale, *self._beside(dump), *map(put, summary)])
        condition, seen = ABSENT, {}
        if there is not None:
            condition = "#tickets = :tickets AND #expires = :expires"
            seen = {"tickets": list(there.inbox.tickets), "expires": int(there.fields["expires"])}
        try:
            await self._client.write(put(self._inbox_item(dump, now), condition, **seen))
        except ConditionFailed as failed:
            message = f"{dump.unit} was changed in the target while it was copied: the service runs there"
            raise MovedOn(message) from failed

    async def remove(self, unit: Unit) -> None:
        """See `Portable.remove`. What leads to the rest goes last."""
        names = [session_key(self.tenant, unit.name, part) for part in (INBOX, COPY)]
        inbox, copy = await self._client.get_many(names)
        requests = {*(copy or {}).get("open", ()), *(inbox or {}).get("tickets", ())}
        pk = names[0]["pk"]
        async for page in self._client.pages(query(None, "#pk = :pk AND #sk >= :first", pk=pk, first=FIRST_MESSAGE)):
            requests |= {item["request"] for item in page if "request" in item and item["sk"] != LEASE}
        for request in sorted(requests):
            await self.remove_request(request)
        if inbox is not None and "conversation" in inbox:
            key = conversation_key(self.tenant, inbox["customer"], inbox["conversation"])
            bound = await self._client.get(key)
            if bound is not None and bound["session"] == unit.name:
                await write_all(self._client, [delete(key)])
        if inbox is not None:
            await write_all(self._client, [delete(listed_key(self.tenant, inbox["customer"], unit.name))])
        items = await self._client.all(query(None, "#pk = :pk", pk=pk))
        await self._client.delete_many(item for item in items if item["sk"] not in {INBOX, COPY})
        await self._client.delete_many(names)

    async def mark(self, unit: Unit, stamp: str) -> None:
        """See `Portable.mark`."""
        await write_all(self._client, [delete(session_key(self.tenant, unit.name, COPY))])
        key = session_key(self.tenant, unit.name, INBOX)
        try:
            await self._client.write(
                update(key, "SET #copied = :stamp", "#status <> :deleted", stamp=stamp, deleted=DELETED)
            )
        except ConditionFailed:
            return

    async def _waiting(self, session_id: str, inbox: Item, lease: Item) -> Inbox:
        tickets = tuple(inbox["tickets"])
        asked = [ticket for ticket in tickets if not ticket.startswith(RECORDED)]
        records = await self._records(asked)
        recorded = len(asked) < len(tickets)
        of_first = bool(tickets) and lease.get("request") == tickets[0]
        return Inbox(
            tickets=tickets,
            pending=await self._recorded_lines(session_id) if recorded else {},
            requests={name: plain_request(record) for name, record in records.items()},
            claimed=_claimed(lease) if of_first else Claimed(),
            token=int(lease.get("token", 0)),
            nonce=str(lease.get("nonce", "")),
            bound=await self._is_bound(session_id, inbox),
        )

    async def _recorded_lines(self, session_id: str) -> dict[str, Line]:
        """Return recorded messages that wait for their turn."""
        pk = session_key(self.tenant, session_id, INBOX)["pk"]
        condition = "#pk = :pk AND begins_with(#sk, :first)"
        items = await self._client.all(query(None, condition, pk=pk, first="in/"))
        return {
            item["sk"].removeprefix("in/"): Line(0, item["tokens"], bodies.joined(item["text"], item["sk"], items))
            for item in items
            if item["sk"].count("/") == 1
        }

    async def _is_bound(self, session_id: str, inbox: Item) -> bool:
        if "conversation" not in inbox:
            return False
        bound = await self._client.get(conversation_key(self.tenant, inbox["customer"], inbox["conversation"]))
        return bound is not None and bound["session"] == session_id

    def _beside(self, dump: Dump) -> list[Action]:
        """Return the actions that write all of a session but its messages, finished requests and inbox."""
        session_id, inbox, fields = dump.unit.name, dump.inbox, typed(dump.fields)
        elsewhere = {*_OF_INBOX, *OF_SUMMARY}
        described = {name: value for name, value in fields.items() if name not in elsewhere}
        listed = self._listed(fields["customer"], session_id, fields["created"])
        actions = [
            put({**session_key(self.tenant, session_id, HEAD), **described, **listed}),
            put(listed_key(self.tenant, fields["customer"], session_id)),
        ]
        for name, record in inbox.requests.items():
            actions += self._request_items(name, record, None)
        for name, line in inbox.pending.items():
            key = session_key(self.tenant, session_id, f"in/{name}")
            first, rest = bodies.split(line.text, bodies.MOST)
            actions.append(put({**key, "text": first, "tokens": line.tokens, "pieces": len(rest) or None}))
            actions += [put(piece) for piece in bodies.pieces(key["pk"], key["sk"], rest)]
        if inbox.token or inbox.nonce:
            actions.append(put(self._lease_item(session_id, inbox)))
        if inbox.bound:
            key = conversation_key(self.tenant, fields["customer"], fields["conversation"])
            actions.append(put({**key, "conversation": fields["conversation"], "session": session_id}))
        return actions

    def _stale(self, dump: Dump, there: Dump | None) -> list[Action]:
        """Return the actions that remove what an older copy held, and this one does not."""
        if there is None:
            return []
        actions = []
        for name, line in there.inbox.pending.items():
            if name not in dump.inbox.pending:
                key = session_key(self.tenant, dump.unit.name, f"in/{name}")
                _, rest = bodies.split(line.text, bodies.MOST)
                pieces = bodies.pieces(key["pk"], key["sk"], rest)
                actions += [delete({"pk": item["pk"], "sk": item["sk"]}) for item in (key, *pieces)]
        moved = there.fields["customer"] != dump.fields["customer"]
        if moved:  # they were merged into another meanwhile
            actions.append(delete(listed_key(self.tenant, there.fields["customer"], dump.unit.name)))
        if there.inbox.bound and (moved or not dump.inbox.bound):
            conversation = there.fields["conversation"]
            actions.append(delete(conversation_key(self.tenant, there.fields["customer"], conversation)))
        return actions

    def _lease_item(self, session_id: str, inbox: Inbox) -> Item:
        claimed = inbox.claimed
        item = {
            **session_key(self.tenant, session_id, LEASE),
            "token": inbox.token,
            "nonce": inbox.nonce,
            "lease": 0,
        }
        if not inbox.tickets or claimed == Claimed():
            return item
        return item | {
            "request": inbox.tickets[0],
            "running": inbox.token if claimed.running else None,
            "alone": claimed.alone,
            "deaths": claimed.deaths,
            "quarantined": claimed.quarantined,
        }

    def _inbox_item(self, dump: Dump, now: int) -> Item:
        session_id, tickets = dump.unit.name, dump.inbox.tickets
        fields = typed({name: dump.fields[name] for name in (*_OF_INBOX, "customer") if name in dump.fields})
        item = {**session_key(self.tenant, session_id, INBOX), **fields, "tickets": list(tickets), "tries": 0}
        item["copied"] = dump.stamp
        if not tickets:
            rests = self._rests(session_id, now)
            ends = dump.ends or now + self._limits.memory_retention_ms
            return item | ({**rests, "retain": ends, "due_at": ends} if rests else {})
        requests = dump.inbox.requests
        waits = {name: Waiting.kept(name, kept) for name, kept in requests.items() if "coalesce" in kept}
        head = requests.get(tickets[0], {})
        if "members" in head:
            item["burst"] = head["members"].split()
            due = int(head["due"])
        else:
            due = due_of(behind(tickets, waits)) or int(head.get("due", 0))
        wake = max(now, 0 if dump.fields.get("handler") == HUMAN else due)
        return item | {"waits": kept_of(tickets, waits), "wake": wake, **self._due(session_id, wake)}


def _claimed(lease: Item) -> Claimed:
    return Claimed(
        running="running" in lease,
        alone=bool(lease.get("alone")),
        quarantined=bool(lease.get("quarantined")),
        deaths=int(lease.get("deaths", 0)),
    )
