"""A stand-in of the service's API, in a thread of its own; tests say how it behaves and look at what it got."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

USAGE = {"input": 350, "output": 120, "total": 470}


@dataclass
class FakeApi:
    """What the stand-in does, and what it has seen.

    Attributes:
        refusals: statuses to answer with first, each once, before a message is taken: (status, Retry-After).
        late: whether a chat is answered 202, to be asked for again.
        failure: the type of failure of every turn.
        scripts: what each connection to an event stream sends before it is cut: (id, event, data) triples.
        seen: the chat messages taken, by customer, in order.
        sessions: the messages recorded, by session.
        exported: what an export sends, chunk by chunk.
        erasing: how often an erasure is not done yet.
        erased: the customers whose erasure was asked for, each time.
        merging: how often a merge is not done yet.
        merged: who was to be merged into whom, each time.
        overlaps: customers of whom two messages were under way at once.

    """

    refusals: list[tuple[int, str]] = field(default_factory=list)
    late: bool = False
    failure: str | None = None
    simulated: bool = True
    scripts: list[list[tuple[str, str, dict[str, Any]]]] = field(default_factory=list)
    seen: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    sessions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    last_ids: list[str | None] = field(default_factory=list)
    exported: list[bytes] = field(default_factory=list)
    erasing: int = 0
    erased: list[str] = field(default_factory=list)
    merging: int = 0
    merged: list[tuple[str, str]] = field(default_factory=list)
    overlaps: set[str] = field(default_factory=set)
    url: str = ""
    _busy: set[str] = field(default_factory=set)
    _results: dict[str, dict[str, Any]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def app(self) -> web.Application:
        """Return the stand-in as an application."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/readyz", self._ready),
                web.get("/healthz", self._ready),
                web.post("/api/chat", self._chat),
                web.get("/api/chat/{id}", self._result),
                web.get("/api/chat/{id}/events", self._events),
                web.post("/api/sessions", self._open),
                web.post("/api/sessions/{id}/messages", self._record),
                web.get("/api/memory", self._memory),
                web.get("/api/customers/{id}/export", self._export),
                web.delete("/api/customers/{id}", self._erase),
                web.post("/api/customers/{id}/merge", self._merge),
            ]
        )
        return app

    async def _ready(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ready", "simulated": self.simulated})

    async def _chat(self, request: web.Request) -> web.Response:
        if self.refusals:
            status, after = self.refusals.pop(0)
            problem = {"type": "https://example.org/problems/busy", "title": "Busy", "status": status}
            return web.json_response(problem, status=status, headers={"Retry-After": after})
        body = await request.json()
        customer = body["customerId"]
        if customer in self._busy:
            self.overlaps.add(customer)
        self._busy.add(customer)
        await asyncio.sleep(0)
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self.seen[customer].append(body["message"])
        identifier = f"req_{next(self._numbers)}"
        session = body.get("sessionId", f"ses_{customer}")
        result = {"sessionId": session, "reply": f"re: {body['message']}", "tokenUsage": USAGE, "simulated": True}
        self._results[identifier] = result
        self._busy.discard(customer)
        accepted = {"requestId": identifier, "sessionId": session, "status": "queued"}
        accepted |= {"statusUrl": f"/api/chat/{identifier}", "eventsUrl": f"/api/chat/{identifier}/events"}
        if self.late or self.failure or "Prefer" not in request.headers:
            return web.json_response(accepted, status=202)
        return web.json_response(result)

    async def _result(self, request: web.Request) -> web.Response:
        identifier = request.match_info["id"]
        if self.failure:
            failure = {"type": self.failure, "detail": "Claude said no"}
            return web.json_response({"requestId": identifier, "status": "failed", "failure": failure})
        return web.json_response({"requestId": identifier, "status": "succeeded", "result": self._results[identifier]})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self.last_ids.append(request.headers.get("Last-Event-ID"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for identifier, name, data in self.scripts.pop(0):
            await response.write(f"id: {identifier}\r\nevent: {name}\r\ndata: {json.dumps(data)}\r\n\r\n".encode())
        if request.transport is not None and self.scripts:
            request.transport.abort()
        return response

    async def _open(self, request: web.Request) -> web.Response:
        body = await request.json()
        identifier = f"ses_{body['customerId']}_{body.get('conversationId', '')}"
        self.bodies.append(body)
        self.sessions[identifier] = []
        return web.json_response({"id": identifier, **body}, status=201)

    async def _record(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.sessions[request.match_info["id"]].append(body)
        return web.json_response(body, status=201)

    async def _export(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for chunk in self.exported:
            await response.write(chunk)
        return response

    async def _erase(self, request: web.Request) -> web.Response:
        self.erased.append(request.match_info["id"])
        if self.erasing:
            self.erasing -= 1
            return web.json_response({"status": "erasing"}, status=202, headers={"Retry-After": "0"})
        return web.Response(status=204)

    async def _merge(self, request: web.Request) -> web.Response:
        self.merged.append((str((await request.json())["from"]), request.match_info["id"]))
        if self.merging:
            self.merging -= 1
            return web.json_response({"status": "merging", "sessionsLeft": 10 * self.merging + 1}, status=202)
        return web.json_response({"status": "merged", "sessionsLeft": 0})

    async def _memory(self, request: web.Request) -> web.Response:
        entry = {"scope": "preference", "key": "language", "value": "en", "customer": request.query["customerId"]}
        return web.json_response([entry])


def serve(fake: FakeApi) -> Callable[[], None]:
    """Serve the stand-in from a thread; return what stops it."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(fake.app())

    async def start() -> str:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}"

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    fake.url = asyncio.run_coroutine_threadsafe(start(), loop).result(10)

    def stop() -> None:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()

    return stop
