"""One call: to the addresses that were checked, and to no other.

No redirect is followed, no proxy of the environment asked, no cookie kept. Of the answer to a callback no more than its
status and Retry-After is used; of a platform's, what its adapter looks for. The connection is this call's own.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from shared.callbacks.addresses import may_reach
from shared.callbacks.guard import Guard, NotFound, Pinned
from shared.callbacks.schedule import retry_after
from shared.callbacks.urls import BadTarget
from shared.clock import Clock

CONNECT_SECONDS: Final = 5.0
MOST_READ: Final = 65_536
READ_SECONDS: Final = 1.0

REDIRECTED: Final = "answered with a redirect; callbacks follow none: name the address itself"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call: the status where one came, what went wrong in words, and how long it took.

    `retry_after`: the seconds the receiver asked for. `body`: what it said, where that was to be kept; None: it was
    longer. `headers`: by their names in lower case.
    """

    status: int | None
    error: str | None
    seconds: float
    retry_after: float | None = None
    body: bytes | None = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it."""
        return self.error is None

    @property
    def gone(self) -> bool:
        """Whether the receiver wants nothing more."""
        return self.status == HTTPStatus.GONE


class Sender:
    """Posts bodies to callback addresses. `seconds` is how long an attempt may take, from lookup to status."""

    def __init__(self, guard: Guard, seconds: float, clock: Clock, trust: ssl.SSLContext | None = None) -> None:
        self._guard = guard
        self._seconds = seconds
        self._clock = clock
        self._trust = trust or ssl.create_default_context()

    async def post(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        """Make one attempt; return what came of it, whatever that is."""
        return await self.call("POST", url, headers, body)

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: str | None, keep: int = 0) -> Answer:
        """Make one call; return what came of it, whatever that is, with so many bytes of what was said at most."""
        started = time.monotonic()
        answer = Answer(None, None, 0.0)
        try:
            async with asyncio.timeout(self._seconds):
                pinned = await self._guard.pin(url)
                answer = await self._ask(method, pinned, headers, body, keep)
            error = answer.error
        except (BadTarget, NotFound) as problem:
            error = str(problem)
        except TimeoutError:
            error = f"did not answer in {self._seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            error = _words(problem)
        return replace(answer, error=error, seconds=time.monotonic() - started)

    async def _ask(
        self, method: str, pinned: Pinned, headers: Mapping[str, str], body: str | None, keep: int
    ) -> Answer:
        connector = aiohttp.TCPConnector(
            resolver=_Resolved(pinned),
            ssl=self._trust,
            use_dns_cache=False,
            force_close=True,
            socket_factory=self._socket,
        )
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        ) as session:
            # Else a PUT whose connection breaks is sent again at once, though the first may have been heard.
            session._retry_connection = False  # noqa: SLF001 - there is no other way to say so
            url, sent = URL(pinned.target.url, encoded=True), None if body is None else body.encode()
            async with session.request(method, url, data=sent, headers=headers, allow_redirects=False) as response:
                said = await _read(response, keep) if keep else await _let_finish(response)
                asked = retry_after(response.headers.get("Retry-After"), self._clock())
                told = {name.lower(): value for name, value in response.headers.items()} if keep else {}
                return Answer(response.status, _refusal(response.status), 0.0, asked, said, told)

    def _socket(self, info: Any) -> socket.socket:
        """Make the socket of a connection: the last gate, through which every one of them passes."""
        family, kind, protocol, _, address = info
        if not may_reach(str(address[0]), self._guard.rules.allowed):
            raise OSError("an address that was not checked")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


class _Resolved(AbstractResolver):
    """Knows one name's addresses, as they were checked."""

    def __init__(self, pinned: Pinned) -> None:
        self._pinned = pinned

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses that were checked."""
        del family
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._pinned.addresses
        ]

    async def close(self) -> None:
        """Close nothing."""


async def _let_finish(response: aiohttp.ClientResponse) -> bytes:
    """Read a short answer to its end, so that nobody's handler is cut off; what it says is not looked at."""
    with suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout(READ_SECONDS):
            await response.content.read(MOST_READ)
    return b""


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """Return what an answer says; None where that is longer than so many bytes."""
    said = bytearray()
    while len(said) <= most:
        piece = await response.content.read(most + 1 - len(said))
        if not piece:
            return bytes(said)
        said += piece
    return None


def _refusal(status: int) -> str | None:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    if status == HTTPStatus.GONE:
        return "answered 410 Gone: it wants no more callbacks"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"{REDIRECTED} ({status})"
    return f"answered {status}"


def _words(problem: Exception) -> str:
    """Say what went wrong without what a library would add: names and addresses of our own network are nobody's."""
    table: tuple[tuple[type[Exception], str], ...] = (
        (aiohttp.ConnectionTimeoutError, f"could not be connected to in {CONNECT_SECONDS:g} s"),
        (aiohttp.ClientConnectorCertificateError, "its certificate is not valid for this name"),
        (aiohttp.ClientSSLError, "TLS could not be agreed on"),
        (aiohttp.ClientConnectorError, "could not be connected to"),
        (aiohttp.ServerDisconnectedError, "cut the connection before it answered"),
        (aiohttp.ClientOSError, "cut the connection before it answered"),
        (aiohttp.ClientResponseError, "did not answer in HTTP"),
        (OSError, "could not be connected to"),
    )
    return next((words for kind, words in table if isinstance(problem, kind)), "could not be asked")
