"""The service as `customer-memory up` runs it, in a folder that is thrown away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cli.embedded import free_port

START_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Running:
    """Where the service and its parts are, and how many seconds it took to be ready."""

    url: str
    redis_url: str
    broker_url: str
    simulator_url: str | None
    start_seconds: float


@contextmanager
def running_service(**settings: str) -> Iterator[Running]:
    """Start everything with `customer-memory up`, without a Claude key; stop it at the end."""
    with TemporaryDirectory() as folder:
        environment = {
            name: value for name, value in os.environ.items() if name not in {"ANTHROPIC_API_KEY", "REDIS_URL"}
        }
        environment |= {"PORT": str(free_port()), "DATA_DIR": folder, "LOG_LEVEL": "WARNING", **settings}
        log = (Path(folder) / "up.log").open("wb")
        began = time.monotonic()
        process = subprocess.Popen([sys.executable, "-m", "cli", "up"], env=environment, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{environment['PORT']}"
            _wait_ready(process, url, Path(folder))
            took = time.monotonic() - began
            record: dict[str, Any] = json.loads((Path(folder) / "run.json").read_text())
            yield Running(url, record["redisUrl"], record["brokerUrl"], record.get("simulatorUrl"), took)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            log.close()


def _wait_ready(process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError((folder / "up.log").read_text(errors="replace"))
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                break
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    # The first turn opens what turns need; what follows is the steady state.
    body = json.dumps({"customerId": "first", "message": "Hello"}).encode()
    headers = {"Content-Type": "application/json", "Prefer": "wait=60"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/api/chat", body, headers), timeout=90) as response:
        response.read()
