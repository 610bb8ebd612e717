"""Hearing events as they are published, by a queue of one's own that goes with its listener, however that ends."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, Final, Protocol
from uuid import uuid4

from celery import Celery
from kombu import Connection, Consumer, Queue

from shared.broker.faults import faults_of
from shared.errors import BrokerAway

# How these queues begin; nobody else's may.
PREFIX: Final = "customer-memory.tail."
# A listener says this often that it is there, and is taken for gone when it has not for so long.
BEAT_SECONDS: Final = 15.0
LASTS_SECONDS: Final = 60
# More events than these wait for no listener.
MOST_WAITING: Final = 10_000
HEARTBEAT_SECONDS: Final = 30
POLL_SECONDS: Final = 1.0
AWAY_SECONDS: Final = 1.0


class TailKeeper(Protocol):
    """What a kind of broker does for such a queue."""

    def tail_queue(self, name: str, pattern: str) -> Queue:
        """Return the queue, not yet declared, that hears what is published under a routing pattern."""

    def keep_tail(self, queue: Queue) -> None:
        """Declare it, or say that its listener is still there. It is bound to a channel."""

    def drop_tail(self, queue: Queue) -> None:
        """Take it away: its listener goes."""


class Tail:
    """Hears what is published under a routing pattern, such as `acme.chat.#`, from now on.

    Args:
        app: the Celery application, which knows the broker.
        keeper: the kind of broker.
        pattern: `*` stands for one word, `#` for any number of them.
        say: is told in words when events may have been missed.

    """

    def __init__(self, app: Celery, keeper: TailKeeper, pattern: str, say: Callable[[str], None]) -> None:
        self._app = app
        self._keeper = keeper
        self._queue = keeper.tail_queue(PREFIX + uuid4().hex, pattern)
        self._say = say
        self._faults = faults_of(app)
        self._bound = False

    def events(self) -> Generator[dict[str, Any] | None]:
        """Yield None once it listens, then events as they come, without end; close it to let the queue go.

        Where the broker goes away it comes back with it: what is published meanwhile is not heard.

        Raises:
            BrokerAway: it did not answer to begin with.

        """
        while True:
            try:
                with self._app.connection_for_read(heartbeat=HEARTBEAT_SECONDS) as connection:
                    yield from self._heard(connection)
            except self._faults as error:
                if not self._bound:
                    raise BrokerAway(f"The broker did not answer: {error}") from error
                self._say(f"The broker went away ({error}). What is published until it is back is not heard.")
                time.sleep(AWAY_SECONDS)

    def _heard(self, connection: Connection) -> Generator[dict[str, Any] | None]:
        came: deque[dict[str, Any]] = deque()
        queue = self._queue(connection.channel())
        self._keeper.keep_tail(queue)
        accepted = ["application/cloudevents+json"]
        # Deaf to its own declaring: the keeper has done that.
        consumer = Consumer(queue.channel, [queue], no_ack=True, accept=accepted, auto_declare=False)
        consumer.register_callback(lambda body, _message: came.append(json.loads(body)))
        try:
            with consumer:
                if not self._bound:
                    yield None
                self._bound, beat = True, time.monotonic() + BEAT_SECONDS
                while True:
                    while came:
                        yield came.popleft()
                    if time.monotonic() >= beat:
                        self._keeper.keep_tail(queue)
                        beat = time.monotonic() + BEAT_SECONDS
                    with suppress(TimeoutError):
                        connection.drain_events(timeout=POLL_SECONDS)
                    if connection.supports_heartbeats:
                        connection.heartbeat_check()
        finally:
            with suppress(*self._faults):
                self._keeper.drop_tail(queue)
