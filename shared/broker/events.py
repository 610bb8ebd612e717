"""Publishing events on a topic exchange."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from celery import Celery
from kombu import Queue
from kombu.exceptions import OperationalError

from shared.broker.faults import faults_of
from shared.broker.names import EVENTS
from shared.rest import Rest

REST_SECONDS = 5.0
DECLARE_SECONDS = 5.0


class Publisher(Protocol):
    """Whoever publishes events; blocking, so it runs on a thread."""

    def publish(self, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Publish (routing key, envelope) pairs, in order."""


class EventPublisher:
    """Publishes events on the topic exchange.

    On Redis a flush drops bindings without a word, and an exchange without bindings swallows what it is given. The
    queues named by EVENT_QUEUES are therefore declared again, every few seconds, before publishing. `tidy` is given the
    channel then, to take away what nobody listens to any more.
    """

    def __init__(
        self,
        app: Celery,
        queues: Iterable[str],
        queue_arguments: Mapping[str, Any] | None = None,
        tidy: Callable[[Any], None] = lambda _: None,
    ) -> None:
        self._app = app
        self._tidy = tidy
        self._faults = faults_of(app)
        self._queues = [
            Queue(name, EVENTS, routing_key=pattern, durable=True, queue_arguments=dict(queue_arguments or {}))
            for name, _, pattern in (binding.partition("=") for binding in queues)
        ]
        self._declared_until = 0.0
        self._rest = Rest(REST_SECONDS)

    def publish(self, events: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Publish (routing key, envelope) pairs, in order.

        After a fault it refuses for some seconds at once: the outbox keeps what is refused, and turns do not wait.

        Raises:
            OperationalError, or another error of the transport: the broker is away; some may have been published.

        """
        if self._rest.lasts:
            raise OperationalError("the broker did not answer a moment ago")
        try:
            self._publish(events)
        except self._faults:
            self._rest.begin()
            raise

    def _publish(self, events: Iterable[tuple[str, dict[str, Any]]]) -> None:
        with self._app.producer_pool.acquire(block=True, timeout=5) as producer:
            if time.monotonic() >= self._declared_until:
                for queue in self._queues:
                    declare_anew(queue(producer.channel))
                self._tidy(producer.channel)
                self._declared_until = time.monotonic() + DECLARE_SECONDS
            for key, event in events:
                producer.publish(
                    json.dumps(event, ensure_ascii=False),
                    exchange=EVENTS,
                    routing_key=key,
                    content_type="application/cloudevents+json",
                    content_encoding="utf-8",
                    message_id=event["id"],
                    delivery_mode="persistent",
                    declare=[EVENTS],
                    retry=True,
                    retry_policy={"max_retries": 1, "interval_start": 0.1},
                )


def declare_anew(queue: Queue) -> None:
    """Declare a queue that is bound to a channel, and its binding, though this process may have done so before."""
    # Kombu's virtual transports remember in the process what they bound, and would not write it again after a flush.
    state = getattr(queue.channel, "state", None)
    if state is not None:
        state.queue_bindings_delete(queue.name)
    queue.declare()
