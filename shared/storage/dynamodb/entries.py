"""Memory entries as items: where they are, what gives way to another, and how they are taken back.

memory                    how many there are
k/<hash of the key>       where the current one is
e/<rank>/<hash>           the entry; they sort by rank
h/<hash>/<version>        an earlier value
gone/<hash>               when it was deleted
"""

from __future__ import annotations

import json
from typing import Any, Final

from shared.ids import bucket_of
from shared.models import MemoryEntry
from shared.storage import records
from shared.storage.dynamodb.actions import ABSENT, Action, Item, check, delete, put, query, update
from shared.storage.dynamodb.base import DynamoParts
from shared.storage.dynamodb.client import ConditionFailed
from shared.storage.dynamodb.schema import FROM, Key, customer_key, digest, shard_of

VERSIONS_KEPT: Final = 20
TRIES: Final = 8
ENTRIES: Final = "e/"
STANDS: Final = "#entry = :entry AND #version = :version"  # of a pointer
# What gives way to a new entry, where an extracted one is of this scope; what holds no more gives way before.
CLASSES: Final = {"note": 3, "preference": 4, "ticket": 5}


class DynamoEntries(DynamoParts):
    """What those share that write entries or take them away."""

    def _written_actions(
        self, customer_id: str, entry: Item, current: str | None, old: Item | None, counted: Action
    ) -> list[Action]:
        """Return the actions that write an entry in place of `old`, which goes into its history."""
        name = digest(entry["key"])
        actions = [counted, *self._placed(customer_id, entry, current, old)]
        if old is None:
            return actions
        kept = customer_key(self.tenant, customer_id, history_sk(name, old["version"]))
        actions.append(put({**kept, "text": records.dump(records.past_entry(old, entry))}))
        if old["version"] > VERSIONS_KEPT:
            oldest = history_sk(name, old["version"] - VERSIONS_KEPT)
            actions.append(delete(customer_key(self.tenant, customer_id, oldest)))
        return actions

    def _placed(self, customer_id: str, entry: Item, current: str | None, old: Item | None) -> list[Action]:
        """Return the actions that let an entry be the current one of its key, in place of `old`."""
        new = entry_sk(entry)
        pointer = self._pointer(customer_id, entry["key"]) | {"entry": new, "version": entry["version"]}
        actions = [
            put(pointer, STANDS, entry=current, version=old["version"]) if old else put(pointer, ABSENT),
            put({**customer_key(self.tenant, customer_id, new), "text": records.dump(entry)}),
        ]
        if current is not None and current != new:
            actions.append(delete(customer_key(self.tenant, customer_id, current)))
        return actions

    def _dropped(self, customer_id: str, entry: Item, current: str) -> list[Action]:
        """Return the actions that remove an entry and its history."""
        pointer = self._pointer(customer_id, entry["key"])
        return [
            delete(pointer, STANDS, entry=current, version=entry["version"]),
            delete(customer_key(self.tenant, customer_id, current)),
            *(delete(item) for item in self._versions(customer_id, entry["key"], entry["version"])),
        ]

    async def _giving_way(self, customer_id: str, now: int) -> list[Action]:
        """Return the actions that let an entry give way to another; none where none does."""
        found = [(item, entry) for item, entry in await self._all_entries(customer_id) if _class(entry, now)]
        if not found:
            return []
        item, entry = min(found, key=lambda each: (_class(each[1], now), each[1].get("said") or each[1]["updated"]))
        return self._dropped(customer_id, entry, item["sk"])

    async def _take_back(self, customer_id: str, session_id: str, seq: int | None = None) -> None:
        """Take back what was extracted from a session, or from one message of it.

        Entries of one who is being merged into the customer are on their way from there to here: so there first.
        """
        pk = customer_key(self.tenant, customer_id, "")["pk"]
        came = await self._client.all(query(None, "#pk = :pk AND begins_with(#sk, :from)", pk=pk, **{"from": FROM}))
        for other in [item["customer"] for item in came if item["state"] == "moving"]:
            await self._take_back(other, session_id, seq)
        for _, entry in await self._all_entries(customer_id):
            for _ in range(TRIES):
                if await self._taken_back(customer_id, entry["key"], session_id, seq):
                    break

    async def _taken_back(self, customer_id: str, key: str, session_id: str, seq: int | None) -> bool:
        """Take back what of one key's values was extracted from there; return False where it was written meanwhile."""
        current, entry = await self._entry(customer_id, key)
        if current is None or entry is None:
            return True
        keys = self._versions(customer_id, key, entry["version"])
        kept = [each for each in (await self._client.get_many(keys) if keys else []) if each is not None]
        stale = [each for each in kept if _from_there(json.loads(each["text"]), session_id, seq)]
        if not stale and not _from_there(entry, session_id, seq):
            return True
        left = [each for each in kept if each not in stale]
        gone = [delete({"pk": each["pk"], "sk": each["sk"]}) for each in stale]
        if not _from_there(entry, session_id, seq):
            stands = check(self._pointer(customer_id, key), STANDS, entry=current, version=entry["version"])
            actions = [stands, *gone]
        elif not left:
            actions = [self._counter(customer_id, -1), *self._dropped(customer_id, entry, current)]
        else:
            again = await self._restored(entry, left[0])
            restored = delete({"pk": left[0]["pk"], "sk": left[0]["sk"]})
            actions = [*self._placed(customer_id, again, current, entry), restored, *gone]
        try:
            await self._client.transact(actions)
        except ConditionFailed:
            return False
        return True

    async def _restored(self, entry: Item, kept: Item) -> Item:
        """Return an entry as it was before, as a version of its own: whoever knew it must see that it changed."""
        past = json.loads(kept["text"])
        before = {name: past.get(name) for name in ("raw", "scope", "source", *records.FACTS)} | {"said": past["from"]}
        before |= {"key": entry["key"], "op": "", "version": entry["version"] + 1, "created": entry["created"]}
        return records.known(before | {"updated": await self._client.now()})

    async def _all_entries(self, customer_id: str) -> list[tuple[Item, Item]]:
        """Return every entry of a customer with its item."""
        pk = customer_key(self.tenant, customer_id, "")["pk"]
        asked = query(None, "#pk = :pk AND begins_with(#sk, :entry)", pk=pk, entry=ENTRIES)
        return [(item, json.loads(item["text"])) for item in await self._client.all(asked)]

    def _counter(self, customer_id: str, more: int, updated: int | None = None) -> Action:
        """Return the change of how many entries there are, and of when nothing of the customer is kept any more."""
        retention = self._limits.memory_retention_ms
        due = f"retain/{shard_of(bucket_of(self.tenant, customer_id))}"
        written = updated is not None and retention > 0
        change = "ADD #count :more" + (" SET #due_pk = :due_pk, #due_at = :due_at" if written else "")
        condition = "attribute_not_exists(#count) OR #count < :most" if more > 0 else None
        return update(
            customer_key(self.tenant, customer_id, "memory"),
            change,
            condition,
            more=more,
            most=self._limits.memory_max_entries,
            due_pk=due,
            due_at=(updated or 0) + retention,
        )

    async def _entry(self, customer_id: str, key: str) -> tuple[str | None, Item | None]:
        """Return where a key's entry is, and the entry."""
        for _ in range(TRIES):
            pointer = await self._client.get(self._pointer(customer_id, key))
            if pointer is None:
                return None, None
            item = await self._client.get(customer_key(self.tenant, customer_id, pointer["entry"]))
            if item is not None:
                return pointer["entry"], json.loads(item["text"])
        return None, None

    async def _told(self, customer_id: str, entry: Item) -> MemoryEntry:
        """Return an entry with its history, newest first."""
        keys = self._versions(customer_id, entry["key"], entry["version"])
        kept = await self._client.get_many(keys) if keys else []
        history = "[" + ",".join(item["text"] for item in kept if item is not None) + "]"
        return records.memory(records.dump(entry), history)

    def _pointer(self, customer_id: str, key: str) -> Key:
        """Return the key of what tells where a key's entry is, and of which version: two may be of one millisecond."""
        return customer_key(self.tenant, customer_id, f"k/{digest(key)}")

    def _versions(self, customer_id: str, key: str, version: int) -> list[Key]:
        name = digest(key)
        earlier = range(version - 1, max(0, version - 1 - VERSIONS_KEPT), -1)
        return [customer_key(self.tenant, customer_id, history_sk(name, number)) for number in earlier]


def entry_sk(entry: Item) -> str:
    """Return the sort key of an entry."""
    return f"{ENTRIES}{records.entry_rank(entry):014d}/{digest(entry['key'])}"


def history_sk(name: str, version: int) -> str:
    """Return the sort key of an earlier value, by its key's digest."""
    return f"h/{name}/{version:08d}"


def _class(entry: Item, now: int) -> int | None:
    """Return when an entry gives way, the lowest first; None: never."""
    if entry.get("status") == "resolved" or entry.get("expires", now + 1) <= now:
        return 1
    if entry["source"] != "extraction":
        return None
    return 2 if entry.get("quarantined") else CLASSES[entry["scope"]]


def _from_there(entry: Item, session_id: str, seq: int | None) -> bool:
    provenance: dict[str, Any] = entry.get("prov") or {}
    return provenance.get("sessionId") == session_id and seq in {None, provenance["seq"]}
