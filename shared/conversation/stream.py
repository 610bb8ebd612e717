"""A reply while it is being written: buffered for listeners, in batches, only while someone listens."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from shared.storage.contract import TenantStore
from shared.storage.types import Claim
from shared.tasks import end

BATCH_SECONDS = 0.08
RECENT = 256


class ReplyStream:
    """The text of one turn so far, on its way to the buffer listeners read.

    An event's place is (token, offset in bytes): a later claim of the same request has a higher token and begins
    again, so the words of two workers never mix.
    """

    def __init__(self, store: TenantStore, claim: Claim) -> None:
        self._store = store
        self._claim = claim
        self._unsent = ""
        self._offset = 0
        self._task: asyncio.Task[None] | None = None

    def add(self, text: str) -> None:
        """Take the next piece of the reply."""
        self._unsent += text

    def start(self) -> None:
        """Begin to buffer, with all there is so far; somebody listens."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send())

    async def stop(self) -> None:
        """Stop; the committed result tells the rest."""
        if self._task is not None:
            await end(self._task)

    async def _send(self) -> None:
        while True:
            if self._unsent:
                text, self._unsent = self._unsent, ""
                # A lost batch costs listeners nothing but time: the result carries the whole reply.
                with suppress(Exception):
                    await self._store.append_delta(self._claim, self._offset, text)
                self._offset += len(text.encode(errors="replace"))
            await asyncio.sleep(BATCH_SECONDS)


class Listeners:
    """The replies being written by this process, so that a new listener is heard at once."""

    def __init__(self) -> None:
        self._streams: dict[str, ReplyStream] = {}
        self._recent: deque[str] = deque(maxlen=RECENT)

    def open(self, request_id: str, stream: ReplyStream) -> Callable[[], None]:
        """Register a reply; return what takes it off again.

        Somebody may have begun to listen after the claim looked and before this: such words are remembered.
        """
        self._streams[request_id] = stream
        if request_id in self._recent:
            stream.start()
        return lambda: self._close(request_id, stream)

    async def follow(self, announced: AsyncIterator[str]) -> None:
        """Start buffering each reply that somebody begins to listen to; runs until cancelled."""
        async for request_id in announced:
            self._recent.append(request_id)
            stream = self._streams.get(request_id)
            if stream is not None:
                stream.start()

    def _close(self, request_id: str, stream: ReplyStream) -> None:
        if self._streams.get(request_id) is stream:
            del self._streams[request_id]
