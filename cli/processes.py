"""The processes of the service: the `Procfile`'s own commands, and how to treat each of them."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from cli.service import Ready, Service

PROBE_SECONDS = 2.0


class Treatment(NamedTuple):
    """A process of the Procfile: its command, its layer (0 is the embedded store), and its seconds to stop in."""

    command: str
    layer: int
    grace_seconds: float


# The simulator is not in the Procfile: it stands in where there is no Claude key.
SIMULATOR = Treatment("python -m simulator --host 127.0.0.1 --port {port} --no-record", 1, 3)

# Web and beat stop before the workers: nothing new comes in while these finish what they have. A worker that does not
# finish in time is killed; another takes its turns over after LEASE_SECONDS.
PROCFILE = {
    "web": Treatment("python -m api", 3, 8),
    "worker": Treatment("python -m worker chat", 2, 20),
    "quarantine": Treatment("python -m worker quarantine", 2, 20),
    "maintenance": Treatment("python -m worker maintenance", 2, 10),
    "summaries": Treatment("python -m worker summaries", 2, 10),
    "callbacks": Treatment("python -m worker callbacks", 2, 20),
    "beat": Treatment("python -m worker beat", 3, 5),
}


def service(name: str, treatment: Treatment, env: Mapping[str, str], ready: Ready | None = None) -> Service:
    """Return one process as a service. `python` is the interpreter that runs this."""
    program, *arguments = shlex.split(treatment.command)
    argv = (sys.executable if program == "python" else program, *arguments)
    return Service(
        name=name, argv=argv, env=env, layer=treatment.layer, ready=ready, grace_seconds=treatment.grace_seconds
    )


def answers(url: str) -> Ready:
    """Return a check that tells whether this address answers 200."""
    return partial(_answers, url)


def exists(path: Path) -> Ready:
    """Return a check that tells whether this file is there: some processes say by one that they are ready."""

    async def look() -> bool:
        return await asyncio.to_thread(path.exists)

    return look


async def _answers(url: str) -> bool:
    parts = urlsplit(url)
    with suppress(OSError, TimeoutError, ValueError, IndexError):
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
                status = await reader.readline()
            finally:
                writer.close()
            return int(status.split()[1]) == HTTPStatus.OK
    return False
