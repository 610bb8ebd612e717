"""What a kind of broker needs told, and what it can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from celery import Celery
from kombu import Connection, Queue
from kombu.transport import TRANSPORT_ALIASES, _transport_cache

from shared.broker.events import EventPublisher, Publisher, declare_anew
from shared.broker.names import QUEUES
from shared.settings import Settings

# The longest turn, and time to spare; and never below what costs nothing.
SPARE_SECONDS = 600
LEAST_VISIBILITY_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Report:
    """How a broker is: a line, and what is amiss with its mend. `fatal`: it cannot serve so."""

    text: str
    amiss: str = ""
    mend: str = ""
    fatal: bool = False


class Transport:
    """One kind of broker. Subclasses tell what differs; this one tells what most have in common."""

    # By each scheme of BROKER_URL: the class that Kombu is to use for it.
    kombu: ClassVar[Mapping[str, str]] = {}
    # Whether workers can be asked over the broker.
    remote_control: ClassVar[bool] = True
    # What our own queues are declared with, and those of EVENT_QUEUES.
    queue_arguments: ClassVar[Mapping[str, Any]] = {}
    event_queue_arguments: ClassVar[Mapping[str, Any]] = {}

    def install(self) -> None:
        """Let Kombu use our class for the schemes, also where it has resolved them to its own already."""
        TRANSPORT_ALIASES.update(self.kombu)
        for scheme in self.kombu:
            _transport_cache.pop(scheme, None)

    def address(self, settings: Settings) -> str:
        """Return the address as Kombu is given it."""
        return settings.broker_address

    def options(self, settings: Settings, seconds: float) -> dict[str, Any]:
        """Return Kombu's transport options; `seconds` is how long one answer may take."""
        raise NotImplementedError

    def configuration(self, _settings: Settings, _seconds: float) -> dict[str, Any]:
        """Return settings of Celery that only this broker needs."""
        return {}

    def publisher(self, app: Celery, settings: Settings) -> Publisher:
        """Return what publishes events."""
        return EventPublisher(app, settings.event_queues, self.event_queue_arguments)

    def tail_queue(self, name: str, pattern: str) -> Queue:
        """Return a queue, not yet declared, for one who only looks on: see `shared.broker.tail`.

        Raises:
            NoTopics: this kind of broker cannot; the text says what to do instead.

        """
        raise NotImplementedError

    def keep_tail(self, queue: Queue) -> None:
        """Declare such a queue, or say that its listener is still there."""
        declare_anew(queue)

    def drop_tail(self, _queue: Queue) -> None:
        """Take such a queue away, where it does not go with its connection."""

    def depths(self, app: Celery, _settings: Settings) -> dict[str, int]:
        """Return how many messages wait in each of our queues, 0 where one was not made yet. Raises as `look`."""
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=0, timeout=1)
            return {name: self.depth(connection, name) for name in QUEUES}

    def depth(self, connection: Connection, queue: str) -> int:
        """Return how many messages wait in a queue."""
        raise NotImplementedError

    def look(self, app: Celery, settings: Settings) -> Report:
        """Ask the broker how it is. Raises whatever the transport raises when it cannot be reached."""
        raise NotImplementedError


def visibility_seconds(settings: Settings) -> int:
    """Return after how long a task that nobody acknowledged is handed out again: longer than any turn."""
    return round(max(LEAST_VISIBILITY_SECONDS, settings.request_deadline_minutes * 60 + SPARE_SECONDS))
