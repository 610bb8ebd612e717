"""Rows of the outbox on DynamoDB: each names what happened, and lives until it is announced."""

from __future__ import annotations

from shared.models import Handler
from shared.storage import records
from shared.storage.dynamodb.actions import Action, Item, put
from shared.storage.dynamodb.base import DynamoParts
from shared.storage.dynamodb.schema import outbox_key
from shared.storage.types import Changer


class DynamoOutbox(DynamoParts):
    """Making rows, and adding them."""

    def _event(
        self, kind: str, session_id: str, customer: str, event: str, now: int, request: str | None = None
    ) -> Item:
        row = {"id": event, "type": kind, "tenant": self.tenant, "session": session_id, "customer": customer, "at": now}
        return row | ({"request": request} if request else {})

    def _announced(self, bucket: str, row: Item, now: int) -> Action:
        """Return the action that adds a row to the outbox."""
        key = outbox_key(bucket, row["id"])
        due = now + self._limits.announce_grace_ms
        return put({**key, "row": records.dump(row), "bucket": bucket, "due_pk": key["pk"], "due_at": due})

    def _assigned(self, session_id: str, customer: str, to: Handler, by: Changer, now: int) -> Item:
        """Return the row that says who handles a session from now on, and who said so."""
        event = f"evt_{session_id}_{to}_{now}"
        return self._event("session.assigned", session_id, customer, event, now) | {"handler": to, "by": by}
