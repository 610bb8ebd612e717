"""Where a tenant's instructions lie on DynamoDB, and how they are read."""

from __future__ import annotations

from shared.clock import from_ms
from shared.models import AgentInstructions
from shared.storage.dynamodb.actions import Item
from shared.storage.dynamodb.schema import Key, tenant_key


def agent_key(tenant: str) -> Key:
    """Return the key of a tenant's instructions."""
    return tenant_key(tenant, "agent", "agent")


def instructions_in(kept: Item) -> AgentInstructions:
    """Return the instructions that an item holds."""
    return AgentInstructions(
        instructions=kept["text"],
        extraction=bool(kept["extraction"]) if "extraction" in kept else None,
        handoff=bool(kept["handoff"]) if "handoff" in kept else None,
        version=kept["version"],
        updated_at=from_ms(kept["updated"]),
    )
