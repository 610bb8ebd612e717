"""A server that answers as it is told to, so that a client meets what DynamoDB does seldom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any, Final

from shared.storage.dynamodb.address import Address

NAMESPACE: Final = "com.amazonaws.dynamodb.v20120810#"

Answer = bytes | None


def answer(body: Any, status: int = 200, *, date: bool = True) -> bytes:
    """Return an answer as it travels."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(content)}\r\n"
    )
    told = f"Date: {formatdate(usegmt=True)}\r\n" if date else ""
    return f"{head}{told}\r\n".encode() + content


def fault(code: str, status: int = 400, **more: Any) -> bytes:
    """Return a fault as DynamoDB tells it."""
    return answer({"__type": NAMESPACE + code, "Message": "no", **more}, status)


def cancelled(*codes: str | tuple[str, dict[str, Any]]) -> bytes:
    """Return a cancelled transaction with a reason for each of its actions."""
    reasons = [
        {"Code": code} if isinstance(code, str) else {"Code": code[0], "Message": "no", "Item": code[1]}
        for code in codes
    ]
    return fault("TransactionCanceledException", CancellationReasons=reasons)


def cut(whole: bytes, beyond: int = 3) -> bytes:
    """Return an answer whose end is lost: what was asked has happened."""
    return whole[:-beyond]


class FakeDynamoDB:
    """Gives the answers of its script in turn; None: none at all, until the client hangs up."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)

    def says(self, *answers: Answer) -> None:
        """Add to the script."""
        self.script += answers

    @property
    def operations(self) -> Sequence[str]:
        """What it was asked, by name."""
        return [operation for operation, _ in self.asked]

    @property
    def address(self) -> Address:
        """Where it is."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return Address("table", "eu-central-1", f"http://127.0.0.1:{port}", "key", "secret")

    async def stop(self) -> None:
        """End."""
        if self._server is not None:
            self._server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answered(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = [line.split(": ", 1) for line in head.splitlines()[1:] if line]
        fields = {name.lower(): value for name, value in lines}
        asked = json.loads(await reader.readexactly(int(fields["content-length"])))
        self.asked.append((fields["x-amz-target"].rpartition(".")[2], asked))
        said = self.script.pop(0)
        if said is None:
            await reader.read()
            return False
        writer.write(said)
        await writer.drain()
        length = int(said.decode(errors="replace").partition("Content-Length: ")[2].partition("\r")[0])
        return len(said.partition(b"\r\n\r\n")[2]) == length
