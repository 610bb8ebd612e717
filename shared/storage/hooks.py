"""What a store promises of hooks: each is found by its id, without knowing whose it is, and listed by its tenant.

Values are JSON that only their makers read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

PLACE_MS: Final = 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class KeptHook:
    """A hook as kept: whose it is, and how often it was written."""

    id: str
    tenant: str
    value: str
    version: int


class HookRecords(Protocol):
    """One tenant's hooks, and where the conversations that come through them are kept."""

    async def put_hook(self, hook_id: str, value: str, version: int) -> bool:
        """Keep a hook, if `version` is still the one that is kept (0: none) and the hook is no other tenant's.

        Return whether it was.
        """

    async def delete_hook(self, hook_id: str) -> bool:
        """Remove a hook; return whether the tenant had it."""

    async def hooks(self) -> list[KeptHook]:
        """Return the tenant's hooks by id, and so by when they were made. One made just now may be missing."""

    async def put_place(self, conversation_id: str, session_id: str) -> None:
        """Note for 30 days which session a conversation is in, for platforms that do not always say whose it is."""

    async def place(self, conversation_id: str) -> str | None:
        """Return the session that was noted; it may be gone meanwhile."""


class AllHooks(Protocol):
    """The deployment's hooks."""

    async def find_hook(self, hook_id: str) -> KeptHook | None:
        """Return a hook by its id, whosever it is."""

    async def all_hooks(self) -> list[KeptHook]:
        """Return every tenant's hooks by id."""
