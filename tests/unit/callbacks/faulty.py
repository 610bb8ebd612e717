"""A receiver that verifies what comes, and misbehaves in three of ten attempts, in every way there is."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final

from standardwebhooks import Webhook

FAULTS: Final = ("500", "timeout", "reset", "301", "429", "410", "slow")
RETRY_AFTER: Final = 900
SHARE: Final = 0.3
ANSWERS: Final = {
    "fine": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "500": "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
    "301": "HTTP/1.1 301 Away\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "429": f"HTTP/1.1 429 Slow\r\nRetry-After: {RETRY_AFTER}\r\nContent-Length: 0\r\n\r\n",
    "410": "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    "slow": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx",
}


@dataclass
class FaultyReceiver:
    """One server; an address is its own endpoint. `never`: addresses whose every attempt fails."""

    secret: str
    random: Random
    port: int = 0
    done: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    ids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    verified: int = 0
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def url(self, number: int, *, never: bool) -> str:
        return f"http://hook.test:{self.port}/{'never' if never else 'mostly'}/{number}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            body = await reader.readexactly(int(headers["content-length"]))
            path = lines[0].split(" ")[1]
            self._verify(path, headers, body)
            kind = self._kind(path)
            self.done[path].append(kind)
            self.faults[kind] += 1
            if kind == "reset":
                writer.transport.abort()
                return
            if kind != "timeout":
                writer.write(ANSWERS[kind].encode())
                await writer.drain()
            if kind in {"timeout", "slow"}:
                await reader.read()  # until the sender has had enough
        finally:
            writer.close()

    def _kind(self, path: str) -> str:
        if path.startswith("/never"):
            return self.random.choice([fault for fault in FAULTS if fault not in {"410", "slow"}])
        return self.random.choice(FAULTS) if self.random.random() < SHARE else "fine"

    def _verify(self, path: str, headers: dict[str, str], body: bytes) -> None:
        try:
            event = Webhook(self.secret).verify(body, headers)
        except Exception:  # noqa: BLE001 - whatever it was, it is counted
            self.refused += 1
            return
        self.verified += 1
        self.ids[path].add(f"{headers['webhook-id']} {event['id']}")


@asynccontextmanager
async def open_receiver(secret: str, seed: int) -> AsyncIterator[FaultyReceiver]:
    """Serve on a free port of this machine."""
    receiver = FaultyReceiver(secret, Random(seed))
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver
