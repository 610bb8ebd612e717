"""The supervisor, over real processes: ordered start and stop, restarts, and nothing left behind."""

from __future__ import annotations

import os
import signal

import pytest

from tests.cli.running import Running
from tests.cli.waiting import lives, until

THREE_LAYERS = (
    {"name": "store", "layer": 0},
    {"name": "worker", "layer": 1, "habits": ["child"]},
    {"name": "web", "layer": 2},
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_starts_in_order_and_stops_in_the_reverse_order(running: Running, number: int) -> None:
    """Given three layers, when a signal asks to stop, then each ends before the next is told, and the exit is 0."""
    supervisor = running.supervisor(*THREE_LAYERS)
    supervisor.says("READY")

    supervisor.signal(number)
    if number != signal.SIGINT:  # A closing terminal, or a process manager, tells more than once.
        supervisor.signal(number)

    assert supervisor.ends() == 0
    assert [name for name in running.record.names("start") if name != "worker-child"] == ["store", "worker", "web"]
    stopped = [(name, event) for name, event, _ in running.record.lines if event in {"stop", "end"}]
    assert stopped == [(name, event) for name in ("web", "worker", "store") for event in ("stop", "end")]
    assert not running.record.living(), "a grandchild that ignores SIGTERM is gone too"


def test_a_killed_supervisor_leaves_nothing_behind(running: Running) -> None:
    """Given a supervisor, when it dies by SIGKILL, then its guardian stops all it started, in order."""
    supervisor = running.supervisor(*THREE_LAYERS)
    supervisor.says("READY")
    until("the grandchild", lambda: running.record.pids("worker-child"))

    supervisor.signal(signal.SIGKILL)

    until("every process gone", lambda: not running.record.living())
    assert running.record.names("end") == ["web", "worker", "store"]


def test_a_killed_guardian_is_replaced(running: Running) -> None:
    """Given a guardian that was killed, when the supervisor is killed after it, then still nothing is left."""
    supervisor = running.supervisor(*THREE_LAYERS)
    supervisor.says("READY")
    guardians = _guardians(supervisor.output)
    os.kill(guardians[0], signal.SIGKILL)
    successor = until(
        "another guardian", lambda: [pid for pid in _guardians(supervisor.output) if pid not in guardians]
    )

    supervisor.signal(signal.SIGKILL)

    until("every process gone", lambda: not running.record.living())
    until("the guardian gone", lambda: not lives(successor[0]))
    assert running.record.names("end") == ["web", "worker", "store"]


def test_stops_with_its_parent(running: Running) -> None:
    """Given a supervisor that watches its parent, when that is killed, then everything stops in order."""
    parent = running.supervisor_of_parent(*THREE_LAYERS)
    parent.says("READY")

    parent.signal(signal.SIGKILL)

    until("every process gone", lambda: not running.record.living())
    assert running.record.names("end") == ["web", "worker", "store"]


def test_a_crashed_service_comes_back(running: Running) -> None:
    """Given a running service, when it is killed, then its own children go, and it starts again."""
    supervisor = running.supervisor(*THREE_LAYERS)
    supervisor.says("READY")
    child = until("the grandchild", lambda: running.record.pids("worker-child"))[0]

    os.kill(running.record.pids("worker")[0], signal.SIGKILL)

    until("another worker", lambda: len(running.record.pids("worker")) == 2)
    until("the old grandchild gone", lambda: not lives(child))
    supervisor.says("worker was killed by SIGKILL; starting it again")
    supervisor.signal(signal.SIGTERM)
    assert supervisor.ends() == 0
    assert not running.record.living()


def test_gives_up_on_a_service_that_keeps_crashing(running: Running) -> None:
    """Given a service that exits at once, when it has done so often, then all is stopped and its reason shown."""
    supervisor = running.supervisor({"name": "store"}, {"name": "web", "layer": 1, "habits": ["broken"]})

    assert supervisor.ends() == 1
    assert "web ended with exit code 3, 3 times in a row" in supervisor.output
    assert "    the reason why" in supervisor.output
    assert running.record.names("end") == ["store"]


def test_gives_up_on_a_service_that_never_serves(running: Running) -> None:
    """Given a service that runs but does not get ready in its time, then all is stopped, and it is named."""
    supervisor = running.supervisor(
        {"name": "store"}, {"name": "web", "layer": 1, "serves": False, "ready_seconds": 0.5}
    )

    assert supervisor.ends() == 1
    assert "web was not ready within 0.5 s" in supervisor.output
    assert not running.record.living()


def test_can_be_stopped_while_it_starts(running: Running) -> None:
    """Given a layer that is not ready yet, when asked to stop, then what has started stops and nothing more starts."""
    supervisor = running.supervisor({"name": "store", "serves": False}, {"name": "web", "layer": 1})
    until("the store", lambda: running.record.names("start") == ["store"])

    supervisor.signal(signal.SIGTERM)

    assert supervisor.ends() == 0
    assert [(name, event) for name, event, _ in running.record.lines] == [
        ("store", "start"),
        ("store", "stop"),
        ("store", "end"),
    ]


def test_a_second_signal_hurries(running: Running) -> None:
    """Given a service that ignores SIGTERM, when asked to stop twice, then it is killed before its grace is over."""
    supervisor = running.supervisor(
        {"name": "store"}, {"name": "web", "layer": 1, "habits": ["stubborn"], "grace": 600}
    )
    supervisor.says("READY")
    supervisor.signal(signal.SIGINT)
    until("web being asked", lambda: running.record.names("stop") == ["web"])

    supervisor.signal(signal.SIGINT)

    assert supervisor.ends() == 0
    assert not running.record.living()


def test_a_service_that_overstays_its_grace_is_killed(running: Running) -> None:
    """Given a service that ignores SIGTERM, when its grace is over, then it is killed and the rest stops."""
    supervisor = running.supervisor(
        {"name": "store"}, {"name": "web", "layer": 1, "habits": ["stubborn"], "grace": 0.1}
    )
    supervisor.says("READY")
    supervisor.signal(signal.SIGTERM)

    assert supervisor.ends() == 0
    assert "web did not stop in 0.1 s; killing it." in supervisor.output
    assert running.record.names("end") == ["store"]


def test_a_terminal_that_is_held_does_not_keep_it_from_stopping(running: Running) -> None:
    """Given services that write faster than anyone reads, when asked to stop, then it stops."""
    supervisor = running.unread_supervisor({"name": "store"}, {"name": "web", "layer": 1, "habits": ["chatty"]})
    until("both services", lambda: running.record.names("start") == ["store", "web"])

    supervisor.send_signal(signal.SIGTERM)

    assert supervisor.wait(20) == 0
    assert not running.record.living()


def test_stops_when_nobody_reads_its_output(running: Running) -> None:
    """Given output into a pipe, when its reader leaves, then everything stops."""
    supervisor = running.unread_supervisor({"name": "store"}, {"name": "web", "layer": 1, "habits": ["chatty"]})
    until("both services", lambda: running.record.names("start") == ["store", "web"])

    assert supervisor.stdout is not None
    supervisor.stdout.close()

    assert supervisor.wait(20) == 0
    assert running.record.names("end") == ["web", "store"]


def _guardians(output: str) -> list[int]:
    return [int(line.split()[1]) for line in output.splitlines() if line.startswith("guardian ")]
