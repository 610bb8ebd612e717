"""What the parts of a tenant's store share: the client, the tenant, the limits, and reading a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shared.errors import UnknownSession
from shared.ids import bucket_in
from shared.models import Handler, Session
from shared.storage import records
from shared.storage.dynamodb.actions import Action, Item, update
from shared.storage.dynamodb.client import Client
from shared.storage.dynamodb.schema import session_key, shard_of
from shared.storage.limits import Limits

OPEN, CLOSED, DELETED = "open", "closed", "deleted"
HEAD, INBOX, LEASE, SUMMARY = "~head", "~inbox", "~lease", "~sum"

# That nobody has taken a session over.
OF_AGENT: Final = "(attribute_not_exists(#handler) OR #handler <> :human)"
HUMAN: Final[Handler] = "human"
OF_HUMAN: Final = "#handler = :human"

# That a lease is still held under the token it was claimed with.
CURRENT: Final = "#token = :token AND #nonce = :nonce"


@dataclass(frozen=True, slots=True)
class State:
    """A session as read. `lease` is empty before the first claim, `summary` before its job, or when it was not read."""

    id: str
    head: Item
    inbox: Item
    lease: Item
    summary: Item = field(default_factory=dict)

    @property
    def tickets(self) -> list[str]:
        """Open tickets, oldest first: ids of requests, and of recorded messages."""
        return list(self.inbox["tickets"])

    @property
    def human(self) -> bool:
        """Whether a person has taken it over."""
        return bool(self.head.get("handler") == HUMAN)

    def session(self, now: int) -> Session:
        """Return the session as people see it."""
        return session_of(self.id, self.head, self.inbox, now)


def session_of(identifier: str, head: Mapping[str, Any], inbox: Mapping[str, Any], now: int) -> Session:
    """Return a session as it stands at `now`."""
    return records.session(identifier, {**head, **inbox}, len(inbox["tickets"]), now)


def is_over(inbox: Mapping[str, Any], now: int) -> str | None:
    """Return why a session takes nothing new: `closed` or `expired`; None while it does."""
    if inbox["status"] == CLOSED:
        return "closed"
    return "expired" if now > inbox["expires"] and not inbox["tickets"] else None


def is_gone(inbox: Mapping[str, Any] | None, now: int) -> bool:
    """Return whether nothing is left of a session to be seen: never there, deleted, or past its retention."""
    if inbox is None or inbox["status"] == DELETED:
        return True
    return not inbox["tickets"] and 0 < inbox.get("retain", 0) < now


def ending(ends: int) -> Item:
    """Return when an item ends: for us, who judge it on read, and for DynamoDB, which removes it days later."""
    return {"ends": ends, "ttl": ends // 1000}


class DynamoParts:
    """One tenant's way to the table."""

    def __init__(self, client: Client, tenant: str, limits: Limits) -> None:
        self.tenant = tenant
        self._client = client
        self._limits = limits

    async def _state(self, session_id: str, now: int, *, summary: bool = False) -> State:
        """Return a session's items, with that of its `summary` where asked for. Raises UnknownSession."""
        if bucket_in(session_id, "ses") is None:
            raise UnknownSession
        parts = (HEAD, INBOX, LEASE, SUMMARY) if summary else (HEAD, INBOX, LEASE)
        found = await self._client.get_many([session_key(self.tenant, session_id, part) for part in parts])
        head, inbox, *others = found
        if head is None or inbox is None or is_gone(inbox, now):
            raise UnknownSession
        return State(session_id, head, inbox, *(item or {} for item in others))

    def _inbox(self, session_id: str, change: str, condition: str, /, **values: Any) -> Action:
        return update(session_key(self.tenant, session_id, INBOX), change, condition, **values)

    def _rests(self, session_id: str, last: int) -> dict[str, Any]:
        """Return what an inbox without open tickets holds for the due index: when its retention ends."""
        if self._limits.memory_retention_ms == 0:
            return {}
        end = last + self._limits.memory_retention_ms
        return {"retain": end, "due_pk": f"retain/{shard_of(session_id[4:6])}", "due_at": end}
