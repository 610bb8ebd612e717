"""The simulator inside a test's own process: on a thread and event loop of its own, so that any test can talk to it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

from simulator.server import serve

START_SECONDS = 10.0
POLL_SECONDS = 0.005


class ManualClock:
    """A clock that only moves when told: `clock()` reads it, `clock.advance(301)`: five minutes and a second later."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now

    def __call__(self) -> float:
        """Return the time in seconds since the epoch."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on."""
        self._now += seconds

    async def sleep(self, seconds: float) -> None:
        """Take no time, and move on by it: for `create_app(clock=clock, sleep=clock.sleep)`."""
        self.advance(seconds)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 5.0) -> None:
    """Return as soon as the condition holds; `AssertionError` naming `what` when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            problem = f"waited {seconds:g} s for: {what}"
            raise AssertionError(problem)
        time.sleep(POLL_SECONDS)


@contextmanager
def running(app: web.Application) -> Iterator[str]:
    """Serve `app` on a free local port and yield its base URL. Raises what kept it from starting."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    state: dict[str, str | BaseException] = {}
    stop = asyncio.Event()

    async def run() -> None:
        async with serve(app) as url:
            state["url"] = url
            ready.set()
            await stop.wait()

    def main() -> None:
        try:
            loop.run_until_complete(run())
        except BaseException as error:  # noqa: BLE001 - handed over to the test's thread, raised there
            state["error"] = error
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=main, name="simulator", daemon=True)
    thread.start()
    ready.wait(START_SECONDS)
    try:
        if "url" in state:
            yield str(state["url"])
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(START_SECONDS)
    if isinstance(error := state.get("error"), BaseException):
        raise error
