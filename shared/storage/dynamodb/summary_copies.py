"""Summaries of sessions moving to and from DynamoDB: their texts, and the state of their job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.storage.dynamodb.actions import Action, Item, delete
from shared.storage.dynamodb.base import SUMMARY, State
from shared.storage.dynamodb.inbox import DynamoInbox
from shared.storage.dynamodb.scheduling import account_of, next_look
from shared.storage.dynamodb.schema import session_key, shard_of
from shared.storage.dynamodb.summary_items import CURRENT, EARLIER, current_items, earlier_items, summaries_in
from shared.storage.portable import Dump
from shared.storage.portable_fields import typed
from shared.storage.types import KeptSummary

# Fields of a session that lie in its summary's item, and how they are called there.
_OF_SUMMARY: Final = {
    "mem_cold": "cold",
    "mem_read": "read",
    "mem_tokens": "taken",
    "sum_asked": "asked",
    "sum_done": "done",
    "sum_later": "later",
    "sum_seen": "seen",
    "sum_token": "token",
    "sum_tokens": "covered",
    "sum_tries": "tries",
    "sum_version": "version",
}
# And all that say something of its summary.
OF_SUMMARY: Final = frozenset({*_OF_SUMMARY, "summary", "sum_through"})


class SummaryCopies(DynamoInbox):
    """What a session's copy holds of its summary."""

    async def summary_fields(self, session_id: str, item: Item) -> tuple[Item, tuple[KeptSummary, ...]]:
        """Return the fields of a session's summary, and its earlier versions."""
        fields: Item = {name: item.get(own) for name, own in _OF_SUMMARY.items()}
        if not fields["sum_version"]:
            return fields, ()
        current = summaries_in(await self._texts(session_id, CURRENT))
        if current:
            fields |= {"summary": current[0].value, "sum_through": current[0].through}
        return fields, tuple(summaries_in(await self._texts(session_id, EARLIER)))

    def summary_items(self, dump: Dump, now: int) -> list[Item]:
        """Return the items of a session's summary, its job and its earlier versions."""
        key = session_key(self.tenant, dump.unit.name, SUMMARY)
        fields: Item = typed(dump.fields)
        state = {own: fields[name] for name, own in _OF_SUMMARY.items() if name in fields}
        items: list[Item] = []
        if "summary" in fields:
            items += current_items(key["pk"], KeptSummary(fields["summary"], fields["sum_through"], state["version"]))
            state |= {"pieces": len(items), "through": fields["sum_through"]}
        inbox: Item = {**fields, "tickets": list(dump.inbox.tickets)}
        account = account_of(State(dump.unit.name, fields, inbox, {}, state))
        when = next_look(account, self._limits, now)
        if when is not None:
            state |= {"due_pk": f"sum/{shard_of(dump.unit.bucket)}", "due_at": when}
        for kept in dump.earlier:
            items += earlier_items(key["pk"], kept)
        return [*items, {**key, **state}] if state else items

    async def stale_summaries(self, session_id: str, items: Sequence[Item]) -> list[Action]:
        """Return the actions that remove what an older copy held of summaries, and this one does not."""
        kept = {item["sk"] for item in items}
        found = [*await self._texts(session_id, SUMMARY), *await self._texts(session_id, EARLIER)]
        return [delete({"pk": item["pk"], "sk": item["sk"]}) for item in found if item["sk"] not in kept]
