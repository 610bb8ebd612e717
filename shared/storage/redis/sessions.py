"""Sessions, their messages and their requests on Redis."""

from __future__ import annotations

import base64
import binascii

from shared.clock import LAST_MS, to_ms
from shared.errors import ConversationMoved, Refusal, UnknownRequest
from shared.ids import bucket_in, bucket_of
from shared.models import ChatRequest, Failure, Message, Session
from shared.storage.redis import codec
from shared.storage.redis.turns import RedisScripts
from shared.storage.types import NewSession, Page, SessionPatch

DELETED = Failure(type="session-deleted", detail="The session was deleted before this request was answered.")


class BadCursor(Refusal):
    """The cursor is not one this service gave. Begin again without it."""


class RedisSessions(RedisScripts):
    """Implements `shared.storage.contract.Sessions`."""

    async def create_session(self, session_id: str, new: NewSession) -> Session:
        """See `Sessions.create_session`."""
        answer = await self._run_session(
            "create_session",
            session_id,
            **codec.customer(new.customer_id),
            conversation=new.conversation_id,
            head=codec.head_fields(new),
        )
        return codec.session(session_id, codec.pairs(answer[2]), int(answer[3]), int(answer[1]))

    async def session(self, session_id: str) -> Session:
        """See `Sessions.session`."""
        answer = await self._run_session("read_session", session_id)
        return codec.session(session_id, codec.pairs(answer[2]), int(answer[3]), int(answer[1]))

    async def sessions(self, customer_id: str, limit: int, cursor: str | None) -> Page[Session]:
        """See `Sessions.sessions`."""
        before_time, before_id = _read_cursor(cursor) if cursor else (None, None)
        answer = await self._run(
            "list_sessions",
            bucket_of(self.tenant, customer_id),
            **codec.customer(customer_id),
            limit=limit,
            before_time=before_time,
            before_id=before_id,
        )
        found = [
            codec.session(identifier, codec.pairs(head), int(tickets), int(answer[1]))
            for identifier, head, tickets in answer[2]
        ]
        items = tuple(found[:limit])
        more = len(found) > limit
        return Page(items, _cursor(items[-1]) if more else None)

    async def messages(self, session_id: str, limit: int, after: int) -> Page[Message]:
        """See `Sessions.messages`."""
        answer = await self._run_session("list_messages", session_id, limit=limit, after=after)
        items = tuple(codec.message(raw) for raw in answer[1])
        return Page(items, str(answer[2]) if answer[3] else None)

    async def record(self, session_id: str, message: Message, *, backdated: bool) -> Message:
        """See `Sessions.record`."""
        answer = await self._run_session(
            "record",
            session_id,
            message=message.id,
            raw=codec.message_raw(message),
            at=to_ms(message.at) if backdated else None,
        )
        return message.model_copy(update={"seq": int(answer[1])})

    async def update_session(self, session_id: str, patch: SessionPatch) -> Session:
        """See `Sessions.update_session`."""
        await self._mark(session_id)
        tags = codec.dump(list(patch.tags)) if patch.tags is not None else None
        answer = await self._run_session(
            "update_session",
            session_id,
            status=patch.status,
            fields=codec.flat({"title": patch.title, "tags": tags}),
        )
        if answer[0] == "moved":
            raise ConversationMoved
        return codec.session(session_id, codec.pairs(answer[2]), int(answer[3]), int(answer[1]))

    async def delete_session(self, session_id: str) -> None:
        """See `Sessions.delete_session`."""
        await self._mark(session_id)
        await self._run_session("delete_session", session_id, failure=DELETED.model_dump_json())

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
        answer = await self._run("read_request", bucket, request=request_id)
        if answer[0] == "unknown":
            raise UnknownRequest
        return codec.request(request_id, codec.pairs(answer[1]))


def _cursor(last: Session) -> str:
    text = f"{to_ms(last.created_at)} {last.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[int, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        time, identifier = text.split(" ")
        milliseconds = int(time)
    except (binascii.Error, ValueError) as error:
        raise BadCursor from error
    if not 0 <= milliseconds < LAST_MS:
        raise BadCursor
    return milliseconds, identifier
