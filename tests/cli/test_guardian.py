"""What the guardian does not do: stop a process that is not the one it was told of."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from cli.guardian import Group, Process, _ps_table, process_table, started_at, stop_groups, watch
from tests.cli.waiting import lives, until

SLEEPER = "import time, sys; print('up', flush=True); time.sleep(600)"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a group of its own."""
    with subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def _add(pid: int) -> str:
    return f'{{"add": {{"name": "s", "layer": 0, "group": {pid}, "grace": 5}}}}'


def test_it_stops_what_it_was_told_of(sleeper: subprocess.Popen[bytes]) -> None:
    """Given an end without goodbye, then the group is stopped; a line cut short does no harm."""
    watch([_add(sleeper.pid), '{"add": {"na'], [])

    assert sleeper.wait(5) == -15


def test_after_a_goodbye_it_stops_nothing(sleeper: subprocess.Popen[bytes]) -> None:
    """Given a goodbye, or word that the group has gone, then nothing is touched."""
    watch([_add(sleeper.pid), '{"bye": true}'], [])
    watch([_add(sleeper.pid), f'{{"gone": {sleeper.pid}}}'], [])

    assert lives(sleeper.pid)


def test_another_process_with_the_same_id_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    """Given a group whose leader's id went to another process since, then that one is not touched."""
    stop_groups([Group("s", 0, sleeper.pid, 5, started="another")])

    assert lives(sleeper.pid)


@pytest.mark.parametrize("read", [process_table, *([_ps_table] if shutil.which("ps") else [])])
def test_the_process_table_tells_processes_apart(
    read: Callable[[], dict[int, Process]], sleeper: subprocess.Popen[bytes]
) -> None:
    """However the table is read, on Linux or as on macOS, a process keeps its group and its start."""
    first, second = read(), read()

    assert first[sleeper.pid] == second[sleeper.pid]
    assert first[sleeper.pid].group == sleeper.pid
    assert first[os.getpid()].started != ""
    assert not first[sleeper.pid].zombie


def test_a_zombie_does_not_run(sleeper: subprocess.Popen[bytes]) -> None:
    """A process that has ended and waits for its parent counts as gone, and keeps nobody waiting."""
    sleeper.kill()
    zombie = until("a zombie", lambda: process_table()[sleeper.pid].zombie)

    assert zombie
    assert started_at(sleeper.pid) is None
    stop_groups([Group("s", 0, sleeper.pid, 60, process_table()[sleeper.pid].started)])
