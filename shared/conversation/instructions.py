"""The tenant's instructions: as the claim read them, or kept for a few seconds, so that turns seldom ask for them."""

from __future__ import annotations

import time

from shared.models import NONE_SET, AgentInstructions
from shared.storage.contract import Store

FRESH_SECONDS = 3.0


def in_force(kept: AgentInstructions | None, default: str) -> AgentInstructions:
    """Return the instructions that a tenant's agent gets; `kept`: by the store, `default`: the deployment's."""
    if kept is None:
        return AgentInstructions(instructions=default)
    return kept if kept.instructions else kept.model_copy(update={"instructions": default})


class InstructionsCache:
    """Instructions by tenant; where claims do not read them along, a change reaches turns within `FRESH_SECONDS`."""

    def __init__(self, store: Store, default: str) -> None:
        self._store = store
        self._default = default
        self._known: dict[str, tuple[float, AgentInstructions]] = {}

    async def of(self, tenant: str, read: AgentInstructions | None = None) -> AgentInstructions:
        """Return the tenant's instructions, or the deployment's where it has set none; as `read`, where they were."""
        if read is not None:
            return in_force(read, self._default)
        until, instructions = self._known.get(tenant, (0.0, NONE_SET))
        if time.monotonic() >= until:
            instructions = in_force(await self._store.tenant(tenant).instructions(), self._default)
            self._known[tenant] = (time.monotonic() + FRESH_SECONDS, instructions)
        return instructions
