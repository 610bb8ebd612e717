"""The composition root of a web process: opens the services on the server's own loop, closes them at its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from types import FrameType
from typing import Any

from api.app import create_flask
from api.front import Front, Receive, Scope, Send
from api.holds import Holds
from api.hub import Hub
from api.keys import KeyCache
from api.services import ApiServices
from shared.bridge import Bridge
from shared.broker import Waker, depths_of, make_celery
from shared.callbacks.account import Accounts
from shared.callbacks.guard import Guard, SystemLookup
from shared.callbacks.rules import rules_of
from shared.clock import system_clock
from shared.context.tokens import load_counter
from shared.conversation.noter import Noter
from shared.hooks.hooks import Hooks
from shared.hooks.intake import Intake, IntakeParts
from shared.ids import Ids
from shared.log import set_up_logs
from shared.remembering.semantic import open_recaller
from shared.sealing import sealer_of
from shared.settings import Settings, load_settings
from shared.storage import open_store

BROKER_SECONDS = 1.0
# How long requests are refused at once after one that the store did not answer.
REST_SECONDS = 0.5
# The most bytes one character takes in JSON: two escapes, \uXXXX\uXXXX.
BYTES_PER_CHARACTER = 12
OTHER_BYTES = 65_536


class Application:
    """The ASGI application of one process."""

    def __init__(self, settings: Settings, make_waker: Callable[[Settings], Waker] | None = None) -> None:
        self._settings = settings
        self._make_waker = make_waker or _make_waker
        self._open = AsyncExitStack()
        self._front: Front | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event: the process's lifespan, or a request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and self._front is not None:
            await self._front(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._start()
        except Exception as error:  # noqa: BLE001 - the server is told, and exits with the reason
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        while (await receive())["type"] != "lifespan.shutdown":
            pass
        await self._open.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        settings, loop = self._settings, asyncio.get_running_loop()
        set_up_logs(settings)
        store = await self._open.enter_async_context(open_store(settings, rest=REST_SECONDS))
        hub = Hub()
        following = loop.create_task(hub.follow(store.finished()))
        self._open.callback(following.cancel)
        sealer, counter, ids = sealer_of(settings.secret_keys), load_counter(), Ids()
        intake = IntakeParts(store, ids, system_clock, counter, settings.max_message_chars)
        services = ApiServices(
            settings=settings,
            store=store,
            waker=self._make_waker(settings),
            bridge=Bridge(loop),
            counter=counter,
            clock=system_clock,
            ids=ids,
            recaller=open_recaller(settings),
            keys=KeyCache(store.access),
            accounts=Accounts(store, sealer),
            guard=Guard(rules_of(settings), self._lookup()),
            hooks=Hooks(store, sealer),
            intake=Intake(intake),
            noter=Noter(store, simulated=settings.simulated),
        )
        self._open.push_async_callback(services.noter.close)
        most = BYTES_PER_CHARACTER * settings.max_message_chars + 2 * settings.max_metadata_bytes + OTHER_BYTES
        self._front = Front(create_flask(services), Holds(store, hub), settings.web_threads, most)
        _drain_on_stop(lambda: loop.call_soon_threadsafe(hub.drain))

    def _lookup(self) -> SystemLookup:
        lookup = SystemLookup()
        self._open.callback(lookup.close)
        return lookup


def _make_waker(settings: Settings) -> Waker:
    return Waker(make_celery(settings, socket_seconds=BROKER_SECONDS), partial(depths_of, settings))


def create_application() -> Application:
    """Return the application for the settings of the environment."""
    return Application(load_settings())


def _drain_on_stop(drain: Callable[[], Any]) -> None:
    """Let every held connection end when the server is told to stop: it would wait for them otherwise."""
    for number in (signal.SIGTERM, signal.SIGINT):
        earlier = signal.getsignal(number)

        def stop(received: int, frame: FrameType | None, earlier: Any = earlier) -> None:
            drain()
            if callable(earlier):
                earlier(received, frame)

        signal.signal(number, stop)
