"""Sessions, their messages and their requests on Redis."""

from __future__ import annotations

from contextlib import suppress

from shared.clock import to_ms
from shared.errors import (
    ConversationMoved,
    CustomerErasing,
    CustomerMerged,
    UnknownMessage,
    UnknownRequest,
    UnknownSession,
)
from shared.ids import bucket_in, bucket_of
from shared.models import ChatRequest, Failure, Message, Session
from shared.storage import records
from shared.storage.cursors import read_session_cursor, session_cursor
from shared.storage.keys import once_key
from shared.storage.redis import codec
from shared.storage.redis.turns import DAY_MS, RedisScripts
from shared.storage.types import NewSession, Page, SessionPatch

DELETED = Failure(type="session-deleted", detail="The session was deleted before this request was answered.")


class RedisSessions(RedisScripts):
    """Implements `shared.storage.contract.Sessions`."""

    async def create_session(self, session_id: str, new: NewSession) -> Session:
        """See `Sessions.create_session`."""
        bucket = bucket_in(session_id, "ses")
        if bucket is None:
            raise UnknownSession
        answer = await self._run_customer(
            "create_session",
            bucket,
            session=session_id,
            **codec.customer(new.customer_id),
            conversation=new.conversation_id,
            head=codec.flat(records.head_fields(new)),
        )
        if answer[0] == "erasing":
            raise CustomerErasing
        return records.session(session_id, codec.pairs(answer[2]), int(answer[3]), int(answer[1]))

    async def session(self, session_id: str) -> Session:
        """See `Sessions.session`."""
        answer = await self._run_session("read_session", session_id)
        return records.session(session_id, codec.pairs(answer[2]), int(answer[3]), int(answer[1]))

    async def bound_session(self, customer_id: str, conversation_id: str) -> Session | None:
        """See `Sessions.bound_session`."""
        answer = await self._at(customer_id, "bound_session", conversation=conversation_id)
        if answer[0] == "merged":
            raise CustomerMerged(answer[1])
        if answer[0] == "coming":
            with suppress(UnknownSession):  # it was deleted on its way
                return await self.session(str(answer[1]))
        if answer[0] != "session":
            return None
        return records.session(str(answer[4]), codec.pairs(answer[2]), int(answer[3]), int(answer[1]))

    async def sessions(self, customer_id: str, limit: int, cursor: str | None) -> Page[Session]:
        """See `Sessions.sessions`."""
        before_time, before_id = read_session_cursor(cursor) if cursor else (None, None)
        answer = await self._run_customer(
            "list_sessions",
            bucket_of(self.tenant, customer_id),
            **codec.customer(customer_id),
            limit=limit,
            before_time=before_time,
            before_id=before_id,
        )
        found = [
            records.session(identifier, codec.pairs(head), int(tickets), int(answer[1]))
            for identifier, head, tickets in answer[2]
        ]
        items = tuple(found[:limit])
        more = len(found) > limit
        return Page(items, session_cursor(items[-1]) if more else None)

    async def messages(self, session_id: str, limit: int, after: int) -> Page[Message]:
        """See `Sessions.messages`."""
        answer = await self._run_session("list_messages", session_id, limit=limit, after=after)
        items = tuple(codec.message(raw) for raw in answer[1])
        return Page(items, str(answer[2]) if answer[3] else None)

    async def record(self, session_id: str, message: Message, *, backdated: bool, once: str | None = None) -> Message:
        """See `Sessions.record`."""
        named = {"op": once_key(self.tenant, session_id, once), "once_ms": DAY_MS} if once is not None else {}
        answer = await self._run_session(
            "record",
            session_id,
            **named,
            message=message.id,
            raw=codec.message_raw(message),
            at=to_ms(message.at) if backdated else None,
        )
        return message.model_copy(update={"seq": int(answer[1])})

    async def redact(self, session_id: str, seq: int) -> Message:
        """See `Sessions.redact`."""
        answer = await self._run_session("redact", session_id, seq=seq)
        if answer[0] == "no message":
            raise UnknownMessage
        return codec.message(answer[1])

    async def update_session(self, session_id: str, patch: SessionPatch) -> Session:
        """See `Sessions.update_session`."""
        await self._mark(session_id)
        tags = records.dump(list(patch.tags)) if patch.tags is not None else None
        answer = await self._run_session(
            "update_session",
            session_id,
            status=patch.status,
            handler=patch.handler,
            by=patch.by,
            fields=codec.flat({"title": patch.title, "tags": tags, "handler": patch.handler}),
        )
        if answer[0] == "moved":
            raise ConversationMoved
        return records.session(session_id, codec.pairs(answer[2]), int(answer[3]), int(answer[1]))

    async def delete_session(self, session_id: str) -> None:
        """See `Sessions.delete_session`."""
        await self._mark(session_id)
        await self._run_session("delete_session", session_id, failure=DELETED.model_dump_json())
        await self._forget_point(session_id)

    async def _mark(self, session_id: str) -> None:
        # Both may leave a row in the outbox of a bucket that nobody looks at any more.
        bucket = bucket_in(session_id, "ses")
        if bucket is not None:
            await self._marks.mark(bucket)

    async def request(self, request_id: str) -> ChatRequest:
        """See `Sessions.request`."""
        bucket = bucket_in(request_id, "req")
        if bucket is None:
            raise UnknownRequest
        _, answer = await self._run_where("read_request", request_id, bucket, request=request_id)
        if answer[0] == "unknown":
            raise UnknownRequest
        return records.request(request_id, codec.pairs(answer[1]))
