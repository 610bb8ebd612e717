"""Waiting for described conditions, and looking at processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cli.guardian import started_at
from tests.support.waiting import wait_for

Found = TypeVar("Found")


def until(what: str, look: Callable[[], Found], seconds: float = 15) -> Found:
    """Return what `look` finds, once it finds something true; fail by naming what was waited for."""
    return wait_for(what, look, seconds)


def lives(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    return started_at(pid) is not None


class Record:
    """The file into which services write what happens to them: `name event pid` lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    @property
    def lines(self) -> list[tuple[str, str, int]]:
        """Every line so far."""
        whole = self.path.read_text().splitlines()
        return [(name, event, int(pid)) for name, event, pid in (line.split() for line in whole)]

    def names(self, event: str) -> list[str]:
        """Whom this event happened to, in order."""
        return [name for name, happened, _ in self.lines if happened == event]

    def pids(self, name: str | None = None) -> list[int]:
        """Every process that has started, or those of one service."""
        return [pid for known, event, pid in self.lines if event == "start" and name in {None, known}]

    def living(self) -> list[int]:
        """Every process that has started and still runs."""
        return [pid for pid in self.pids() if lives(pid)]
