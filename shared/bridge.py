"""One event loop, many threads: how synchronous code enters asynchronous code.

The stores and the Claude client are written once, async. Flask's views and Celery's tasks are threads; they enter the
process's one loop through a bridge and wait for the answer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Bridge:
    """A way into a running event loop from other threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def call(self, work: Coroutine[Any, Any, Answer], timeout: float | None = None) -> Answer:
        """Run `work` on the loop and return its answer; never call this on the loop's own thread.

        Raises:
            TimeoutError: no answer in `timeout` seconds; the work is cancelled.

        """
        future: Future[Answer] = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise


class LoopThread(Bridge):
    """An event loop on a thread of its own, for a process whose main thread is another's."""

    def __init__(self, name: str) -> None:
        super().__init__(asyncio.new_event_loop())
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cancel what still runs, stop the loop, join its thread, and let go of what the loop holds."""
        if self._thread.is_alive():
            self.call(_cancel_all(), timeout=5)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(5)
            if not self.loop.is_running():
                self.loop.close()


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
