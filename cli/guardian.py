"""Stops what a killed supervisor left behind.

A process of its own, in a session of its own, with nothing but the standard library. It reads its standard input,
whose other end only the supervisor holds. One JSON object a line:

    {"add": {"name": "web", "layer": 3, "group": 4711, "grace": 5.0}}    look after this process group
    {"gone": 4711}                                                       it has ended; forget it
    {"bye": true}                                                        all is stopped; leave

When the input ends without a goodbye, the supervisor is dead: the guardian stops every group it knows of, the
highest layer first. Its arguments are the descriptors of the services' output pipes. It keeps them open, so that a
service that logs while it stops meets no broken pipe, and drains them then.

A group is stopped only if its leader is the very process the guardian was told of, judged by its start time; where
the leader has gone and members live on, the kernel does not give its id to another. What remains open: a system
whose `ps` tells start times by the second (macOS) and gives the same process id out again within that second.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.05
KILL_SECONDS = 5.0

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One line of the process table. `started` compares equal for the same process, and means nothing else."""

    group: int
    started: str
    zombie: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A process group to stop: its leader's id, and how long it may take, in seconds, before it is killed."""

    name: str
    layer: int
    group: int
    grace: float
    started: str


def process_table() -> dict[int, Process]:
    """Return every process of this machine by its id."""
    return _linux_table() if (_PROC / "self" / "stat").exists() else _ps_table()


def started_at(pid: int) -> str | None:
    """Return what tells this process from a later one with the same id; None where it does not run."""
    process = process_table().get(pid)
    return None if process is None or process.zombie else process.started


def stop_groups(groups: Iterable[Group], drains: Sequence[int] = ()) -> None:
    """Stop these groups, the highest layer first: SIGTERM to the leader, its grace, then SIGKILL to the group."""
    ours = [group for group in groups if _is_ours(group)]
    for layer in sorted({group.layer for group in ours}, reverse=True):
        _stop_layer([group for group in ours if group.layer == layer], drains)


def _stop_layer(groups: list[Group], drains: Sequence[int]) -> None:
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(group.group, signal.SIGTERM)
    deadlines = {group: time.monotonic() + group.grace for group in groups}
    while waiting := [group for group in groups if group in deadlines]:
        table = process_table()
        for group in waiting:
            if not _leader_runs(group, table) or time.monotonic() > deadlines[group]:
                del deadlines[group]
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(group.group, signal.SIGKILL)
        _pause(drains)
    give_up = time.monotonic() + KILL_SECONDS
    while time.monotonic() < give_up and any(_members(group, process_table()) for group in groups):
        _pause(drains)


def _is_ours(group: Group) -> bool:
    table = process_table()
    leader = table.get(group.group)
    return leader.started == group.started if leader else _members(group, table)


def _leader_runs(group: Group, table: dict[int, Process]) -> bool:
    leader = table.get(group.group)
    return leader is not None and not leader.zombie


def _members(group: Group, table: dict[int, Process]) -> bool:
    return any(process.group == group.group and not process.zombie for process in table.values())


def _pause(drains: Sequence[int]) -> None:
    """Wait a moment, reading away what the services write meanwhile."""
    until = time.monotonic() + POLL_SECONDS
    open_drains = list(drains)
    while (left := until - time.monotonic()) > 0:
        readable, _, _ = select.select(open_drains, [], [], left)
        for drain in readable:
            try:
                if not os.read(drain, 65536):
                    open_drains.remove(drain)
            except BlockingIOError:
                pass
            except OSError:
                open_drains.remove(drain)


def _linux_table() -> dict[int, Process]:
    table = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # The command's name, in brackets, may hold anything; the fields after it may not.
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                table[int(entry.name)] = Process(int(fields[2]), fields[19], fields[0] in "ZX")
    return table


def _ps_table() -> dict[int, Process]:
    command = ["ps", "-A", "-o", "pid=,pgid=,stat=,lstart="]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - all of it is ours
    table = {}
    for line in listing.splitlines():
        pid, group, state, started = line.split(None, 3)
        table[int(pid)] = Process(int(group), started, state.startswith("Z"))
    return table


def watch(lines: Iterable[str], drains: Sequence[int]) -> None:
    """Follow the supervisor's lines to their end; stop what it left behind, unless it said goodbye."""
    groups: dict[int, Group] = {}
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:
            continue  # Cut short: the supervisor died while it wrote, before it let that process begin.
        if "bye" in message:
            return
        if "gone" in message:
            groups.pop(message["gone"], None)
        if added := message.get("add"):
            started = started_at(added["group"])
            if started is not None:
                groups[added["group"]] = Group(started=started, **added)
    stop_groups(groups.values(), drains)


def main() -> None:
    """Guard until the input ends. Signals are ignored: the guardian must outlive what it guards."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    watch(sys.stdin, [int(argument) for argument in sys.argv[1:]])


if __name__ == "__main__":
    main()
