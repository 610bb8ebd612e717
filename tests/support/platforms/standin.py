"""A server that plays a platform: what it keeps, what it was asked, and how it misbehaves."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qs, unquote, urlsplit

By = Literal["customer", "bot", "person"]
FIRST_ID = 1_000


@dataclass
class Said:
    """A message of a conversation. `more`: what a platform keeps beside it, such as a mark."""

    id: str
    text: str
    by: By
    private: bool
    at: float
    more: dict[str, Any] = field(default_factory=dict)


@dataclass
class Conversation:
    """A conversation: its messages, who has it, and what its platform keeps beside."""

    id: str
    handler: Literal["bot", "person"] = "bot"
    said: list[Said] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Told:
    """An answer."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request that changes something. `done`: the platform does it nevertheless.

    `told` None: the connection is cut.
    """

    told: Told | None
    done: bool = False
    to: str = ""
    """A part of the path that it is for; anything where empty."""


@dataclass(frozen=True)
class Webhook:
    """A delivery as the platform posts it."""

    body: bytes
    headers: Mapping[str, str]


CUT = Fault(None)
CUT_AFTER = Fault(None, done=True)
ERROR_AFTER = Fault(Told(502, {"error": "bad gateway"}), done=True)


class StandIn:
    """Listens on loopback, on threads of its own. A platform says what its addresses do in `answer`."""

    name: ClassVar[str]
    forbidden: ClassVar[Told] = Told(401, {"error": "unauthorized"})

    def __init__(self) -> None:
        self.conversations: dict[str, Conversation] = {}
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.before: Callable[[Asked], None] | None = None
        self.after: Callable[[Asked], None] | None = None
        self.token = "token-of-the-bot"
        self._ids = count(FIRST_ID)
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                outer._serve(self, self.rfile.read(length) if length else b"")

            do_GET = do_POST = do_PUT = do_PATCH = _serve  # noqa: N815 - the names that the library asks for

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def begin(self, text: str = "Where is my parcel?") -> Conversation:
        """Let a customer begin a conversation."""
        conversation = Conversation(str(next(self._ids)))
        self.conversations[conversation.id] = conversation
        self.says(conversation, text)
        return conversation

    def says(
        self, conversation: Conversation, text: str, by: By = "customer", *, private: bool = False, **more: Any
    ) -> Said:
        """Add a message."""
        said = Said(str(next(self._ids)), text, by, private, time.time(), more)
        conversation.said.append(said)
        return said

    def replies(self, conversation: Conversation) -> list[str]:
        """Return what the customer sees of us."""
        return [said.text for said in conversation.said if said.by == "bot" and not said.private]

    def notes(self, conversation: Conversation) -> list[str]:
        """Return what only people of the support team see of us."""
        return [said.text for said in conversation.said if said.by == "bot" and said.private]

    def take_over(self, conversation: Conversation) -> None:
        """Let a person take a conversation."""
        conversation.handler = "person"

    def settings(self) -> dict[str, Any]:
        """Return what a hook has to be told, to call this platform and to know its deliveries."""
        raise NotImplementedError

    def secrets(self) -> dict[str, str]:
        """Return the secrets of a hook, by name."""
        raise NotImplementedError

    def place(self, conversation: Conversation) -> str:
        """Return how an adapter names a conversation."""
        return conversation.id

    def webhook(self, conversation: Conversation, said: Said) -> Webhook:
        """Return the delivery that tells of a customer's message, signed."""
        raise NotImplementedError

    def lets_in(self, asked: Asked) -> bool:
        """Return whether a request shows the token."""
        return asked.headers.get("authorization") == f"Bearer {self.token}"

    def answer(self, asked: Asked) -> Told:
        """Do what is asked."""
        raise NotImplementedError

    def changes(self, asked: Asked) -> bool:
        """Return whether a request changes something: those are what faults are for."""
        return asked.method != "GET"

    def _serve(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        parts = urlsplit(handler.path)
        asked = Asked(
            handler.command,
            tuple(unquote(part) for part in parts.path.split("/") if part),
            {name: values[0] for name, values in parse_qs(parts.query).items()},
            {name.lower(): value for name, value in handler.headers.items()},
            json.loads(body) if body else None,
        )
        self.asked.append(asked)
        if self.before is not None:
            self.before(asked)
        with self._lock:
            told = self._told(asked)
        if self.after is not None:
            self.after(asked)
        if told is None:
            # With nothing to linger for, closing resets the connection.
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            handler.connection.close()
            return
        said = b"" if told.body is None else json.dumps(told.body).encode()
        handler.send_response(told.status)
        for name, value in {"content-type": "application/json", **told.headers}.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(said)))
        handler.end_headers()
        handler.wfile.write(said)

    def _told(self, asked: Asked) -> Told | None:
        if not self.lets_in(asked):
            return self.forbidden
        hit = self.changes(asked) and bool(self.faults) and self.faults[0].to in "/".join(asked.path)
        fault = self.faults.pop(0) if hit else None
        if fault is None or fault.done:
            told = self.answer(asked)
        return told if fault is None else fault.told


@contextmanager
def playing(kind: type[StandIn]) -> Iterator[StandIn]:
    """Play a platform for the time of a block."""
    platform = kind()
    try:
        yield platform
    finally:
        platform.close()
