"""`customer-memory up`: the real embedded store, with stand-ins for web, workers and simulator."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from cli.processes import PROCFILE
from cli.rundir import RunDir
from cli.up import public_url
from tests.cli.running import Process, Running
from tests.cli.waiting import lives, until

ROOT = Path(__file__).parents[2]
KEEPING = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    "save": "",
    "bind": "127.0.0.1",
}
SERVICES = {"simulator", "web", "chat", "quarantine", "maintenance", "summaries", "callbacks", "beat"}


def _ready(running: Running, **env: str) -> Process:
    up = running.up(**env)
    up.says(f"Customer Memory is ready at http://127.0.0.1:{running.port}")
    return up


def _store(running: Running) -> Redis:
    url = running.run_record().redis_url
    assert url is not None
    return Redis.from_url(url, decode_responses=True, socket_timeout=2)


def _valkey(running: Running) -> int:
    return next(group.group for group in running.run_record().groups if group.name == "valkey")


def _answers(store: Redis) -> bool:
    try:
        return bool(store.ping())
    except (RedisError, OSError):
        return False


def test_the_whole_life(running: Running) -> None:
    """Given nothing, `up` starts all in order, tells how to use it, keeps it running, and keeps what was stored."""
    up = _ready(running)

    assert f"curl -s http://127.0.0.1:{running.port}/api/chat" in up.output
    assert str(running.data / "valkey") in up.output
    assert "Claude is SIMULATED (no ANTHROPIC_API_KEY): replies quote only what the service remembered." in up.output
    assert running.record.names("start")[0] == "simulator"
    until("every service", lambda: set(running.record.names("start")) == SERVICES)

    record = RunDir(running.data)
    assert stat.S_IMODE(record.record_path.stat().st_mode) == 0o600
    assert stat.S_IMODE((running.data / "valkey" / "valkey.conf").stat().st_mode) == 0o600
    store = _store(running)
    assert store.config_get(*KEEPING) == KEEPING
    store.set("conversation", "kept")

    os.kill(_valkey(running), signal.SIGKILL)

    up.says("valkey was killed by SIGKILL; starting it again")
    until("the store again", lambda: _answers(store))
    assert store.get("conversation") == "kept"

    valkey = _valkey(running)
    up.signal(signal.SIGTERM)

    assert up.ends() == 0
    stopped = running.record.names("end")
    assert set(stopped) == SERVICES
    assert set(stopped[:2]) == {"web", "beat"}
    assert stopped[-1] == "simulator"
    assert not running.record.living()
    assert not lives(valkey)
    assert not record.record_path.exists()

    again = _ready(running)
    assert _store(running).get("conversation") == "kept"
    again.signal(signal.SIGINT)
    assert again.ends() == 0


def test_two_do_not_share_a_data_folder(running: Running) -> None:
    """Given one that runs, when a second starts on its DATA_DIR, then it says where the first one answers."""
    up = _ready(running)

    second = running.up()

    assert second.ends() == 1
    url = f"http://127.0.0.1:{running.port}"
    assert f"It already runs at {url} (process {up.popen.pid}) with DATA_DIR={running.data}" in second.output
    assert _answers(_store(running)), "the first one is not disturbed"
    up.signal(signal.SIGTERM)
    assert up.ends() == 0


def test_after_a_kill_the_next_one_starts(running: Running) -> None:
    """Given a killed supervisor, when `up` follows at once, then it waits for the guardian, and finds the data."""
    up = _ready(running)
    _store(running).set("conversation", "kept")
    up.signal(signal.SIGKILL)

    again = _ready(running)

    assert _store(running).get("conversation") == "kept"
    again.signal(signal.SIGTERM)
    assert again.ends() == 0
    assert not running.record.living()


def test_after_a_kill_of_every_python_the_next_one_starts(running: Running) -> None:
    """Given that all but the embedded store were killed, when `up` follows, then it stops that store and goes on."""
    up = _ready(running)
    _store(running).set("conversation", "kept")
    orphan, guardian = _valkey(running), running.run_record().guardian
    os.kill(guardian, signal.SIGSTOP)  # Not killed: the supervisor would start another.
    up.signal(signal.SIGKILL)
    up.ends()
    os.kill(guardian, signal.SIGKILL)
    assert lives(orphan)

    again = _ready(running)

    assert "An earlier run was killed" in again.output
    assert not lives(orphan)
    assert _store(running).get("conversation") == "kept"
    again.signal(signal.SIGTERM)
    assert again.ends() == 0
    assert not running.record.living()


def test_redis_url_means_no_embedded_store(running: Running) -> None:
    """Given REDIS_URL and SIMULATOR_URL, then neither a store nor a simulator is started."""
    up = _ready(running, REDIS_URL="redis://127.0.0.1:1/0", SIMULATOR_URL="http://127.0.0.1:1")

    until("the services", lambda: set(running.record.names("start")) >= SERVICES - {"simulator"})
    assert "simulator" not in running.record.names("start")
    assert not (running.data / "valkey").exists()
    assert running.run_record().redis_url is None
    up.signal(signal.SIGTERM)
    assert up.ends() == 0


def test_a_port_in_use_is_said_before_anything_starts(running: Running) -> None:
    """Given a PORT that someone listens on, then `up` names it and starts nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", running.port))
        listener.listen()

        up = running.up()

        assert up.ends() == 1
        assert (
            f"PORT={running.port} cannot be listened on: Address already in use. Set PORT to a free one." in up.output
        )
    assert not running.record.lines


def test_every_settings_error_is_told_at_once(running: Running) -> None:
    """Given two wrong settings, then both are told, a line each, and the exit is 2."""
    up = running.up(PORT="no", WEB_THREADS="0")

    assert up.ends() == 2
    assert [line.split(":")[0] for line in up.output.splitlines()] == ["PORT", "WEB_THREADS"]


def test_the_commands_are_the_procfile_s(running: Running) -> None:
    """What `up` starts is what the Procfile says."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    assert dict(line.split(": ", 1) for line in lines) == {name: item.command for name, item in PROCFILE.items()}


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("fe80::1", "http://[fe80::1]:80"),
        ("example.org", "http://example.org:80"),
    ],
)
def test_the_address_is_one_to_open(host: str, url: str) -> None:
    """Whatever it listens on, the address it prints can be opened on this machine."""
    assert public_url(host, 80) == url


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["up", "--help"]])
def test_help_and_version(command: list[str]) -> None:
    """The command explains itself."""
    argv = [sys.executable, "-m", "cli", *command]
    shown = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)

    assert shown.returncode == 0, f"{shlex.join(command)}: {shown.stderr}"
    assert "customer-memory" in shown.stdout or "Start everything" in shown.stdout
