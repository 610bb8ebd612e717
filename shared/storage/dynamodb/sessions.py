"""Sessions, their messages and their requests on DynamoDB."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final

from shared.clock import to_ms
from shared.errors import (
    ConversationMoved,
    SessionBusy,
    SessionClosed,
    SessionExpired,
    StoreUnavailable,
    UnknownRequest,
    UnknownSession,
)
from shared.ids import bucket_in
from shared.models import ChatRequest, Message, Session
from shared.storage import records
from shared.storage.cursors import read_session_cursor, session_cursor
from shared.storage.dynamodb import bodies
from shared.storage.dynamodb.accepting import refuse_erasing
from shared.storage.dynamodb.actions import ABSENT, EXISTS, Action, Item, put, query, update
from shared.storage.dynamodb.base import (
    CLOSED,
    HEAD,
    HUMAN,
    INBOX,
    OF_AGENT,
    OF_HUMAN,
    OPEN,
    State,
    is_gone,
    is_over,
    session_of,
)
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.handling import DynamoHandling, Woken
from shared.storage.dynamodb.scheduling import Account, account_of, falls_due, next_look
from shared.storage.dynamodb.schema import conversation_key, digest, message_sk, session_key
from shared.storage.dynamodb.turns import DynamoTurns
from shared.storage.types import NewSession, Page, SessionPatch

TRIES: Final = 8
REMEMBERED_SECONDS: Final = 3600
DAY_SECONDS: Final = 86_400
REFUSALS: Final = {"closed": SessionClosed, "expired": SessionExpired}


class DynamoSessions(DynamoTurns, DynamoHandling):
    """Implements `shared.storage.contract.Sessions`."""

    async def create_session(self, session_id: str, new: NewSession) -> Session:
        """See `Sessions.create_session`."""
        now = await self._client.now()
        actions = self._new_session(session_id, new, now, {"tickets": [], **self._rests(session_id, now)})
        if new.conversation_id is not None:
            key = conversation_key(self.tenant, new.customer_id, new.conversation_id)
            actions.append(put({**key, "conversation": new.conversation_id, "session": session_id}))
        try:
            await self._client.transact(actions)
        except ConditionFailed as failed:  # it stands already: an answer was lost
            refuse_erasing(failed)
            return await self.session(session_id)
        return (await self._state(session_id, now)).session(now)

    async def session(self, session_id: str) -> Session:
        """See `Sessions.session`."""
        now = await self._client.now()
        return (await self._state(session_id, now)).session(now)

    async def bound_session(self, customer_id: str, conversation_id: str) -> Session | None:
        """See `Sessions.bound_session`."""
        bound = await self._client.get(conversation_key(self.tenant, customer_id, conversation_id))
        if bound is None:
            return None
        try:
            return await self.session(bound["session"])
        except UnknownSession:
            return None

    async def sessions(self, customer_id: str, limit: int, cursor: str | None) -> Page[Session]:
        """See `Sessions.sessions`."""
        before = "{:013d}/{}".format(*read_session_cursor(cursor)) if cursor else "~"
        asked = query(
            "customer",
            "#customer_pk = :customer AND #customer_sk < :before",
            customer=f"{self.tenant}/{customer_id}",
            before=before,
        )
        now = await self._client.now()
        found: list[Session] = []
        async for page in self._client.pages(asked, limit + 1, forward=False):
            found += await self._listed_sessions(page, now)
            if len(found) > limit:
                break
        items = tuple(found[:limit])
        return Page(items, session_cursor(items[-1]) if len(found) > limit else None)

    async def messages(self, session_id: str, limit: int, after: int) -> Page[Message]:
        """See `Sessions.messages`."""
        now = await self._client.now()
        state, kept = await asyncio.gather(self._state(session_id, now), self._messages(session_id, limit, after))
        count = int(state.head["messages"])
        items = tuple(records.message(seq, text) for seq, text in kept if seq <= count)
        # By what is on the page, not by the count: a turn may have ended between the two reads.
        last = items[-1].seq if items else after
        return Page(items, str(last) if last < count else None)

    async def record(self, session_id: str, message: Message, *, backdated: bool, once: str | None = None) -> Message:
        """See `Sessions.record`."""
        name, lasts = (message.id, REMEMBERED_SECONDS) if once is None else (f"once/{digest(once)}", DAY_SECONDS)
        marker = session_key(self.tenant, session_id, f"did/{name}")
        for _ in range(TRIES):
            now = await self._client.now()
            if once is not None and (kept := await self._client.get(marker)) and kept["ttl"] > now // 1000:
                return message.model_copy(update={"seq": kept["seq"]})
            state = await self._state(session_id, now, summary=True)
            at = min(to_ms(message.at) if backdated else now, now)
            reason = is_over(state.inbox, now)
            if reason == "closed" or (reason and not backdated):
                raise REFUSALS[reason]
            if len(state.tickets) >= self._limits.max_open_requests:
                raise SessionBusy
            seq = 0 if state.tickets else int(state.head["messages"]) + 1
            done = put({**marker, "seq": seq, "ttl": now // 1000 + lasts}, f"{ABSENT} OR #ttl <= :now", now=now // 1000)
            try:
                await self._client.transact([done, *self._record_actions(state, message, seq, at, now)])
            except ConditionFailed as failed:
                if failed.items[0]:
                    return message.model_copy(update={"seq": failed.items[0]["seq"]})
                continue  # the session changed meanwhile: look again
            return message.model_copy(update={"seq": seq})
        raise StoreUnavailable("the session changed each time it was looked at")

    async def update_session(self, session_id: str, patch: SessionPatch) -> Session:
        """See `Sessions.update_session`."""
        for _ in range(TRIES):
            now = await self._client.now()
            state = await self._state(session_id, now, summary=patch.status is not None)
            actions = [*self._described(state, patch, now), *await self._changed(state, patch, now)]
            try:
                if actions:
                    await self._client.transact(actions)
            except ConditionFailed:
                continue
            return await self.session(session_id)
        raise StoreUnavailable("the session changed each time it was looked at")

    async def request(self, request_id: str) -> ChatRequest:
        """See `Sessions.request`."""
        if bucket_in(request_id, "req") is None:
            raise UnknownRequest
        record = await self._request(request_id)
        if record is None:
            raise UnknownRequest
        return records.request(request_id, record)

    async def _listed_sessions(self, page: list[Item], now: int) -> list[Session]:
        keys = [{"pk": item["pk"], "sk": part} for item in page for part in (HEAD, INBOX)]
        items = await self._client.get_many(keys)
        return [
            session_of(head["pk"].rpartition("/")[2], head, inbox, now)
            for head, inbox in zip(items[::2], items[1::2], strict=True)
            if head is not None and inbox is not None and not is_gone(inbox, now)
        ]

    async def _messages(self, session_id: str, limit: int, after: int) -> list[tuple[int, str]]:
        """Return up to `limit` messages after a seq, oldest first, each whole."""
        asked = query(
            None,
            "#pk = :pk AND #sk BETWEEN :first AND :last",
            pk=session_key(self.tenant, session_id, HEAD)["pk"],
            first=message_sk(after + 1),
            last=message_sk(after + limit) + "/~",
        )
        items = await self._client.all(asked)
        firsts = [item for item in items if item["sk"].count("/") == 1]
        rest = [item for item in items if item["sk"].count("/") > 1]
        return [(int(item["sk"][2:]), bodies.joined(item["text"], item["sk"], rest)) for item in firsts]

    def _record_actions(self, state: State, message: Message, seq: int, at: int, now: int) -> list[Action]:
        last = max(int(state.head.get("last", 0)), at)
        older = self._began(state, at)
        account = replace(account_of(state), last=last, expires=last + self._limits.session_ttl_ms)
        if seq:
            account = replace(account, messages=seq, tokens=account.tokens + message.tokens)
            return [
                self._left(state.id, (), (), last, now, OPEN),
                self._counted(state.id, seq - 1, seq, last, message.tokens, **older),
                *self._appended(state.id, seq, message),
                *self._recorded_account(state, account, now),
            ]
        pending = session_key(self.tenant, state.id, f"in/{message.id}")
        first, rest = bodies.split(records.message_text(message), bodies.MOST)
        item = {**pending, "text": first, "tokens": message.tokens, "pieces": len(rest) or None}
        waits = self._inbox(
            state.id,
            "SET #tickets = :tickets, #expires = :expires",
            "#status = :open AND #tickets = :seen",
            tickets=[*state.tickets, message.id],
            seen=state.tickets,
            expires=last + self._limits.session_ttl_ms,
            open=OPEN,
        )
        pieces = bodies.pieces(pending["pk"], pending["sk"], rest)
        count = int(state.head["messages"])
        return [
            waits,
            self._counted(state.id, count, count, last, 0, **older),
            *self._recorded_account(state, account, now),
            put(item),
            *map(put, pieces),
        ]

    def _recorded_account(self, state: State, after: Account, now: int) -> list[Action]:
        _, wanted = falls_due(after, self._limits, now)
        return self._surely_rescheduled(state.id, after.found, wanted)

    def _began(self, state: State, at: int) -> dict[str, Any]:
        """Return how the head changes when a message is older than its session."""
        if at >= state.head["created"]:
            return {}
        # Whose it is, another may have changed meanwhile; its place in the lists is the same for all.
        every = self._listed(state.head["customer"], state.id, at)
        listed = {name: value for name, value in every.items() if name.endswith("_sk")}
        more = ", #created = :created" + "".join(f", #{name} = :{name}" for name in listed)
        return {"more": more, "created": at, **listed}

    def _described(self, state: State, patch: SessionPatch, now: int) -> list[Action]:
        tags = records.dump(list(patch.tags)) if patch.tags is not None else None
        fields = records.known({"title": patch.title, "tags": tags, "handler": patch.handler})
        if not fields:
            return []
        key, change = session_key(self.tenant, state.id, HEAD), ", ".join(f"#{name} = :{name}" for name in fields)
        if patch.handler is None:
            return [update(key, f"SET {change}", EXISTS, **fields)]
        seen = OF_HUMAN if state.human else OF_AGENT
        described = update(key, f"SET {change}", f"{EXISTS} AND {seen}", human=HUMAN, **fields)
        if state.human == (patch.handler == HUMAN):
            return [described]
        row = self._assigned(state.id, state.head["customer"], patch.handler, patch.by, now)
        return [described, self._announced(state.id[4:6], row, now)]

    async def _changed(self, state: State, patch: SessionPatch, now: int) -> list[Action]:
        """Return the actions that change a session's inbox; none where it is as wanted."""
        woken = await self._woken_by(state, patch, now)
        changed = await self._opened_or_closed(state, patch, now, woken)
        if changed or not woken.change:
            return changed
        seen = {**woken.values, "seen": state.inbox["status"]}
        return [self._inbox(state.id, f"SET {woken.change}", f"#status = :seen{woken.condition}", **seen)]

    async def _opened_or_closed(self, state: State, patch: SessionPatch, now: int, woken: Woken) -> list[Action]:
        """Return the actions that close or reopen a session, and what else changes with it; none where it is so."""
        status, seen = patch.status, state.inbox["status"]
        values = {**woken.values, "seen": seen, "status": status, "now": now}
        if status == CLOSED and seen != CLOSED:
            row = self._event("session.closed", state.id, state.head["customer"], f"evt_{state.id}_closed_{now}", now)
            change, condition = (
                f"SET #status = :status, #closed = :now{woken.more}",
                f"#status = :seen{woken.condition}",
            )
            closed = self._inbox(state.id, change, condition, **values)
            return [closed, self._announced(state.id[4:6], row, now), *self._closed_account(state, now)]
        if status == OPEN and is_over(state.inbox, now):
            await self._refuse_moved(state)
            rest = {} if state.tickets else self._rests(state.id, now)
            more = "".join(f", #{name} = :{name}" for name in rest)
            change = f"SET #status = :status, #expires = :expires{more}{woken.more} REMOVE #closed"
            condition = "#status = :seen AND #tickets = :tickets"
            values |= {"expires": now + self._limits.session_ttl_ms, "tickets": state.tickets, **rest}
            return [self._inbox(state.id, change, condition, **values)]
        return []

    def _closed_account(self, state: State, now: int) -> list[Action]:
        # Something may be said before it closes, which nothing here would see: so it is looked at in any case.
        account = account_of(state)
        after = replace(account, closed=now, messages=account.messages + 1)
        return self._surely_rescheduled(state.id, account.found, next_look(after, self._limits, now))

    async def _refuse_moved(self, state: State) -> None:
        conversation = state.inbox.get("conversation")
        if conversation is None:
            return
        bound = await self._client.get(conversation_key(self.tenant, state.head["customer"], conversation))
        if bound is None or bound["session"] != state.id:
            raise ConversationMoved
