"""Announcing what the outbox holds. A row lives until it is delivered; announcing again is harmless."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

import structlog

from shared.errors import UnknownRequest
from shared.events import envelope, routing_key
from shared.models import ChatRequest
from shared.storage.contract import Store
from shared.storage.types import OutboxRow

log = structlog.get_logger()


class Publisher(Protocol):
    """Whoever publishes events; blocking, so it runs on a thread."""

    def publish(self, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Publish (routing key, envelope) pairs, in order."""


class Announcer:
    """Publishes outbox rows and strikes them, in this order: a crash between the two announces again."""

    def __init__(self, store: Store, publisher: Publisher, executor: Executor, *, include_content: bool) -> None:
        self._store = store
        self._publisher = publisher
        self._executor = executor
        self._include_content = include_content

    async def announce(self, rows: Sequence[OutboxRow]) -> bool:
        """Announce rows of one bucket; return False when they stay in the outbox for another try."""
        if not rows:
            return True
        try:
            events = [(routing_key(row), envelope(row, await self._content(row))) for row in rows]
            await asyncio.get_running_loop().run_in_executor(self._executor, self._publisher.publish, events)
            await self._store.strike(rows[0].bucket, [row.id for row in rows])
        except Exception as error:  # noqa: BLE001 - whatever failed, the rows are safe in the outbox and come back
            log.warning("announce.postponed", rows=[row.id for row in rows], error=repr(error))
            return False
        return True

    async def _content(self, row: OutboxRow) -> ChatRequest | None:
        if not self._include_content or row.request_id is None:
            return None
        try:
            return await self._store.tenant(row.tenant).request(row.request_id)
        except UnknownRequest:
            return None
