"""All of a customer as JSON Lines: read page by page, sent line by line, and nothing kept of it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from pydantic import BaseModel

from api.summary_schemas import DigestView, SummaryView
from shared.errors import StoreUnavailable, UnknownSession
from shared.models import Session
from shared.storage.contract import TenantStore
from shared.storage.types import KeptDigest

PAGE: Final = 50
TRIES: Final = 5
PAUSE_SECONDS: Final = 1.0

Read = TypeVar("Read")


class Export:
    """One customer's export. What is deleted while it is read is not in it; what is written then may be."""

    def __init__(self, own: TenantStore, customer_id: str) -> None:
        self._own = own
        self._customer = customer_id
        self._counts: Counter[str] = Counter()

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield sessions, each followed by its messages and summaries, then digests, entries, and the end."""
        cursor, more = None, True
        while more:
            sessions = await _patient(lambda at=cursor: self._own.sessions(self._customer, PAGE, at))  # type: ignore[misc]  # a bound default
            for session in sessions.items:
                async for line in self._session(session):
                    yield line
            cursor, more = sessions.cursor, sessions.cursor is not None
        async for line in self._digests():
            yield line
        async for line in self._entries():
            yield line
        yield _line({"type": "end", "customerId": self._customer, "counts": dict(self._counts)})

    async def _session(self, session: Session) -> AsyncIterator[bytes]:
        try:
            yield self._told("session", session)
            last, more = 0, True
            while more:
                page = await _patient(lambda at=last: self._own.messages(session.id, PAGE, at))  # type: ignore[misc]  # a bound default
                for message in page.items:
                    yield self._told("message", message, sessionId=session.id)
                last, more = int(page.cursor or 0), page.cursor is not None
            for kept in await _patient(lambda: self._own.summaries(session.id)):
                yield self._told("summary", SummaryView.of(session.id, kept))
        except UnknownSession:  # it was deleted meanwhile
            return

    async def _digests(self) -> AsyncIterator[bytes]:
        last: KeptDigest | None = None
        while found := await _patient(lambda at=last: self._own.digests(self._customer, PAGE, at)):  # type: ignore[misc]  # a bound default
            for kept in found:
                yield self._told("digest", DigestView.of(kept))
            last = found[-1]

    async def _entries(self) -> AsyncIterator[bytes]:
        cursor, more = None, True
        while more:
            page = await _patient(lambda at=cursor: self._own.memories(self._customer, None, None, PAGE, at))  # type: ignore[misc]  # a bound default
            for entry in page.items:
                yield self._told("memory", entry)
            cursor, more = page.cursor, page.cursor is not None

    def _told(self, kind: str, record: BaseModel, **more: str) -> bytes:
        self._counts[kind] += 1
        return _line({"type": kind, **more, **record.model_dump(mode="json", by_alias=True)})


def _line(told: dict[str, object]) -> bytes:
    # A lone surrogate has no UTF-8; its escape is JSON all the same.
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace") + b"\n"


async def _patient(read: Callable[[], Awaitable[Read]]) -> Read:
    """Return what is read; ask again while the store is away, for a little."""
    for _ in range(TRIES - 1):
        try:
            return await read()
        except StoreUnavailable:
            await asyncio.sleep(PAUSE_SECONDS)
    return await read()
