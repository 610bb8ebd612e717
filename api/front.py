"""The ASGI front: reads bodies, hands each request to Flask on a thread, and holds connections that wait.

With plain WSGI threads a few dozen listeners block the whole API. Here a body is read on the event loop first, so a
slow sender costs no thread; Flask authorises and answers; and an answer that says what to wait for is held here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from a2wsgi import WSGIMiddleware

from api.holds import Answer, Holds
from api.problems import PROBLEM_TYPE, TOO_LARGE, TOO_SLOW, Kind, body_of
from api.request_id import HEADER, request_id_from
from api.waiting import HOLD_HEADER, Hold
from shared.tasks import end

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

BODY_SECONDS = 30.0
STREAMED = frozenset({"stream", "export", "live"})
ALIVE = b'{"status":"alive"}'
_HOLD = HOLD_HEADER.lower().encode()
_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
_REPLACED = frozenset({_HOLD, b"content-type", b"content-length", b"location", b"retry-after"})


class Refused(Exception):
    """The body cannot be taken."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class Front:
    """One HTTP request: body, Flask, and what comes after."""

    def __init__(self, wsgi: Any, holds: Holds, threads: int, most_bytes: int) -> None:
        self._wsgi = WSGIMiddleware(wsgi, workers=threads)
        self._holds = holds
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["path"] == "/healthz" and scope["method"] in {"GET", "HEAD"}:
            # Whether the process is alive is no question for a thread that may wait for the store.
            await _send(send, (200, "application/json", ALIVE), [(b"cache-control", b"no-store"), _named(scope)])
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._read(scope, receive)
        except Refused as refused:
            await _refuse(send, refused.kind, str(refused), _named(scope))
            return
        except TimeoutError:
            await _refuse(send, TOO_SLOW, f"The body did not come within {BODY_SECONDS:g} seconds.", _named(scope))
            return
        if body is None:
            return
        answer = Captured(send)
        await self._wsgi(scope, _replay(body), answer)  # type: ignore[arg-type]  # ASGI's dicts, typed elsewhere
        if answer.hold is not None:
            await self._hold(answer.hold, answer, receive, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        too_large = Refused(TOO_LARGE, f"The body is too large; at most {self._most_bytes:,} bytes are taken.")
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced[:20]) > self._most_bytes:
            raise too_large
        body = bytearray()
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                return None
            body += event.get("body", b"")
            if len(body) > self._most_bytes:
                raise too_large
            if not event.get("more_body"):
                # Flask is told the true length, so that a chunked body is read like any other.
                scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in _BODY_HEADERS]
                scope["headers"].append((b"content-length", str(len(body)).encode()))
                return bytes(body)

    async def _hold(self, hold: Hold, answer: Captured, receive: Receive, send: Send) -> None:
        work = self._stream if hold.kind in STREAMED else self._await
        working = asyncio.ensure_future(work(hold, answer, send))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(leaving)
            await end(working)

    async def _await(self, hold: Hold, answer: Captured, send: Send) -> None:
        told = await self._holds.result(hold)
        if told is None:
            await answer.release()
        else:
            await _send(send, told, answer.headers)

    async def _stream(self, hold: Hold, answer: Captured, send: Send) -> None:
        headers = [pair for pair in answer.headers if pair[0] not in {_HOLD, b"content-length"}]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for event in self._holds.streamed(hold):
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Captured:
    """Flask's answer: passed on as it comes, or kept back where it asks to be held."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._kept: list[Event] = []
        self.hold: Hold | None = None
        self.headers: Headers = []

    async def __call__(self, event: Event) -> None:
        """Take one event of the answer."""
        if event["type"] == "http.response.start":
            self.headers = list(event["headers"])
            asked = dict(self.headers).get(_HOLD)
            if asked is not None:
                self.hold = Hold.model_validate_json(asked)
                event = {**event, "headers": [pair for pair in self.headers if pair[0] != _HOLD]}
        if self.hold is None:
            await self._send(event)
        else:
            self._kept.append(event)

    async def release(self) -> None:
        """Send what was kept back, as it is."""
        for event in self._kept:
            await self._send(event)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _replay(body: bytes) -> Receive:
    async def receive() -> Event:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _send(send: Send, answer: Answer, headers: Headers) -> None:
    status, content_type, body = answer
    kept = [pair for pair in headers if pair[0] not in _REPLACED]
    kept += [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Send, kind: Kind, detail: str, name: tuple[bytes, bytes]) -> None:
    body = body_of(kind, detail, (), name[1].decode())
    await _send(send, (kind.status, PROBLEM_TYPE, body), [name, (b"connection", b"close")])


def _named(scope: Scope) -> tuple[bytes, bytes]:
    """Return the header that names the request, as the Flask side would."""
    given = dict(scope["headers"]).get(HEADER.lower().encode(), b"").decode("latin-1")
    return HEADER.lower().encode(), request_id_from(given).encode()
