"""Lines of many processes on one terminal, each behind its service's name.

A thread of its own writes them: a terminal that is held (Ctrl-S, a pager) must not keep the supervisor from
stopping. When it is held for too long, lines are dropped and counted, not gathered without end.
"""

from __future__ import annotations

import os
import queue
import select
import sys
import threading
from collections.abc import Callable, Sequence

import click

COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_red", "bright_cyan", "bright_yellow")
FLUSH_SECONDS = 1.0
HELD_LINES = 10_000


class Console:
    """Writes to one descriptor, in colour on a terminal.

    Args:
        names: the services, for their colours and the width of the column.
        descriptor: where to write; standard output by default.
        on_broken: called once, from the writing thread, when nobody reads any more.

    """

    def __init__(
        self, names: Sequence[str], *, descriptor: int | None = None, on_broken: Callable[[], None] = lambda: None
    ) -> None:
        self._descriptor = sys.stdout.fileno() if descriptor is None else descriptor
        self._colours = os.isatty(self._descriptor) and "NO_COLOR" not in os.environ
        self._styles = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
        self._width = max(map(len, names), default=0)
        self._on_broken = on_broken
        self._lines: queue.Queue[str | None] = queue.Queue(HELD_LINES)
        self._dropped = 0
        self._writer = threading.Thread(target=self._write, name="console", daemon=True)
        self._writer.start()

    def say(self, text: str = "") -> None:
        """Write a line, or several, of the supervisor's own."""
        self._put(text + "\n")

    def relay(self, name: str, line: str) -> None:
        """Write a line of a service, behind its name."""
        prefix = f"{name:<{self._width}} |"
        if self._colours:
            prefix = click.style(prefix, fg=self._styles.get(name, "white"))
        self._put(f"{prefix} {line}\n")

    def close(self) -> None:
        """Write what waits, for at most FLUSH_SECONDS."""
        try:
            self._lines.put(None, timeout=FLUSH_SECONDS)
        except queue.Full:
            return
        self._writer.join(FLUSH_SECONDS)

    def _put(self, text: str) -> None:
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def _write(self) -> None:
        while (text := self._lines.get()) is not None:
            dropped, self._dropped = self._dropped, 0
            note = f"... {dropped} lines dropped while the terminal was held\n" if dropped else ""
            try:
                _write_all(self._descriptor, (note + text).encode(errors="replace"))
            except OSError:
                self._on_broken()
                return


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # Another process made our shared standard output non-blocking.
            select.select([], [descriptor], [])
