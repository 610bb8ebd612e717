"""The whole service as processes of its own, the way a deployment runs it, on free ports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import httpx2
from kombu import Connection, Consumer, Queue
from kombu.exceptions import OperationalError

from cli.embedded import free_port
from shared.broker import EVENTS
from simulator.client import SimulatorControl
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]


class Store(Protocol):
    """A server that a test stores in."""

    def as_store(self) -> Mapping[str, str]:
        """Return the settings that make it the store."""


class Broker(Protocol):
    """A server that a test wakes workers through."""

    def as_broker(self) -> Mapping[str, str]:
        """Return the settings that make it the broker."""

    def purge(self, queue: str) -> None:
        """Empty a queue."""

    def waiting(self, queue: str) -> int:
        """Return how many messages wait in a queue."""


class Stack:
    """A store, a broker and whichever processes a test starts; everything is ended with it."""

    def __init__(self, folder: Path, store: Store, broker: Broker | None = None, **settings: str) -> None:
        self.store = store
        self.broker = broker or cast("Broker", store)
        self.folder = folder
        self.web_port, self.simulator_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.web_port}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._all: list[subprocess.Popen[bytes]] = []
        self.settings = {
            **store.as_store(),
            **self.broker.as_broker(),
            "PORT": str(self.web_port),
            "SIMULATOR_URL": f"http://127.0.0.1:{self.simulator_port}",
            "DATA_DIR": str(folder),
            "LOG_FORMAT": "json",
            "WORKER_CONCURRENCY": "50",
            "PYTHONPATH": str(ROOT),
            **settings,
        }

    @property
    def simulator(self) -> SimulatorControl:
        """The simulator's control."""
        return SimulatorControl(self.settings["SIMULATOR_URL"])

    def start(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a process of the service: `python -m` and the command; its output goes to a file of its name."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=self.folder,
                env={**os.environ, **self.settings, **(env or {})},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes[name] = process
        self._all.append(process)
        return process

    def start_web(self) -> None:
        """Start the web process and the simulator, and wait until they answer."""
        self.start("simulator", "simulator", "--port", str(self.simulator_port))
        self.start("web", "api")
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until the web process and the simulator serve."""
        wait_for("the web process to be ready", lambda: _answers(f"{self.url}/readyz"), 60)
        wait_for("the simulator to be ready", lambda: _answers(f"{self.settings['SIMULATOR_URL']}/healthz"), 60)

    def start_all(self) -> None:
        """Start every process of a deployment."""
        for role in ("chat", "quarantine", "maintenance", "summaries", "callbacks", "beat"):
            self.start(role, "worker", role)
        self.start_web()
        self.wait_worker("chat", "maintenance")

    def start_healer(self) -> None:
        """Start one worker for everything but chat, quarantine and maintenance, and a beat."""
        arguments = ("--pool=threads", "--concurrency=20", "--queues=quarantine,maintenance,summaries,callbacks")
        self.start("healer", "tests.support.all_queues", *arguments)
        self.start("beat", "worker", "beat")

    def wait_worker(self, *names: str) -> None:
        """Wait until workers take tasks."""
        wait_for(f"workers {names} to be ready", lambda: all(" ready." in self.log(name) for name in names), 60)

    def log(self, name: str) -> str:
        """Return what a process wrote so far."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a process and all it started; return its exit code once it ended."""
        process = self._processes[name]
        _signal(process, number)
        return process.wait(60)

    def started(self, name: str) -> bool:
        """Return whether a process of this name was started and runs."""
        return name in self._processes and self.alive(name)

    def alive(self, *names: str) -> bool:
        """Return whether processes run that were started once."""
        return all(self._processes[name].poll() is None for name in names)

    def died(self, name: str, seconds: float = 120) -> int:
        """Wait until a process has ended by itself; return its exit code."""
        return self._processes[name].wait(seconds)

    def close(self) -> None:
        """End everything."""
        for process in self._all:
            _signal(process, signal.SIGKILL)
        for process in self._all:
            process.wait(15)

    def client(self, **headers: str) -> httpx2.Client:
        """Return an HTTP client of the service."""
        return httpx2.Client(base_url=self.url, timeout=60, headers=headers)

    def chat(self, message: str, wait: int = 30, **more: Any) -> httpx2.Response:
        """Post a message and wait for its reply."""
        with self.client(Prefer=f"wait={wait}") as client:
            return client.post("/api/chat", json={"customerId": "cust-1", "message": message, **more})

    def result(self, request_id: str, seconds: float = 60) -> dict[str, Any]:
        """Wait for the end of a request; return its status."""

        def look() -> dict[str, Any] | None:
            with self.client() as client:
                response = client.get(f"/api/chat/{request_id}")
            status: dict[str, Any] = response.json()
            return status if status.get("status") in {"succeeded", "failed"} else None

        return wait_for(f"the end of {request_id}", look, seconds)

    def transcript(self, session_id: str) -> list[tuple[str, str]]:
        """Return (role, content) of every message of a session; a store that is away for a moment is asked again."""

        def look() -> httpx2.Response | None:
            with self.client() as client:
                response = client.get(f"/api/sessions/{session_id}/messages", params={"limit": 200})
            return None if response.status_code == httpx2.codes.SERVICE_UNAVAILABLE else response

        found = wait_for(f"the messages of {session_id}", look).json()
        return [(message["role"], message["content"]) for message in found]


class Heard:
    """Events that were heard so far."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def of(self, request_id: str) -> list[dict[str, Any]]:
        """Return the events of a request so far."""
        return [event for event in self.events if event["data"].get("requestId") == request_id]

    def listen(self) -> None:
        """Take what has come, where nobody does so all the time."""

    def close(self) -> None:
        """Stop listening."""


class EventLog(Heard):
    """Hears every event on the exchange, from a queue of its own, which lasts as long as this or, `lasting`, longer."""

    def __init__(self, url: str, *, lasting: bool = False) -> None:
        super().__init__()
        self._queue = Queue("test-events", EVENTS, routing_key="#", durable=lasting, auto_delete=not lasting)
        self._connection = Connection(url)
        self._stop = threading.Event()
        self._bound = threading.Event()
        self._thread = threading.Thread(target=self._listen_again, daemon=True)
        self._thread.start()
        assert self._bound.wait(15)

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(10)
        self._connection.release()

    def _listen_again(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except (OperationalError, *self._connection.connection_errors):
                self._connection.collect()
                self._stop.wait(0.1)

    def _listen(self) -> None:
        with Consumer(self._connection, [self._queue], callbacks=[self._take], accept=["application/cloudevents+json"]):
            self._bound.set()
            while not self._stop.is_set():
                try:
                    self._connection.drain_events(timeout=0.2)
                except TimeoutError:
                    continue

    def _take(self, body: Any, message: Any) -> None:
        self.events.append(body if isinstance(body, dict) else httpx2.Response(200, content=body).json())
        message.ack()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)
