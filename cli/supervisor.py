"""Starts services in order, keeps them running, and stops all of them in the reverse order, every time.

Layers start one after the other, each when every service of the one before is ready. A service that ends by itself
is started again, after a growing wait; one that keeps ending at once makes the supervisor stop everything. SIGINT,
SIGTERM and SIGHUP stop everything; a second SIGINT kills what is left, still in order.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby

from cli.guard import Guard
from cli.service import Child, RestartPolicy, Service

POLL_SECONDS = 0.05
PARENT_SECONDS = 0.25
DEFAULT_POLICY = RestartPolicy()

OnChange = Callable[[int, dict[str, int]], None]


def _ignore(_guardian: int, _groups: dict[str, int]) -> None:
    """Nobody wants to know."""


class Supervisor:
    """Runs one set of services, once.

    Args:
        services: what to run.
        relay: is given each line a service writes, as (name, line).
        say: is given what the supervisor itself has to tell.
        policy: when to start a service again.
        keep_fds: descriptors the guardian holds until everything is stopped.

    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        relay: Callable[[str, str], None],
        say: Callable[[str], None],
        policy: RestartPolicy = DEFAULT_POLICY,
        keep_fds: Sequence[int] = (),
    ) -> None:
        self._services = services
        self._relay = relay
        self._say = say
        self._policy = policy
        self._keep_fds = keep_fds
        self._children: list[Child] = []
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._failed = False
        self._error: BaseException | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._guard = Guard()
        self._guardian = 0
        self._on_change: OnChange = _ignore

    async def run(
        self,
        *,
        on_ready: Callable[[], None] = lambda: None,
        on_change: OnChange = _ignore,
        parent: int | None = None,
    ) -> int:
        """Run until asked to stop, and return the exit code: 0 when asked, 1 when a service would not run.

        Args:
            on_ready: called once, when every service is ready.
            on_change: called whenever a process starts, with the guardian's id and each service's process group.
            parent: also stop when this is no longer the process that started us.

        """
        self._listen()
        self._on_change = on_change
        self._children = [Child(service, self._relay) for service in self._services]
        for child in self._children:
            child.open()
        started = self._guardian_started(asyncio.get_running_loop())
        self._guard = Guard([child.read_fd for child in self._children], self._keep_fds, started)
        self._guard.start()
        self.spawn(self._start_all(on_ready))
        if parent is not None:
            self.spawn(self._watch_parent(parent))
        try:
            await self._stop.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await self._stop_all()
            for child in self._children:
                child.close()
            await asyncio.to_thread(self._guard.leave)
        if self._error is not None:
            raise self._error
        return 1 if self._failed else 0

    def stop(self) -> None:
        """Stop everything in order; asked again, go on as before."""
        self._stop.set()

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Do this beside; it is cancelled when everything stops, and its failure stops everything."""
        task = asyncio.create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._done)

    def _interrupt(self) -> None:
        """Ctrl-C: stop; pressed again, hurry. Only this hurries: SIGTERM and SIGHUP come twice without being meant."""
        if self._stop.is_set():
            self._say("Killing what is left.")
            self._hurry.set()
        self._stop.set()

    # Starting

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # As nohup has it.
            loop.add_signal_handler(signal.SIGHUP, self.stop)

    async def _start_all(self, on_ready: Callable[[], None]) -> None:
        for _, layer in _layers(self._children):
            for child in layer:
                self.spawn(self._keep(child))
            await asyncio.gather(*(self._await_ready(child) for child in layer))
        on_ready()

    def _done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._error = task.exception()
            self._stop.set()

    async def _await_ready(self, child: Child) -> None:
        service = child.service
        try:
            async with asyncio.timeout(service.ready_seconds):
                while service.ready is not None and not (child.running and await service.ready()):  # noqa: ASYNC110 - no event of another process
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            self._give_up(child, f"was not ready within {service.ready_seconds:g} s")
            await asyncio.Event().wait()  # The stop that has begun cancels us.

    # Keeping

    async def _keep(self, child: Child) -> None:
        """Start the service, again and again, until this task is cancelled."""
        loop = asyncio.get_running_loop()
        crashes = 0
        while True:
            began = loop.time()
            try:
                child.start(partial(self._guard.add, child.service))
            except OSError as error:
                self._give_up(child, f"could not be started: {error}")
                return
            self._changed()
            await child.exited.wait()
            self._bury(child)
            crashes = crashes + 1 if loop.time() - began < self._policy.quick_seconds else 1
            if crashes >= self._policy.limit:
                self._give_up(child, f"{child.how_it_ended()}, {crashes} times in a row")
                return
            wait = self._policy.wait(crashes)
            self._say(f"{child.service.name} {child.how_it_ended()}; starting it again in {wait:g} s.")
            await asyncio.sleep(wait)

    def _bury(self, child: Child) -> None:
        group = child.bury()
        if group is not None:
            self._guard.gone(group)

    def _give_up(self, child: Child, why: str) -> None:
        child.drain()
        lines = "".join(f"\n    {line}" for line in child.tail)
        self._say(f"{child.service.name} {why}. Stopping everything." + (f" Its last lines:{lines}" if lines else ""))
        self._failed = True
        self._stop.set()

    # Stopping

    async def _watch_parent(self, parent: int) -> None:
        while os.getppid() == parent:  # noqa: ASYNC110 - no event on every platform
            await asyncio.sleep(PARENT_SECONDS)
        self._say("The process that started this one has gone.")
        self.stop()

    async def _stop_all(self) -> None:
        for _, layer in reversed(_layers(self._children)):
            await asyncio.gather(*(self._end(child) for child in layer))

    async def _end(self, child: Child) -> None:
        if child.running:
            child.terminate()
            exited = asyncio.create_task(child.exited.wait())
            hurry = asyncio.create_task(self._hurry.wait())
            await asyncio.wait(
                (exited, hurry), timeout=child.service.grace_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if child.running:
                if not self._hurry.is_set():
                    self._say(f"{child.service.name} did not stop in {child.service.grace_seconds:g} s; killing it.")
                child.kill_group()
            await exited
            hurry.cancel()
        self._bury(child)

    # Telling

    def _guardian_started(self, loop: asyncio.AbstractEventLoop) -> Callable[[int], None]:
        def started(pid: int) -> None:  # Called from a thread when a killed guardian is replaced.
            self._guardian = pid
            with suppress(RuntimeError):  # The loop is closed: everything is stopped.
                loop.call_soon_threadsafe(self._changed)

        return started

    def _changed(self) -> None:
        groups = {child.service.name: child.process.pid for child in self._children if child.process and child.running}
        self._on_change(self._guardian, groups)


def _layers(children: Sequence[Child]) -> list[tuple[int, list[Child]]]:
    def layer(child: Child) -> int:
        return child.service.layer

    return [(number, list(members)) for number, members in groupby(sorted(children, key=layer), key=layer)]
