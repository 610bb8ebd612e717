"""The recall index on DynamoDB: pieces among their customer's items, by version."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.errors import StoreUnavailable, UnknownSession
from shared.models import Message
from shared.storage import records
from shared.storage.dynamodb.actions import ABSENT, Action, Item, delete, put, query, update
from shared.storage.dynamodb.base import INBOX, SUMMARY, State, is_gone
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.index_items import MARK, PIECES, IndexItems, mark_in, piece_sk
from shared.storage.dynamodb.scheduling import account_of, next_look
from shared.storage.dynamodb.schema import customer_key, message_sk, session_key
from shared.storage.dynamodb.summaries import DynamoSummaries, standing
from shared.storage.jobs import SummaryClaim
from shared.storage.memory import IndexChanges, IndexPiece
from shared.storage.types import IndexMark

TRIES: Final = 8
PAGE: Final = 20
MOST_PLACES: Final = 200
NOTHING: Final = IndexMark(0, 0)


class DynamoIndexes(DynamoSummaries, IndexItems):
    """Implements `shared.storage.contract.RecallIndex`."""

    async def put_pieces(self, claim: SummaryClaim, pieces: Sequence[IndexPiece], through: int) -> bool:
        """See `RecallIndex.put_pieces`."""
        session_id, customer = claim.ref.session_id, claim.session.customer_id
        for _ in range(TRIES):
            try:
                state = await self._state(session_id, await self._client.now(), summary=True)
            except UnknownSession:
                return False
            kept = state.summary
            if (kept.get("token"), kept.get("nonce")) != (claim.token.number, claim.token.nonce):
                return False
            mark = await self._client.get(customer_key(self.tenant, customer, MARK))
            try:
                await self._client.transact(await self._piece_actions(state, mark, pieces, through))
            except ConditionFailed:
                continue  # another session of the customer was quicker, or an answer was lost
            return True
        raise StoreUnavailable("the customer's index changed each time it was looked at")

    async def _piece_actions(
        self, state: State, mark: Item | None, pieces: Sequence[IndexPiece], through: int
    ) -> list[Action]:
        customer, chunks = state.head["customer"], list(state.summary.get("chunks", ()))
        version = (mark["version"] if mark else 0) + 1
        after = chunks + [0] * max(0, max((piece.number for piece in pieces), default=-1) + 1 - len(chunks))
        for piece in pieces:
            after[piece.number] = version
        condition, seen = standing(state.summary, "token", "nonce", "chunks")
        told = update(
            session_key(self.tenant, state.id, SUMMARY),
            "SET #chunks = :chunks, #indexed = :through REMOVE #carried",
            condition,
            chunks=after,
            through=through,
            **seen,
        )
        if not pieces:
            return [told]
        replaced = [piece.number for piece in pieces if piece.number < len(chunks)]
        old = [(number, chunks[number]) for number in replaced if chunks[number] != version]
        names = [customer_key(self.tenant, customer, piece_sk(version, state.id, piece.number)) for piece in pieces]
        return [
            told,
            self._marked(customer, mark, version),
            self._remembered(customer, state, await self._client.now()),
            *(delete(customer_key(self.tenant, customer, piece_sk(before, state.id, at))) for at, before in old),
            *(put({**name, "value": piece.value}) for name, piece in zip(names, pieces, strict=True)),
        ]

    def _marked(self, customer: str, mark: Item | None, version: int) -> Action:
        key = customer_key(self.tenant, customer, MARK)
        if mark is None:
            return put({**key, "epoch": secrets.randbits(48), "version": version}, ABSENT)
        return update(key, "SET #version = :version", "#version = :seen", version=version, seen=mark["version"])

    async def reindex(self, session_id: str) -> None:
        """See `RecallIndex.reindex`."""
        for _ in range(TRIES):
            now = await self._client.now()
            state = await self._state(session_id, now, summary=True)
            chunks = state.summary.get("chunks", ())
            await self._unindexed(state.head["customer"], session_id, chunks)
            account = replace(account_of(state), indexed=0)
            change, values = self._moved_to(
                session_id, next_look(account, self._limits, now), {"indexed": 0, "chunks": [], "carried": []}
            )
            condition, seen = standing(state.summary, "token", "nonce", "lease", "chunks")
            again = update(session_key(self.tenant, session_id, SUMMARY), change, condition, **values, **seen)
            try:
                await self._client.transact([again, *self._unchanged(state)])
            except ConditionFailed:
                continue
            return
        raise StoreUnavailable("the session changed each time it was looked at")

    async def last_piece(self, session_id: str) -> IndexPiece | None:
        """See `RecallIndex.last_piece`."""
        state = await self._state(session_id, await self._client.now(), summary=True)
        chunks = state.summary.get("chunks", ())
        if not chunks:
            return None
        number = len(chunks) - 1
        key = customer_key(self.tenant, state.head["customer"], piece_sk(chunks[number], session_id, number))
        kept = await self._client.get(key)
        return IndexPiece(session_id, number, kept["value"]) if kept else None

    async def index_changes(self, customer_id: str, since: IndexMark | None) -> IndexChanges:
        """See `RecallIndex.index_changes`."""
        kept = await self._client.get(customer_key(self.tenant, customer_id, MARK))
        if kept is None:
            return IndexChanges(NOTHING, (), anew=True)
        mark = mark_in(kept)
        anew = since is None or since.epoch != mark.epoch or since.version > mark.version
        first = PIECES if anew or since is None else f"{PIECES}{since.version + 1:012d}"
        asked = query(
            None,
            "#pk = :pk AND #sk BETWEEN :first AND :last",
            pk=customer_key(self.tenant, customer_id, "")["pk"],
            first=first,
            last=f"{PIECES}~",
        )
        pieces: list[IndexPiece] = []
        room = self._limits.index_bytes
        async for page in self._client.pages(asked, PAGE, forward=False):
            for item in page:
                if room > 0:
                    _, _, session_id, number = item["sk"].split("/")
                    pieces.append(IndexPiece(session_id, int(number), item["value"]))
                    room -= len(item["value"])
            if room <= 0:
                break
        return IndexChanges(mark, tuple(pieces), anew)

    async def turns(
        self, customer_id: str, places: Sequence[tuple[str, int]], most_tokens: int
    ) -> list[tuple[str, Message]]:
        """See `RecallIndex.turns`."""
        looked = places[:MOST_PLACES]
        sessions = list(dict.fromkeys(session_id for session_id, _ in looked))
        inboxes, items = await asyncio.gather(
            self._client.get_many([session_key(self.tenant, session_id, INBOX) for session_id in sessions]),
            self._client.get_many([session_key(self.tenant, session, message_sk(seq)) for session, seq in looked]),
        )
        now = await self._client.now()
        theirs = {
            session_id
            for session_id, inbox in zip(sessions, inboxes, strict=True)
            if inbox is not None and inbox["customer"] == customer_id and not is_gone(inbox, now)
        }
        found: list[tuple[str, Message]] = []
        for (session_id, seq), item in zip(looked, items, strict=True):
            if session_id not in theirs or item is None or item["tokens"] > most_tokens:
                continue
            most_tokens -= item["tokens"]
            if most_tokens < 0:
                break
            found += [(session_id, message) for message in records.readable(records.message_of(seq), [item["text"]])]
        return found
