"""A real RabbitMQ node for tests, on free ports, with a folder of its own: never the machine's service.

Where RabbitMQ is not installed, tests that need it are skipped, and fail where CI is set. On Debian and Ubuntu:
`apt install rabbitmq-server` (the service itself need not run).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from kombu import Connection

from cli.embedded import free_port
from tests.support.waiting import wait_for

# Debian's command on the path insists on the machine's own service and its user; the one behind it does not.
PLACES = ("/usr/lib/rabbitmq/bin/rabbitmq-server", shutil.which("rabbitmq-server") or "")


def server_command() -> str:
    """Return the command that starts a node; skip the test where there is none, and fail it in CI."""
    for place in PLACES:
        if place and Path(place).exists():
            return place
    text = "RabbitMQ is not installed"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)


class RabbitMQ:
    """One node. What it has confirmed outlives a kill."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._command = server_command()
        self._folder = folder
        self._epmd_port = free_port()
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            # One scheduler and no busy waiting: tests share the machine.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plugins").write_text("[].\n")
        (folder / "rabbitmq.conf").write_text("log.console = false\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [self._command], env=self._environment, stdout=output, stderr=output, start_new_session=True
            )
        wait_for("RabbitMQ to answer", self._answers, 90)

    @property
    def url(self) -> str:
        """Its address."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def as_broker(self) -> dict[str, str]:
        """Return the settings that make it the broker."""
        return {"BROKER_URL": self.url}

    def purge(self, queue: str) -> None:
        """Empty a queue."""
        with Connection(self.url) as connection:
            connection.default_channel.queue_purge(queue)

    def waiting(self, queue: str) -> int:
        """Return how many messages wait in a queue."""
        with Connection(self.url) as connection:
            return int(connection.default_channel.queue_declare(queue, passive=True).message_count)

    def kill(self) -> None:
        """End it without warning."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """End it and all it started, for good."""
        if self._process is not None:
            self._signal(signal.SIGCONT)
            self.kill()
        # Erlang leaves the daemon that knows the nodes' ports behind.
        if shutil.which("epmd"):
            wait_for("epmd to end", self._end_names, 10)

    def pause(self) -> None:
        """Let it hang: connections stay open and get no answer."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End the pause."""
        self._signal(signal.SIGCONT)

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError((self._folder / "output").read_text(errors="replace"))
        try:
            with Connection(self.url, connect_timeout=2) as connection:
                connection.connect()
        except OSError:
            return False
        return True

    def _end_names(self) -> bool:
        command = ["epmd", "-port", str(self._epmd_port), "-kill"]
        done = subprocess.run(command, env=self._environment, capture_output=True, check=False)
        # It refuses until it has seen that its nodes are gone.
        return b"not allowed" not in done.stdout + done.stderr

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait(30)
            self._process = None
