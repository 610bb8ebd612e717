"""One supervised process: how it is started, heard and ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

TAIL_LINES = 20
LINE_BYTES = 16_384
MOST_CHUNKS = 64

# The gate: the shell waits for a line before it becomes the service. The guardian is told of the process meanwhile;
# should the supervisor die in between, the shell reads the end of its input and leaves, and nothing was started.
GATE = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "gate")

Ready = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Service:
    """What to run, and how to treat it.

    Attributes:
        name: how its lines are marked, and what messages call it.
        argv: the command.
        env: its whole environment.
        layer: layers start in order, each when the one before is ready, and stop in the reverse order.
        ready: tells whether it serves; without one it counts as ready once started.
        ready_seconds: how long it may take until it serves, before everything is given up.
        grace_seconds: how long it may take to stop after SIGTERM, before it is killed.
        keep_fds: descriptors it inherits.

    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    layer: int = 0
    ready: Ready | None = None
    ready_seconds: float = 60
    grace_seconds: float = 10
    keep_fds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a service that ended by itself is started again. A run shorter than `quick_seconds` is a quick crash."""

    limit: int = 5
    quick_seconds: float = 10
    first_wait_seconds: float = 0.2
    longest_wait_seconds: float = 5

    def wait(self, crashes: int) -> float:
        """Return the seconds to wait after so many crashes in a row."""
        return float(min(self.first_wait_seconds * 2 ** (crashes - 1), self.longest_wait_seconds))


@dataclass(slots=True)
class Child:
    """A service's process, through all its lives. Its output pipe is made once and outlives each of them."""

    service: Service
    on_line: Callable[[str, str], None]
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    process: subprocess.Popen[bytes] | None = None
    exit_code: int | None = None
    read_fd: int = -1
    write_fd: int = -1
    _partial: bytes = b""

    def open(self) -> None:
        """Make the output pipe and listen to it."""
        self.read_fd, self.write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)
        asyncio.get_running_loop().add_reader(self.read_fd, self._hear_chunk)

    def start(self, announce: Callable[[int], None]) -> None:
        """Start a process in a group of its own; `announce` is told the group before the service itself begins.

        Raises:
            OSError: the process could not be made.

        """
        self.exited.clear()
        process = subprocess.Popen(  # noqa: S603 - running what it is told is its purpose
            [*GATE, *self.service.argv],
            env=self.service.env,
            stdin=subprocess.PIPE,
            stdout=self.write_fd,
            stderr=self.write_fd,
            start_new_session=True,
            pass_fds=self.service.keep_fds,
        )
        self.process = process
        announce(process.pid)
        gate = process.stdin
        if gate is not None:
            with suppress(BrokenPipeError):
                gate.write(b"go\n")
                gate.close()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._await_exit, args=(process, loop), daemon=True).start()

    def _await_exit(self, process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop) -> None:
        process.wait()
        with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(self.exited.set)

    @property
    def running(self) -> bool:
        """Whether a process of this service has been started and not yet been seen to end."""
        return self.process is not None and not self.exited.is_set()

    def terminate(self) -> None:
        """Ask the process to stop. Only the leader is told: how its own children end is its business."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)

    def kill_group(self) -> None:
        """Kill whatever is left of the process's group."""
        if self.process is not None:
            # PermissionError is what macOS says of a group of nothing but zombies.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def bury(self) -> int | None:
        """Clear up after a process that ended, and return its group; None where that is done already."""
        if self.process is None:
            return None
        self.kill_group()
        self.drain()
        process, self.process = self.process, None
        self.exit_code = process.returncode
        return process.pid

    def drain(self) -> None:
        """Hand on the lines that wait in the pipe; not endlessly, however fast they come."""
        for _ in range(MOST_CHUNKS):
            if not self._hear_chunk():
                return

    def _hear_chunk(self) -> bool:
        try:
            chunk = os.read(self.read_fd, 65536)
        except BlockingIOError:
            return False
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        if len(self._partial) > LINE_BYTES:
            lines, self._partial = [*lines, self._partial], b""
        for line in lines:
            self._hear(line)
        return bool(chunk)

    def _hear(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        self.tail.append(text)
        self.on_line(self.service.name, text)

    def close(self) -> None:
        """Hand on the last lines and give the pipe back."""
        self.drain()
        if self._partial:
            self._hear(self._partial)
        asyncio.get_running_loop().remove_reader(self.read_fd)
        os.close(self.read_fd)
        os.close(self.write_fd)

    def how_it_ended(self) -> str:
        """Return the exit in words."""
        if self.exit_code is not None and self.exit_code < 0:
            return f"was killed by {signal.Signals(-self.exit_code).name}"
        return f"ended with exit code {self.exit_code}"
