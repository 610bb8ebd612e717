"""The supervisor's end of the guardian (see `cli.guardian`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from cli import guardian
from cli.service import Service

GOODBYE_SECONDS = 5.0
RESTART_SECONDS = 1.0


def _ignore(_pid: int) -> None:
    """Nobody wants to know."""


class Guard:
    """Starts the guardian, tells it what lives, and starts another should it be killed.

    Args:
        drains: the read ends of the services' output pipes.
        keep_fds: descriptors that must stay open until everything is stopped, such as the lock of the data folder.
        on_started: called with the guardian's process id, each time one starts.

    """

    def __init__(
        self,
        drains: Sequence[int] = (),
        keep_fds: Sequence[int] = (),
        on_started: Callable[[int], None] = _ignore,
    ) -> None:
        self._drains = tuple(drains)
        self._keep_fds = tuple(keep_fds)
        self._on_started = on_started
        self._groups: dict[int, dict[str, object]] = {}
        self._lock = threading.Lock()
        self._leaving = False
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start a guardian and tell it of everything that lives."""
        with self._lock:
            if self._leaving:
                return
            # Isolated and without site-packages: it starts in some 20 ms and stays below 10 MB.
            command = [sys.executable, "-I", "-S", guardian.__file__, *map(str, self._drains)]
            self._process = subprocess.Popen(  # noqa: S603 - our own file, our own interpreter
                command, stdin=subprocess.PIPE, start_new_session=True, pass_fds=(*self._drains, *self._keep_fds)
            )
            for group in self._groups.values():
                self._tell({"add": group})
            process = self._process
        self._on_started(process.pid)
        threading.Thread(target=self._watch, args=(process,), daemon=True).start()

    def add(self, service: Service, group: int) -> None:
        """Have this process group looked after."""
        with self._lock:
            self._groups[group] = {
                "name": service.name,
                "layer": service.layer,
                "group": group,
                "grace": service.grace_seconds,
            }
            self._tell({"add": self._groups[group]})

    def gone(self, group: int) -> None:
        """Say that this group has ended."""
        with self._lock:
            self._groups.pop(group, None)
            self._tell({"gone": group})

    def leave(self) -> None:
        """Say that everything is stopped, and wait for the guardian to go."""
        with self._lock:
            self._leaving = True
            self._tell({"bye": True})
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GOODBYE_SECONDS)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Replace a guardian that ended, but not faster than it can be seen."""
        began = time.monotonic()
        process.wait()
        time.sleep(max(0.0, RESTART_SECONDS - (time.monotonic() - began)))
        self.start()

    def _tell(self, message: dict[str, object]) -> None:
        if self._process is None or self._process.stdin is None:
            return
        # A guardian that was killed is replaced, and its successor told everything.
        with suppress(OSError):
            os.write(self._process.stdin.fileno(), (json.dumps(message) + "\n").encode())
