"""Letting a session be another customer's: one transaction, and pieces of the recall index after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, islice
from typing import Any, Final

from shared.errors import (
    CustomerErasing,
    StoreUnavailable,
    UnknownSession,
)
from shared.storage.dynamodb.actions import ABSENT, EXISTS, Action, check, delete, put, query, update
from shared.storage.dynamodb.base import DELETED, HEAD, INBOX, SUMMARY, State, is_gone, is_over
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.erasure import DynamoErasure
from shared.storage.dynamodb.index_items import MARK, PIECES, piece_sk
from shared.storage.dynamodb.indexes import DynamoIndexes
from shared.storage.dynamodb.removal import AT_ONCE as REMOVED_AT_ONCE
from shared.storage.dynamodb.removal import EXPIRED
from shared.storage.dynamodb.scheduling import account_of, next_look
from shared.storage.dynamodb.schema import (
    ERASING,
    FROM,
    conversation_key,
    customer_key,
    digest,
    digest_place_sk,
    listed_key,
    session_key,
)
from shared.storage.dynamodb.summaries import standing

TRIES: Final = 20
# What of a session's pieces one transaction takes, of 100 items and 4 MB.
MOST_PIECES: Final = 50
PIECE_BYTES: Final = 2_000_000
MOVING, DONE = "moving", "done"


class DynamoMovingSessions(DynamoErasure, DynamoIndexes):
    """What merging does with a session."""

    async def _move(self, session_id: str, source: str, into: str) -> None:
        """Let a session be another customer's; what changes meanwhile is read again."""
        for _ in range(TRIES):
            now = await self._client.now()
            try:
                state = await self._state(session_id, now, summary=True)
            except UnknownSession:
                await self._clear(session_id, source, now)
                return
            if state.inbox["customer"] != source:
                return
            try:
                await self._client.transact(await self._moved(state, source, into, now))
            except ConditionFailed as failed:
                self._refuse_ended(failed)
                continue
            return
        raise StoreUnavailable("the session changed each time it was looked at")

    async def _clear(self, session_id: str, source: str, now: int) -> None:
        """Remove what is left of a session that has ended."""
        inbox = await self._client.get(session_key(self.tenant, session_id, INBOX))
        if inbox is None:
            await self._client.write(delete(listed_key(self.tenant, source, session_id)))
        elif inbox["status"] == DELETED:
            while await self.remove(session_id, REMOVED_AT_ONCE):
                pass
        else:
            await self._end(session_id, inbox, now, EXPIRED)

    async def _moved(self, state: State, source: str, into: str, now: int) -> list[Action]:
        """Return the actions by which a session is another customer's. A job under way on it has to begin anew."""
        inbox = self._inbox(
            state.id,
            "SET #customer = :into REMOVE #copied",
            "#status = :seen AND #tickets = :tickets AND #expires = :expires AND #customer = :source",
            seen=state.inbox["status"],
            tickets=state.tickets,
            expires=state.inbox["expires"],
            source=source,
            into=into,
        )
        head = update(
            session_key(self.tenant, state.id, HEAD),
            "SET #customer = :into, #customer_pk = :listed",
            EXISTS,
            into=into,
            listed=f"{self.tenant}/{into}",
        )
        return [
            inbox,
            head,
            check(self._mark_key(source), "#into = :into AND #state = :moving", into=into, moving=MOVING),
            self._not_erasing(into),
            delete(listed_key(self.tenant, source, state.id)),
            put(listed_key(self.tenant, into, state.id)),
            *self._job_ended(state, now),
            *await self._rebound(state, source, into, now),
            *await self._redigested(state, source, into, now),
        ]

    def _job_ended(self, state: State, now: int) -> list[Action]:
        """Return the action after which a job that knew the session's customer before stores nothing."""
        kept = state.summary
        if not kept:
            return []
        chunks = kept.get("chunks", [])
        changed: dict[str, Any] = {
            "nonce": "",
            "lease": 0,
            "token": kept.get("token", 0) + 1,
            "chunks": [],
            "indexed": 0,
        }
        changed["carried"] = [len(chunks), kept.get("indexed", 0)] if chunks else []
        account = replace(account_of(state), lease=0, indexed=0)
        change, values = self._moved_to(state.id, next_look(account, self._limits, now), changed)
        condition, seen = standing(kept, "token", "nonce", "lease", "asked", "chunks")
        return [update(session_key(self.tenant, state.id, SUMMARY), change, condition, **values, **seen)]

    async def _rebound(self, state: State, source: str, into: str, now: int) -> list[Action]:
        """Return the actions that let a conversation lead to the session; one that goes on there stays where it is."""
        conversation = state.inbox.get("conversation")
        if conversation is None:
            return []
        keys = [conversation_key(self.tenant, each, conversation) for each in (source, into)]
        bound, other = await self._client.get_many(keys)
        if bound is None or bound["session"] != state.id:
            return []
        gone = delete(keys[0], "#session = :session", session=state.id)
        binding = {**keys[1], "conversation": conversation, "session": state.id}
        if other is None:
            return [gone, put(binding, ABSENT)]
        inbox = await self._client.get(session_key(self.tenant, other["session"], INBOX))
        if inbox is not None and not is_gone(inbox, now) and not is_over(inbox, now):
            return [gone]
        return [gone, put(binding, "#session = :other", other=other["session"])]

    async def _redigested(self, state: State, source: str, into: str, now: int) -> list[Action]:
        place = customer_key(self.tenant, source, digest_place_sk(state.id))
        kept = await self._client.get(place)
        if kept is None:
            return [check(place, ABSENT)]
        old = customer_key(self.tenant, source, kept["place"])
        digest_ = await self._client.get(old)
        if digest_ is None:
            return [delete(place, "#place = :place", place=kept["place"])]
        return [
            delete(place, "#place = :place", place=kept["place"]),
            delete(old),
            put({**customer_key(self.tenant, into, digest_place_sk(state.id)), "place": kept["place"]}),
            put({**digest_, **customer_key(self.tenant, into, kept["place"])}),
            self._remembered(into, state, now),
        ]

    async def _move_pieces(self, source: str, into: str) -> None:
        """Let pieces of the recall index follow their sessions. One that was indexed anew meanwhile has its own."""
        pk = customer_key(self.tenant, source, "")["pk"]
        found = await self._client.all(query(None, "#pk = :pk AND begins_with(#sk, :pieces)", pk=pk, pieces=PIECES))
        of: dict[str, dict[int, bytes]] = {}
        for item in found:
            _, _, session_id, number = item["sk"].split("/")
            of.setdefault(session_id, {})[int(number)] = item["value"]
        for session_id, pieces in of.items():
            for _ in range(TRIES + len(pieces)):
                if not await self._place_pieces(session_id, pieces, source, into):
                    break
        await self._client.delete_many(found)

    async def _place_pieces(self, session_id: str, pieces: dict[int, bytes], source: str, into: str) -> bool:
        """Place as many of a session's pieces as go at once; return whether there may be more.

        Each transaction tells of the pieces it places: whoever removes the session, or its customer, finds them all.
        """
        try:
            state = await self._state(session_id, await self._client.now(), summary=True)
        except UnknownSession:
            return False
        count, through = state.summary.get("carried") or (0, 0)
        if state.inbox["customer"] != into or not count or sorted(pieces) != list(range(count)):
            return False
        chunks = list(state.summary.get("chunks", ()))
        fit = _fitting([pieces[number] for number in range(len(chunks), count)])
        mark = await self._client.get(customer_key(self.tenant, into, MARK))
        version = (mark["version"] if mark else 0) + 1
        after = chunks + [version] * fit
        whole = len(after) == count
        condition, seen = standing(state.summary, "token", "nonce", "chunks", "carried")
        told = update(
            session_key(self.tenant, session_id, SUMMARY),
            "SET #chunks = :chunks, #indexed = :through REMOVE #carried" if whole else "SET #chunks = :chunks",
            condition,
            chunks=after,
            through=through,
            **seen,
        )
        placed = [
            {
                **customer_key(self.tenant, into, piece_sk(version, session_id, number)),
                "value": pieces[number],
            }
            for number in range(len(chunks), len(after))
        ]
        try:
            await self._client.transact(
                [
                    told,
                    check(self._mark_key(source), "#into = :into AND #state = :moving", into=into, moving=MOVING),
                    self._not_erasing(into),
                    self._marked(into, mark, version),
                    self._remembered(into, state, await self._client.now()),
                    *map(put, placed),
                ]
            )
        except ConditionFailed as failed:
            self._refuse_ended(failed)
            return True
        return not whole

    def _refuse_ended(self, failed: ConditionFailed) -> None:
        """Raise CustomerErasing where a merge cannot go on because one of the two is being erased."""
        for item in failed.items:
            if item is not None and item["sk"] == ERASING and "into" not in item:
                raise CustomerErasing

    def _mark_key(self, customer_id: str) -> dict[str, str]:
        return customer_key(self.tenant, customer_id, ERASING)

    def _came_key(self, customer_id: str, source: str) -> dict[str, str]:
        return customer_key(self.tenant, customer_id, f"{FROM}{digest(source)}")


def _fitting(values: Sequence[bytes]) -> int:
    """Return how many pieces one transaction takes: one at least, which a session's own job has written."""
    sizes = accumulate(map(len, values))
    return max(1, sum(1 for size in islice(sizes, MOST_PIECES) if size <= PIECE_BYTES))
