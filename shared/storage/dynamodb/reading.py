"""Reading what a turn needs on DynamoDB: a session with its newest messages in one query, strongly consistent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from shared.clock import from_ms
from shared.models import MemoryEntry, Message
from shared.storage import records
from shared.storage.dynamodb import bodies
from shared.storage.dynamodb.actions import Item, query
from shared.storage.dynamodb.base import HEAD, INBOX, LEASE, SUMMARY, DynamoParts, State
from shared.storage.dynamodb.index_items import MARK, mark_in
from shared.storage.dynamodb.schema import customer_key, request_key, session_key
from shared.storage.dynamodb.summary_items import CURRENT, earlier_sk, summaries_in
from shared.storage.types import IndexMark, KeptDigest, KeptSummary

# Sorts before a session's messages, and after what else lies beside it. The heads sort after the messages.
FIRST_MESSAGE: Final = "m/"
# The state of its summary and that summary among them, where it is no longer than an item.
HEADS: Final = 5


@dataclass(slots=True)
class Reading:
    """A session as it comes, from its end: its summary, the heads, then messages, newest first."""

    most_messages: int
    most_tokens: int
    heads: dict[str, Item] = field(default_factory=dict)
    kept: list[tuple[int, str]] = field(default_factory=list)
    tokens: int = 0
    _summary: list[Item] = field(default_factory=list)
    _rest: list[Item] = field(default_factory=list)

    @property
    def enough(self) -> bool:
        """Whether the turn needs no older message."""
        return len(self.kept) >= self.most_messages or self.tokens >= self.most_tokens

    def take(self, item: Item) -> None:
        """Take the next item on the way back."""
        name = item["sk"]
        if name.startswith(CURRENT):
            self._summary.append(item)
        elif name in {HEAD, INBOX, LEASE, SUMMARY}:
            self.heads[name] = item
            if "budget" in item:
                budget = json.loads(item["budget"])
                self.most_tokens = budget["max"] - budget["reserve"]
        elif not self.enough:
            if name.count("/") > 1:
                self._rest.append(item)
                return
            self.kept.append((int(name.split("/")[1]), bodies.joined(item["text"], name, self._rest)))
            self._rest.clear()
            self.tokens += records.weight_of(item["tokens"], self.most_tokens)

    def history(self) -> tuple[Message, ...]:
        """Return the messages read, oldest first."""
        return records.readable(lambda kept: records.message(*kept), reversed(self.kept))

    def summary(self) -> KeptSummary | None:
        """Return the session's summary, if it has one."""
        return next(iter(summaries_in(self._summary)), None)

    @property
    def complete(self) -> bool:
        """Whether no older message is left unread."""
        oldest = self.kept[-1][0] if self.kept else self.heads[HEAD]["messages"] + 1
        return bool(oldest == 1)


class DynamoReading(DynamoParts):
    """What several operations read."""

    async def _read(self, session_id: str, read_tokens: int) -> tuple[State | None, Reading]:
        """Return a session with its newest messages, up to `read_tokens`; None where there is no such session."""
        reading = Reading(self._limits.read_messages, read_tokens)
        asked = query(
            None,
            "#pk = :pk AND #sk >= :first",
            pk=session_key(self.tenant, session_id, HEAD)["pk"],
            first=FIRST_MESSAGE,
        )
        async for items in self._client.pages(asked, HEADS + self._limits.read_messages, forward=False):
            for item in items:
                reading.take(item)
            if reading.enough:
                break
        if HEAD not in reading.heads or INBOX not in reading.heads:
            return None, reading
        heads = reading.heads
        state = State(session_id, heads[HEAD], heads[INBOX], heads.get(LEASE, {}), heads.get(SUMMARY, {}))
        return state, reading

    async def _request(self, request_id: str) -> Item | None:
        """Return a request's record, whole."""
        key = request_key(self.tenant, request_id)
        items = await self._client.all(query(None, "#pk = :pk AND #sk >= :listen", pk=key["pk"], listen="listen"))
        record = next((item for item in items if item["sk"] == "request"), None)
        if record is None or not is_kept(record, await self._client.now()):
            return None
        whole = self._whole(record, items)
        if "with" not in record:
            return whole
        first = await self._request(record["with"]) or {}
        return {**whole, **{name: first[name] for name in ("result",) if name in first}}

    async def _newest_memory(self, customer: str) -> tuple[MemoryEntry, ...]:
        """Return the customer's memory entries, last written first, bounded."""
        if self._limits.read_memory == 0:
            return ()
        asked = query(
            None,
            "#pk = :pk AND begins_with(#sk, :entry)",
            pk=customer_key(self.tenant, customer, "")["pk"],
            entry="e/",
        )
        found = await self._client.first(asked, self._limits.read_memory, forward=False)
        return records.readable(records.memory, [item["text"] for item in found])

    async def _pinned_summary(self, state: State, current: KeptSummary | None) -> KeptSummary | None:
        """Return the summary that the pin builds on, where it was rewritten since: then, and only then, it is read."""
        version = state.head.get("pin_summary", 0)
        if version == 0 or (current is not None and current.version == version):
            return None
        return next(iter(summaries_in(await self._texts(state.id, earlier_sk(version)))), None)

    async def _texts(self, session_id: str, beginning: str) -> list[Item]:
        """Return a session's items whose sort keys begin so."""
        pk = session_key(self.tenant, session_id, HEAD)["pk"]
        asked = query(None, "#pk = :pk AND begins_with(#sk, :beginning)", pk=pk, beginning=beginning)
        return await self._client.all(asked)

    async def _newest_digests(
        self, customer: str, most: int, but: str | None = None
    ) -> tuple[tuple[KeptDigest, ...], IndexMark | None]:
        """Return digests of the customer's sessions `but` one, of the one that ended last first, bounded.

        And the mark of the customer's recall index, which lies behind them.
        """
        pk = customer_key(self.tenant, customer, "")["pk"]
        asked = query(None, "#pk = :pk AND begins_with(#sk, :digest)", pk=pk, digest="d/")
        found = await self._client.first(asked, most + 1 + (but is not None), forward=False)
        mark = mark_in(found.pop(0)) if found and found[0]["sk"] == MARK else None
        digests = records.readable(digest_in, found)
        return tuple(digest for digest in digests if digest.session_id != but)[:most], mark

    def _whole(self, record: Item, items: list[Item]) -> dict[str, Any]:
        long = {name: place for name, place in bodies.OF_REQUEST.items() if name in record}
        return {**record, **{name: bodies.joined(record[name], place, items) for name, place in long.items()}}


def is_kept(record: Item, now: int) -> bool:
    """Return whether a request's record still says what it was."""
    return not record.get("deleted") and bool(record.get("ends", now) >= now)


def digest_in(item: Item) -> KeptDigest:
    """Return a digest from its item."""
    _, ended, session_id = item["sk"].split("/")
    return KeptDigest(session_id, item["value"], from_ms(int(ended)), item["messages"])
