"""A thin client of the service's own API, shared by `chat` and `replay`."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from cli.sse import Event, Parser
from shared.errors import CustomerMemoryError

CONNECT_SECONDS = 5.0
# The server holds a request for at most MAX_WAIT_SECONDS, and sends a stream's keep-alive more often than this.
SILENCE_SECONDS = 90.0
TENANT_HEADER = "X-Tenant"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class Unreachable(CustomerMemoryError):
    """The service did not answer, or the connection was cut."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. A list is found in its `items`."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def kind(self) -> str:
        """A stable word for what went wrong: the end of the problem's `type`, else the status."""
        kind = str(self.body.get("type") or "about:blank")
        return str(self.status) if kind == "about:blank" else kind.rstrip("/").rpartition("/")[2]

    @property
    def problem(self) -> str:
        """What went wrong, in words."""
        told = self.body.get("detail") or self.body.get("title") or "the answer says no more"
        fields = [f"{item.get('pointer')}: {item.get('message')}" for item in self.body.get("errors") or []]
        return "; ".join([f"{self.status} {told}", *(each for each in fields if each not in told)])

    @property
    def next(self) -> str | None:
        """Where a list goes on, as its `Link` says (RFC 8288); None at its end."""
        found = re.match(r'<([^>]*)>; rel="next"', self.headers.get("Link", ""))
        return found[1] if found else None

    def retry_after(self, default: float) -> float:
        """Return the seconds that Retry-After asks for, as a number or a date; `default` without one."""
        text = self.headers.get("Retry-After", "")
        try:
            return max(0.0, float(text))
        except ValueError:
            pass
        try:
            return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
        except (TypeError, ValueError):
            return default


class Api:
    """The service at one address, with one key.

    Args:
        url: where it answers, such as `http://127.0.0.1:8080`.
        key: an API key; not needed on loopback while none has been made.
        connections: most connections open at once.
        tenant: whom to act for, with an operator's key.

    """

    def __init__(self, url: str, key: str | None, *, connections: int = 100, tenant: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._headers |= {TENANT_HEADER: tenant} if tenant else {}
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the connections."""
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
            trust_env=urlsplit(self.url).hostname not in LOOPBACK,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        await self._open_session.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and read the whole answer, whatever its status.

        Raises:
            Unreachable: there was none.

        """
        try:
            async with self._open_session.request(
                method, self._at(path), json=body, params=query, headers=headers
            ) as response:
                return Answer(response.status, _object(await response.read()), response.headers)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error

    async def chunks(self, path: str) -> AsyncIterator[bytes]:
        """Yield an answer's bytes as they come.

        Raises:
            Unreachable: the connection was cut, or the answer is a refusal.

        """
        try:
            async with self._open_session.get(self._at(path)) as response:
                if response.status != HTTPStatus.OK:
                    answer = Answer(response.status, _object(await response.read()), response.headers)
                    raise Unreachable(answer.problem)
                async for chunk in response.content.iter_any():
                    yield chunk
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error

    async def events(self, path: str, last_id: str | None) -> AsyncIterator[Event]:
        """Yield the events of a stream, from after `last_id`, until the server ends it.

        Raises:
            Unreachable: the connection was cut, or the stream refused.

        """
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        parser = Parser()
        try:
            async with self._open_session.get(self._at(path), headers=headers) as response:
                if response.status != HTTPStatus.OK:
                    answer = Answer(response.status, _object(await response.read()), response.headers)
                    raise Unreachable(answer.problem)
                async for chunk in response.content.iter_any():
                    for event in parser.feed(chunk):
                        yield event
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error

    @property
    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            message = "use `async with Api(...)`"
            raise RuntimeError(message)
        return self._session

    def _at(self, path: str) -> str:
        """Return the address of a path, or of an address that the service gave: the key goes to no other host."""
        parts = urlsplit(path)
        return f"{self.url}{parts.path}" + (f"?{parts.query}" if parts.query else "")

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"{self.url} did not answer: {error or type(error).__name__}")


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {"items": value}
