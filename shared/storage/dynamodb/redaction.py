"""Taking the text out of a message on DynamoDB, and with it what was made of it: one transaction, then what is left."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from shared.errors import StoreUnavailable, UnknownMessage
from shared.models import Message
from shared.storage import records
from shared.storage.dynamodb import bodies
from shared.storage.dynamodb.actions import Action, Item, delete, put, query, update
from shared.storage.dynamodb.base import HEAD, SUMMARY, State
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.entries import DynamoEntries
from shared.storage.dynamodb.indexes import DynamoIndexes
from shared.storage.dynamodb.scheduling import ACCOUNTED, account_of, next_look
from shared.storage.dynamodb.schema import customer_key, digest_place_sk, message_sk, request_key, session_key
from shared.storage.dynamodb.summaries import standing
from shared.storage.dynamodb.summary_items import CURRENT, EARLIER

TRIES: Final = 8


class DynamoRedaction(DynamoIndexes, DynamoEntries):
    """Implements `shared.storage.contract.Sessions.redact`."""

    async def redact(self, session_id: str, seq: int) -> Message:
        """See `Sessions.redact`."""
        for _ in range(TRIES):
            now = await self._client.now()
            state = await self._state(session_id, now, summary=True)
            items = await self._texts(session_id, message_sk(seq))
            if not items:
                raise UnknownMessage
            message = records.message(seq, bodies.joined(items[0]["text"], items[0]["sk"], items[1:]))
            if not message.redacted:
                await self._unindexed(state.head["customer"], session_id, state.summary.get("chunks", ()))
                with suppress(ConditionFailed):
                    await self._client.transact(await self._redacted(state, message, items, now))
                continue  # and look whether it is
            await self._drop_derived(session_id, message)
            await self._take_back(state.head["customer"], session_id, seq)
            return message
        raise StoreUnavailable("the session changed each time it was looked at")

    async def _redacted(self, state: State, message: Message, items: list[Item], now: int) -> list[Action]:
        left = message.without_text()
        changed = {**items[0], "text": records.message_text(left), "tokens": 0}
        head = update(
            session_key(self.tenant, state.id, HEAD),
            "SET #tokens = #tokens - :less REMOVE #pin, #pin_summary",
            less=int(items[0]["tokens"]),
        )
        digest = await self._digest_actions(state)
        return [
            put(changed, "#text = :seen", seen=items[0]["text"]),
            *(delete({"pk": item["pk"], "sk": item["sk"]}) for item in items[1:]),
            head,
            *await self._request_actions(message),
            self._job_action(state, message.seq, now, less=int(items[0]["tokens"]), digested=bool(digest)),
            *digest,
        ]

    def _job_action(self, state: State, seq: int, now: int, *, less: int, digested: bool) -> Action:
        """Return the action that ends whatever job is under way, and lets what was made of the message be due again."""
        kept = state.summary
        changed: dict[str, Any] = {"nonce": "", "lease": 0, "indexed": 0, "chunks": [], "carried": []}
        changed |= {"token": kept.get("token", 0) + 1, "version": kept.get("version", 0) + 1}
        covered = kept.get("pieces", 0) > 0 and seq <= kept["through"]
        if covered:
            changed |= {"covered": 0, "seen": 0, "pieces": 0}
        if digested:
            changed["done"] = 0
        known = {name: changed[name] for name in ACCOUNTED if name in changed}
        account = account_of(state)
        account = replace(account, tokens=account.tokens - less, **known)
        change, values = self._moved_to(state.id, next_look(account, self._limits, now), changed)
        condition, seen = standing(kept, "token", "nonce", "lease", "asked", "chunks")
        return update(session_key(self.tenant, state.id, SUMMARY), change, condition, **values, **seen)

    async def _digest_actions(self, state: State) -> list[Action]:
        place = customer_key(self.tenant, state.head["customer"], digest_place_sk(state.id))
        kept = await self._client.get(place)
        if kept is None:
            return []
        digest = customer_key(self.tenant, state.head["customer"], kept["place"])
        return [delete(place, "#place = :place", place=kept["place"]), delete(digest)]

    async def _request_actions(self, message: Message) -> list[Action]:
        """Return the action that takes the text out of the request's record too."""
        if message.request_id is None:
            return []
        key = request_key(self.tenant, message.request_id)
        record = await self._request(message.request_id)
        if record is None:
            return []
        if message.role == "user":
            return [update(key, "SET #message = :none REMOVE #attachments", "attribute_exists(#pk)", none="")]
        if "result" not in record:
            return []
        told = json.loads(record["result"]) | {"reply": ""}
        return [update(key, "SET #result = :told", "attribute_exists(#pk)", told=records.dump(told))]

    async def _drop_derived(self, session_id: str, message: Message) -> None:
        """Remove what lies beside: summaries that may tell of it, and pieces of its request's long texts."""
        state = await self._state(session_id, await self._client.now(), summary=True)
        if not state.summary.get("pieces"):
            stale = [*await self._texts(session_id, CURRENT), *await self._texts(session_id, EARLIER)]
            await self._client.delete_many(stale)
        if message.request_id is not None:
            pk = request_key(self.tenant, message.request_id)["pk"]
            held = bodies.OF_REQUEST["message" if message.role == "user" else "result"]
            for beginning in (f"{held}/", "delta/"):
                asked = query(None, "#pk = :pk AND begins_with(#sk, :beginning)", pk=pk, beginning=beginning)
                await self._client.delete_many(await self._client.all(asked))
