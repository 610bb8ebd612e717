"""Announcing what the outbox holds. A row lives until it is delivered; announcing again is harmless."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

import structlog

from shared.callbacks.desk import CallbackDesk
from shared.conversation.noter import Ending, Noter
from shared.errors import StoreError, UnknownRequest
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
    """Publishes outbox rows and strikes them, in this order: a crash between the two announces again.

    A row that says where it is posted becomes a delivery first; the broker has no part in that.
    """

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        executor: Executor,
        callbacks: CallbackDesk | None = None,
        *,
        include_content: bool,
        noter: Noter | None = None,
    ) -> None:
        self.noter = noter
        self._store = store
        self._callbacks = callbacks or CallbackDesk(store)
        self._publisher = publisher
        self._executor = executor
        self._include_content = include_content

    async def announce(self, rows: Sequence[OutboxRow], ending: Ending | None = None) -> int:
        """Announce rows of one bucket, each by itself; return how many were. The others stay for another try.

        `ending`: what is known of the request that one of them tells of. With a noter rows are struck by it, a moment
        later, when they were noted too.
        """
        done = []
        for row in rows:
            published = await self._publish(row)
            if self.noter is not None:
                self.noter.announced(row, ending, strike=published)
            if published:
                done.append(row.id)
        if done and self.noter is None:
            try:
                await self._store.strike(rows[0].bucket, done)
            except StoreError as error:
                log.warning("announce.not_struck", rows=done, error=str(error))
        return len(done)

    async def _publish(self, row: OutboxRow) -> bool:
        try:
            if row.callback is not None:
                await self._callbacks.begin(row)
            events = [(routing_key(row), envelope(row, await self._content(row)))]
            await asyncio.get_running_loop().run_in_executor(self._executor, self._publisher.publish, events)
        except Exception as error:  # noqa: BLE001 - whatever failed, the row is safe in the outbox and comes back
            log.warning("announce.postponed", row=row.id, error=repr(error))
            return False
        return True

    async def _content(self, row: OutboxRow) -> ChatRequest | None:
        if not self._include_content or row.request_id is None:
            return None
        try:
            return await self._store.tenant(row.tenant).request(row.request_id)
        except UnknownRequest:
            return None
