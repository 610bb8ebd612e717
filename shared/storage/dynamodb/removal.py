"""Removing a session on DynamoDB, in steps that can be taken again.

One transaction ends it for everybody: whatever is in flight finds no session to commit to. What it held is then removed
page by page; when that is cut off, a sweep goes on with it. The same sweep removes what is past its retention.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from shared.errors import StoreUnavailable, UnknownSession
from shared.ids import bucket_in
from shared.models import Failure
from shared.storage import records
from shared.storage.dynamodb.actions import ABSENT, Action, Item, check, delete, put, query, update
from shared.storage.dynamodb.base import DELETED, HEAD, INBOX, LEASE, SUMMARY, is_gone
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.entries import DynamoEntries
from shared.storage.dynamodb.inbox import RECORDED
from shared.storage.dynamodb.index_items import IndexItems
from shared.storage.dynamodb.reading import FIRST_MESSAGE
from shared.storage.dynamodb.schema import (
    DELIVERY,
    ERASING,
    FROM,
    conversation_key,
    customer_key,
    digest_place_sk,
    feed_of,
    listed_key,
    request_key,
    session_key,
    shard_of,
)
from shared.storage.dynamodb.sessions import DynamoSessions
from shared.storage.dynamodb.summaries import standing
from shared.storage.types import hook_of

AT_ONCE: Final = 500  # messages that one step removes; the sweep removes the others
PAGE: Final = 50
EXPIRED: Final = "expired"  # who ended a session past its retention; what was extracted from it stays
TRIES: Final = 8
GONE: Final = Failure(type="session-deleted", detail="The session was deleted before this request was answered.")


class DynamoRemoval(DynamoSessions, IndexItems, DynamoEntries):
    """Implements `shared.storage.contract.Sessions.delete_session`, and removal where retention ends."""

    async def delete_session(self, session_id: str) -> None:
        """See `Sessions.delete_session`."""
        if bucket_in(session_id, "ses") is None:
            raise UnknownSession
        op = secrets.token_hex(8)
        for _ in range(TRIES):
            now = await self._client.now()
            inbox = await self._client.get(session_key(self.tenant, session_id, INBOX))
            if inbox is not None and inbox.get("op") == op:  # done, by a try whose answer was lost
                break
            if inbox is None or is_gone(inbox, now):
                raise UnknownSession
            await self._keep_customer(inbox["customer"], now)
            if await self._end(session_id, inbox, now, op, await self._undigested(session_id, inbox)):
                break
        else:
            raise StoreUnavailable("the session changed each time it was looked at")
        await self.remove(session_id, AT_ONCE)

    async def expire(self, session_id: str) -> bool:
        """Remove a session that is past its retention, or half deleted, as `remove` does; leave others alone."""
        now = await self._client.now()
        inbox = await self._client.get(session_key(self.tenant, session_id, INBOX))
        if inbox is None or not is_gone(inbox, now):
            return False
        if inbox["status"] == DELETED or await self._end(session_id, inbox, now, EXPIRED):
            return await self.remove(session_id, AT_ONCE)
        return False

    async def remove(self, session_id: str, most: int, *, nameless: bool = False) -> bool:
        """Remove what an ended session held, at most about so many messages; return whether there may be more.

        `nameless`: its customer is erased, and nobody is told whose it was.
        """
        inbox = await self._client.get(session_key(self.tenant, session_id, INBOX))
        if inbox is None:
            return False
        open_requests = [ticket for ticket in inbox["tickets"] if not ticket.startswith(RECORDED)]
        await self._fail_all(open_requests, "" if nameless else inbox["customer"], session_id)
        if "op" in inbox and inbox["op"] != EXPIRED and not nameless:
            await self._take_back(inbox["customer"], session_id)
        pk = session_key(self.tenant, session_id, HEAD)["pk"]
        messages = query(None, "#pk = :pk AND #sk BETWEEN :first AND :last", pk=pk, first=FIRST_MESSAGE, last="m/~")
        removed = 0
        async for page in self._client.pages(messages, PAGE):
            finished = {item["request"] for item in page if "request" in item} - set(open_requests)
            await self._remove_requests(sorted(finished), session_id)
            await self._client.delete_many(page)
            removed += len(page)
            if removed >= most:
                return True
        beside = query(None, "#pk = :pk AND #sk < :first", pk=pk, first=FIRST_MESSAGE)
        async for page in self._client.pages(beside, PAGE):
            await self._client.delete_many(page)
        summary = query(None, "#pk = :pk AND begins_with(#sk, :summary)", pk=pk, summary=SUMMARY)
        await self._client.delete_many(await self._client.all(summary))
        # The inbox last: by it a sweep finds what is half removed, and by what goes with it an erasure.
        await self._client.delete_many([{"pk": pk, "sk": part} for part in (HEAD, LEASE)])
        listed = listed_key(self.tenant, inbox["customer"], session_id)
        await self._client.transact([delete({"pk": pk, "sk": INBOX}), delete(listed)])
        return False

    async def _end(self, session_id: str, inbox: Item, now: int, op: str, with_it: Sequence[Action] = ()) -> bool:
        """End a session for everybody, and what else ends `with_it`; return False when it changed since it was read."""
        condition = "#status = :seen AND #tickets = :tickets AND #expires = :expires"
        actions: list[Action] = [
            self._inbox(
                session_id,
                "SET #status = :deleted, #op = :op, #due_pk = :due_pk, #due_at = :due_at REMOVE #wake",
                condition,
                seen=inbox["status"],
                tickets=inbox["tickets"],
                expires=inbox["expires"],
                deleted=DELETED,
                op=op,
                due_pk=f"retain/{shard_of(session_id[4:6])}",
                due_at=now + self._limits.grace_ms,
            ),
            update(
                session_key(self.tenant, session_id, LEASE),
                "SET #nonce = :nobody, #lease = :none REMOVE #running ADD #token :one",
                nobody="",
                none=0,
                one=1,
            ),
            await self._unlisted(session_id, inbox["customer"]),
            *with_it,
        ]
        actions += await self._unbound(session_id, inbox)
        try:
            await self._client.transact(actions)
        except ConditionFailed:
            return False
        return True

    async def _unlisted(self, session_id: str, customer: str) -> Action:
        """Remove a session's pieces of the recall index; return the action that forgets them, if they are all."""
        key = session_key(self.tenant, session_id, SUMMARY)
        kept = await self._client.get(key)
        if kept is None:
            return delete(key, ABSENT)
        await self._unindexed(customer, session_id, kept.get("chunks", ()))
        condition, seen = standing(kept, "chunks")
        return delete(key, condition, **seen)

    async def _keep_customer(self, customer: str, now: int) -> None:
        """Keep a customer's entries for as long as after any other activity; their session told of it, and ends."""
        retention = self._limits.memory_retention_ms
        if retention:
            counter = customer_key(self.tenant, customer, "memory")
            kept = update(counter, "SET #due_at = :end", "#due_at < :end", end=now + retention)
            with suppress(ConditionFailed):  # there is no entry
                await self._client.write(kept)

    async def _undigested(self, session_id: str, inbox: Item) -> list[Action]:
        """Return the actions that remove a session's digest; where there is none, there must be none then either."""
        place = customer_key(self.tenant, inbox["customer"], digest_place_sk(session_id))
        kept = await self._client.get(place)
        if kept is None:
            return [check(place, "attribute_not_exists(#pk)")]
        digest = customer_key(self.tenant, inbox["customer"], kept["place"])
        return [delete(place, "#place = :place", place=kept["place"]), delete(digest)]

    async def _unbound(self, session_id: str, inbox: Item) -> list[Action]:
        if "conversation" not in inbox:
            return []
        key = conversation_key(self.tenant, inbox["customer"], inbox["conversation"])
        binding = await self._client.get(key)
        if binding is None or binding["session"] != session_id:
            return []
        return [delete(key, "#session = :session", session=session_id)]

    async def _fail_all(self, open_requests: Sequence[str], customer: str, session_id: str) -> None:
        """Fail a session's open requests as deleted; what a hook posts of them keeps their order."""
        if not open_requests:
            return
        head = await self._client.get(session_key(self.tenant, session_id, HEAD))
        hooked = (head or {}).get("hooked")
        for ticket in open_requests:
            record = await self._client.get(request_key(self.tenant, ticket))
            if record is not None:
                await self._fail(record, ticket, customer, session_id, hooked)
                hooked = ticket if hook_of(record.get("callback")) else hooked

    async def _fail(self, record: Item, request_id: str, customer: str, session_id: str, hooked: str | None) -> None:
        """Fail an open request as deleted, and say so; of what was asked, and by whom, nothing is left."""
        now = await self._client.now()
        key = request_key(self.tenant, request_id)
        event = f"evt_{request_id}"
        row = self._event("chat.reply.failed", session_id, customer, event, now, request_id)
        # Whoever was promised a callback hears that it failed, though nobody may know any more whose it was.
        row |= records.known({"metadata": record.get("metadata") if customer else None})
        row |= records.known({"callback": record.get("callback")})
        row |= {"after": hooked} if hooked and hook_of(record.get("callback")) else {}
        ends = now + self._limits.request_retention_ms
        failed = update(
            key,
            "SET #status = :failed, #message = :empty, #customer = :empty, #metadata = :nothing, #failure = :failure, "
            "#finished = :now, #ends = :ends, #ttl = :ttl, #due_pk = :due_pk, #due_at = :now "
            "REMOVE #receipt, #parked, #attachments, #cause",
            "#status IN (:queued, :running)",
            failed="failed",
            empty="",
            nothing="{}",
            failure=GONE.model_dump_json(),
            now=now,
            ends=ends,
            ttl=ends // 1000,
            due_pk=feed_of(request_id),
            queued="queued",
            running="running",
        )
        with suppress(ConditionFailed):  # an earlier removal, cut off, came this far
            await self._client.transact([failed, self._announced(session_id[4:6], row, now)])
        kept = {key["sk"], DELIVERY}
        await self._client.delete_many(item for item in await self._parts(request_id) if item["sk"] not in kept)

    async def _remove_requests(self, request_ids: Sequence[str], session_id: str) -> None:
        """Remove finished requests; of one that an idempotency key leads to, keep that it was accepted."""
        for request_id in request_ids:
            parts = await self._parts(request_id)
            for record in parts:
                if record["sk"] == "request" and record.get("keyed"):
                    kept: dict[str, Any] = {name: record.get(name) for name in ("pk", "sk", "keyed", "ends", "ttl")}
                    await self._client.write(put({**kept, "session": session_id, "deleted": True}))
                    parts.remove(record)
                    break
            await self._client.delete_many(parts)

    async def _parts(self, request_id: str) -> list[Item]:
        return await self._client.all(query(None, "#pk = :pk", pk=request_key(self.tenant, request_id)["pk"]))


class Sweep(DynamoRemoval):
    """Removes what a tenant no longer keeps, by the due index."""

    async def forget_customer(self, customer_id: str, item: Item, later: int) -> None:
        """Remove a customer's entries when no session of theirs is left; else look again `later`."""
        key = {"pk": item["pk"], "sk": item["sk"]}
        asked = query("customer", "#customer_pk = :customer", customer=f"{self.tenant}/{customer_id}")
        sessions = await self._client.first(asked, 1)
        try:
            # Whether or not they go now: an entry written meanwhile has set another time, and the sweep passes by.
            postponed = update(key, "SET #due_at = :later", "#due_at = :seen", later=later, seen=item["due_at"])
            await self._client.write(postponed)
            if not sessions:
                found = await self._client.all(query(None, "#pk = :pk", pk=item["pk"]))
                merged = [other["customer"] for other in found if other["sk"].startswith(FROM)]
                await self._client.delete_many(customer_key(self.tenant, name, ERASING) for name in merged)
                await self._client.delete_many(other for other in found if other["sk"] != item["sk"])
                await self._client.write(delete(key, "#due_at = :later", later=later))
        except ConditionFailed:
            return
