"""Real supervisors and real services, started as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from cli.embedded import free_port
from cli.rundir import RunDir, RunRecord
from tests.cli.waiting import Record, until

SUPERVISED = Path(__file__).with_name("supervised.py")


class Process:
    """A started command whose output goes to a file."""

    def __init__(self, command: list[str], output: Path, **options: Any) -> None:
        self.output_path = output
        with output.open("wb") as sink:
            self.popen = subprocess.Popen(
                command, stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options
            )

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self.output_path.read_text(errors="replace")

    def says(self, text: str, seconds: float = 20) -> None:
        """Wait until it has written this."""
        until(f"{text!r} in the output; got:\n{self.output}", lambda: text in self.output, seconds)

    def signal(self, number: int) -> None:
        """Send a signal to this process alone."""
        self.popen.send_signal(number)

    def ends(self, seconds: float = 20) -> int:
        """Wait until it has ended, and return its exit code."""
        return self.popen.wait(seconds)


class Running:
    """Starts processes, and leaves none behind.

    Attributes:
        record: what the services under them write down.
        data: DATA_DIR of `up`.
        port: PORT of `up`.

    """

    def __init__(self, folder: Path, record: Record, root: Path, standins: Path) -> None:
        self.record = record
        self.data = folder / "data dir"
        self.port = free_port()
        self._folder = folder
        self._standins = standins
        self._processes: list[Process] = []
        self._unread: list[subprocess.Popen[bytes]] = []
        self._env = {name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "BROKER_URL"}}
        self._env |= {"PYTHONPATH": str(root), "RECORD": str(record.path), "DATA_DIR": str(self.data)}
        self._env |= {"PORT": str(self.port), "ANTHROPIC_API_KEY": ""}

    def supervisor(self, *plan: dict[str, Any]) -> Process:
        """Start a supervisor over recorders."""
        return self._start([sys.executable, str(SUPERVISED), str(self.record.path), json.dumps(plan)])

    def unread_supervisor(self, *plan: dict[str, Any]) -> subprocess.Popen[bytes]:
        """Start a supervisor whose output goes into a pipe that nobody reads."""
        command = [sys.executable, str(SUPERVISED), str(self.record.path), json.dumps(plan)]
        popen = subprocess.Popen(command, stdout=subprocess.PIPE, env=self._env, cwd=self._folder)
        self._unread.append(popen)
        return popen

    def supervisor_of_parent(self, *plan: dict[str, Any]) -> Process:
        """Start a parent that starts a supervisor, which is to stop with it."""
        command = [sys.executable, str(SUPERVISED), str(self.record.path), json.dumps(plan)]
        parent = f"import subprocess; subprocess.run({command!r})"
        return self._start([sys.executable, "-c", parent], WATCH_PARENT="1")

    def up(self, **env: str) -> Process:
        """Start `customer-memory up` over the stand-ins of web, workers and simulator."""
        return self._start([sys.executable, "-m", "cli", "up"], cwd=self._standins, **env)

    def demo(self) -> Process:
        """Start `customer-memory demo`, over the real services."""
        return self._start([sys.executable, "-m", "cli", "demo"])

    def run_record(self) -> RunRecord:
        """Return what `up` says of itself in run.json."""
        found = until("a run.json of a living process", RunDir(self.data).running)
        assert found is not None
        return found

    def end(self) -> None:
        """Kill what a failed test left: the supervisors, whose guardians do the rest."""
        for popen in [process.popen for process in self._processes] + self._unread:
            with suppress(ProcessLookupError):
                popen.kill()
            if popen.stdout is not None:
                popen.stdout.close()
            popen.wait()
        for pid in self.record.living():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _start(self, command: list[str], cwd: Path | None = None, **env: str) -> Process:
        output = self._folder / f"output-{len(self._processes)}"
        process = Process(command, output, env={**self._env, **env}, cwd=cwd or self._folder)
        self._processes.append(process)
        return process
