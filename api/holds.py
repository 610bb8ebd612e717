"""Held connections: what is sent to those who wait, once there is something to say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from api.export import Export
from api.hub import Hub, Waiter
from api.live import Live
from api.problems import PROBLEM_TYPE, body_of, failure_kind
from api.schemas import ChatStatus
from api.sharing import Shared
from api.waiting import Hold
from shared.errors import StoreError, UnknownRequest
from shared.models import FINISHED, ChatRequest
from shared.storage.contract import Store, TenantStore
from shared.storage.types import Deltas
from shared.tasks import end

KEEP_ALIVE_SECONDS = 15.0
FIRST_LOOK_SECONDS = 0.05
AWAY_SECONDS = 1.0
LISTEN_AGAIN_SECONDS = 30.0
RETRY_MS = 1000

Answer = tuple[int, str, bytes]


class Holds:
    """Waits on the event loop for requests to end."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store = store
        self._hub = hub
        self._live = Live(store, hub)
        self._shared = Shared()

    async def result(self, hold: Hold) -> Answer | None:
        """Wait for the end; return (status, content type, body), None when it does not come in time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + hold.seconds
        store = self._store.tenant(hold.tenant)
        with self._hub.waiting(hold.request_id) as waiter:
            if hold.kind == "result":
                # It was accepted a moment ago: a look now would nearly always be in vain.
                await waiter.changed(FIRST_LOOK_SECONDS)
            while True:
                record = await _read(store, hold.request_id)
                if record is not None and record.status in FINISHED:
                    return _told(record, hold)
                left = until - loop.time()
                if left <= 0 or waiter.draining:
                    return _told(record, hold) if record is not None and hold.kind == "status" else None
                await waiter.changed(left)

    def streamed(self, hold: Hold) -> AsyncIterator[bytes]:
        """Return what is sent piece by piece to one who asked for it so."""
        if hold.kind == "export":
            return self.export(hold)
        return self._live.events(hold.tenant) if hold.kind == "live" else self.events(hold)

    async def export(self, hold: Hold) -> AsyncIterator[bytes]:
        """Yield all of a customer, line by line; without a last line of type `end` where this process stops."""
        async for line in Export(self._store.tenant(hold.tenant), hold.customer_id).lines():
            if self._hub.draining:
                return
            yield line

    async def events(self, hold: Hold) -> AsyncIterator[bytes]:
        """Yield server-sent events until the request ends or this process stops."""
        yield f"retry: {RETRY_MS}\n\n".encode()
        store = self._store.tenant(hold.tenant)
        ear: Ear | None = Ear(hold.request_id, hold.request_id, Place.parse(hold.last_event_id))
        while ear is not None:
            listening = asyncio.get_running_loop().create_task(_listen(store, ear.written_at))
            try:
                with self._hub.waiting(ear.request_id, ear.written_at) as waiter:
                    async for event in self._follow(store, ear, waiter):
                        yield event
            finally:
                await end(listening)
            ear = ear.moved

    async def _follow(self, store: TenantStore, ear: Ear, waiter: Waiter) -> AsyncIterator[bytes]:
        request_id, place = ear.request_id, ear.place
        loop = asyncio.get_running_loop()
        spoke = loop.time()
        while not waiter.draining:
            for event in await self._news(store, ear):
                yield event
                spoke = loop.time()
            try:
                record = await self._shared.read((store.tenant, request_id), lambda: _found(store, request_id))
            except StoreError:  # it is away for a moment: that says nothing of the request
                await waiter.changed(AWAY_SECONDS)
                continue
            if record is not None and record.answered_with not in {None, ear.written_at}:
                ear.moved = Ear(request_id, str(record.answered_with), place)
                return
            if record is None or record.status in FINISHED:
                for event in await self._news(store, ear):  # written since it was last read
                    yield event
                yield _last(record, place)
                return
            if loop.time() - spoke > KEEP_ALIVE_SECONDS:
                yield b": still writing\n\n"
                spoke = loop.time()
            await waiter.changed(KEEP_ALIVE_SECONDS)

    async def _news(self, store: TenantStore, ear: Ear) -> list[bytes]:
        request_id, place = ear.written_at, ear.place
        token, offset = place.token, place.offset
        try:
            key = (store.tenant, request_id, token, offset)
            deltas = await self._shared.read(key, lambda: store.read_deltas(request_id, token, offset))
        except StoreError:
            return []
        except UnicodeDecodeError:
            # The id was none of ours: its place lies inside a character. Begin again.
            place.token, place.offset = 0, 0
            return [event("reset", b"{}", place)]
        return _events(deltas, place)


@dataclass(slots=True)
class Ear:
    """A listener to a request; `written_at`: the one whose reply it hears; `moved`: what it is from now on."""

    request_id: str
    written_at: str
    place: Place
    moved: Ear | None = None


class Place:
    """How far a listener has read: attempt (fencing token) and offset in bytes."""

    def __init__(self, token: int, offset: int) -> None:
        self.token = token
        self.offset = offset

    @classmethod
    def parse(cls, text: str | None) -> Place:
        """Return the place an event id names; the beginning where it names none."""
        token, _, offset = (text or "").partition(".")
        numbers = token.isdecimal() and offset.isdecimal() and (token + offset).isascii()
        if numbers and len(token) + len(offset) < 20:  # noqa: PLR2004 - more is no id of ours
            return cls(int(token), int(offset))
        return cls(0, 0)

    def __str__(self) -> str:
        return f"{self.token}.{self.offset}"


def event(name: str, data: bytes, place: Place) -> bytes:
    """Return one server-sent event. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html"""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (str(place).encode(), name.encode(), data)


def _events(deltas: Deltas, place: Place) -> list[bytes]:
    """Return the events that tell a listener of these pieces, and move its place behind them."""
    told = []
    if deltas.token > place.token:
        if place.token > 0:
            told.append(event("reset", b"{}", Place(deltas.token, 0)))
        place.token, place.offset = deltas.token, 0
    if deltas.text and deltas.token == place.token:
        place.offset = deltas.offset + len(deltas.text.encode())
        told.append(event("delta", json.dumps({"text": deltas.text}, ensure_ascii=False).encode(), place))
    return told


def _last(record: ChatRequest | None, place: Place) -> bytes:
    if record is None:
        return event("failed", b'{"type":"unknown-request","detail":"The request is gone."}', place)
    data = ChatStatus.of(record).model_dump_json(by_alias=True, exclude_none=True).encode()
    return event("result" if record.status == "succeeded" else "failed", data, place)


def _told(record: ChatRequest, hold: Hold) -> Answer:
    if record.failure is not None and hold.kind == "result":
        kind = failure_kind(record.failure)
        instance = f"/api/chat/{record.id}"
        return kind.status, PROBLEM_TYPE, body_of(kind, record.failure.detail, instance=instance)
    body = ChatStatus.of(record).model_dump_json(by_alias=True, exclude_none=True)
    return 200, "application/json", body.encode()


async def _read(store: TenantStore, request_id: str) -> ChatRequest | None:
    try:
        return await _found(store, request_id)
    except StoreError:
        return None


async def _found(store: TenantStore, request_id: str) -> ChatRequest | None:
    try:
        return await store.request(request_id)
    except UnknownRequest:
        return None


async def _listen(store: TenantStore, request_id: str) -> None:
    while True:
        with suppress(StoreError):
            await store.listen(request_id)
        await asyncio.sleep(LISTEN_AGAIN_SECONDS)
