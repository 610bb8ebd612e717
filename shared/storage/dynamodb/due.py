"""Due work on DynamoDB: sessions to wake and rows to announce, found through the index, confirmed on the table.

The index lags behind the table. So what it says is taken as a hint, and every find is a conditional write on what the
index said; a find that is no longer true fails and is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.ids import SessionRef
from shared.storage import records
from shared.storage.dynamodb.actions import Item, query, update
from shared.storage.dynamodb.base import DELETED, INBOX, LEASE
from shared.storage.dynamodb.client import Client, ConditionFailed
from shared.storage.dynamodb.schema import outbox_key, session_in, session_key, shard_of
from shared.storage.limits import Limits
from shared.storage.types import OutboxRow

LONGEST_BACKOFF_MS: Final = 300_000


class DueWork:
    """The deployment's due work."""

    _client: Client
    limits: Limits

    async def overdue(self, bucket: str, limit: int) -> list[tuple[SessionRef, bool]]:
        """See `Store.overdue`."""
        now = await self._client.now()
        found = []
        for item in await self._find(f"wake/{shard_of(bucket)}", now, limit):
            woken = await self._overdue(item, now)
            if woken is not None:
                found.append(woken)
        return found

    async def take_rows(self, bucket: str, limit: int) -> list[OutboxRow]:
        """See `Store.take_rows`."""
        now = await self._client.now()
        found = []
        for item in await self._find(f"outbox/{shard_of(bucket)}", now, limit):
            taken = update(
                {"pk": item["pk"], "sk": item["sk"]},
                "SET #due_at = :next",
                "#due_at = :seen",
                seen=item["due_at"],
                next=now + self.limits.announce_grace_ms,
            )
            try:
                row = await self._client.write(taken)
            except ConditionFailed:
                continue
            if row is not None:
                found.append(records.row(row["row"], row["bucket"]))
        return found

    async def strike(self, bucket: str, row_ids: Sequence[str]) -> None:
        """See `Store.strike`."""
        await self._client.delete_many(outbox_key(bucket, row) for row in row_ids)

    async def _find(self, partition: str, now: int, limit: int) -> list[Item]:
        """Return the keys of what is due in one partition of the index, longest due first."""
        asked = query("due", "#due_pk = :partition AND #due_at <= :now", partition=partition, now=now)
        return await self._client.first(asked, limit)

    async def _overdue(self, item: Item, now: int) -> tuple[SessionRef, bool] | None:
        """Back off a session that is due; return it, unless its lease was renewed or it is no longer due."""
        ref = SessionRef(*session_in(item["pk"]))
        key = session_key(ref.tenant, ref.session_id, INBOX)
        inbox, lease = await self._client.get_many([key, session_key(ref.tenant, ref.session_id, LEASE)])
        if inbox is None or inbox["status"] == DELETED or inbox.get("wake") != item["due_at"]:
            return None
        held_until = (lease or {}).get("lease", 0)
        # Renewing a lease leaves the wake time alone, so that the two do not get in each other's way.
        held, renewed = held_until > now, held_until > item["due_at"]
        tries = (0 if renewed else inbox["tries"]) + (0 if held else 1)
        backoff = min(2 * self.limits.grace_ms * 2 ** (tries - 1), max(LONGEST_BACKOFF_MS, 2 * self.limits.grace_ms))
        postponed = update(
            key,
            "SET #wake = :next, #due_at = :next, #tries = :tries",
            "#wake = :seen",
            seen=item["due_at"],
            next=held_until if held else now + int(backoff),
            tries=tries,
        )
        try:
            await self._client.write(postponed)
        except ConditionFailed:
            return None
        return None if held else (ref, _is_suspect(inbox, lease or {}))


def _is_suspect(inbox: Item, lease: Item) -> bool:
    """Return whether the session's next request belongs into quarantine: an unexplained claim, or one sent there."""
    of_head = bool(inbox["tickets"]) and lease.get("request") == inbox["tickets"][0]
    return bool(of_head and ("running" in lease or lease.get("quarantined")))
