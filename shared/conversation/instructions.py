"""The tenant's instructions, kept for a few seconds so that a turn does not read them from the store each time."""

from __future__ import annotations

import time

from shared.models import AgentInstructions
from shared.storage.contract import Store

FRESH_SECONDS = 3.0


class InstructionsCache:
    """Instructions by tenant; a change reaches the next turns within `FRESH_SECONDS`."""

    def __init__(self, store: Store, default: str) -> None:
        self._store = store
        self._default = AgentInstructions(instructions=default)
        self._known: dict[str, tuple[float, AgentInstructions]] = {}

    async def of(self, tenant: str) -> AgentInstructions:
        """Return the tenant's instructions, or the deployment's where it has set none."""
        until, instructions = self._known.get(tenant, (0.0, self._default))
        if time.monotonic() >= until:
            instructions = await self._store.tenant(tenant).instructions() or self._default
            self._known[tenant] = (time.monotonic() + FRESH_SECONDS, instructions)
        return instructions
