"""Telling pages that are open that something has changed: one item a tenant, a number for each topic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.storage.dynamodb.actions import update
from shared.storage.dynamodb.client import Client
from shared.storage.dynamodb.schema import index_key
from shared.storage.tenant_index import Topic

CHANGES: Final = "changes"


async def changed(client: Client, tenant: str, topics: Sequence[Topic]) -> None:
    """Tell that something of these topics has changed."""
    if topics:
        change = ", ".join(f"#{topic} :one" for topic in topics)
        await client.write(update(index_key(tenant, CHANGES), f"ADD {change}", one=1))
