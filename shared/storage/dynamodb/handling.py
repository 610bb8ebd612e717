"""Who handles a session on DynamoDB, and when a session is looked at that a person takes over, or hands back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared.storage.dynamodb.base import HUMAN, State
from shared.storage.dynamodb.bursts import behind, due_of, is_open, waits_in
from shared.storage.dynamodb.inbox import RECORDED, DynamoInbox
from shared.storage.dynamodb.schema import request_key
from shared.storage.types import SessionPatch


@dataclass(frozen=True, slots=True)
class Woken:
    """A change of the inbox: assignments, and their values. Nothing where `change` is empty."""

    change: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def more(self) -> str:
        """The assignments behind others."""
        return f", {self.change}" if self.change else ""

    @property
    def condition(self) -> str:
        """What must hold besides, behind another condition."""
        return " AND #tickets = :tickets" if self.change else ""


class DynamoHandling(DynamoInbox):
    """What taking over and handing back change."""

    async def _woken_by(self, state: State, patch: SessionPatch, now: int) -> Woken:
        """Return when the session is looked at after the change: what a person has taken over waits for no time."""
        if patch.handler is None or not state.tickets:
            return Woken()
        due = 0 if patch.handler == HUMAN else await self._due_time(state)
        wake = max(due, int(state.lease.get("lease", 0)), now)
        values = {"wake": wake, "wake_pk": self._due(state.id, wake)["due_pk"], "none": 0, "tickets": state.tickets}
        return Woken("#wake = :wake, #due_at = :wake, #due_pk = :wake_pk, #tries = :none", values)

    async def _due_time(self, state: State) -> int:
        ticket = state.tickets[0]
        if ticket.startswith(RECORDED):
            return 0
        if is_open(state.inbox):
            return due_of(behind(state.tickets, waits_in(state.inbox)))
        record = await self._client.get(request_key(self.tenant, ticket))
        return int((record or {}).get("due", 0))
