"""The broker: queue and task names, waking workers, publishing events.

The only module here that knows Celery and Kombu. The broker only wakes. Tasks carry a session reference and nothing
else; losing one costs time, never a turn: the reconciler publishes what is overdue. The settings avoid the faults of
Celery on Redis that were measured: `acks_late` with prefetch 1, a visibility timeout above the longest turn, restores
looked for each second, remote control left on (without it a full pool stays stuck after the broker restarts).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as redis_transport
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.ids import SessionRef
from shared.settings import Settings

CHAT = "chat"
QUARANTINE = "quarantine"
MAINTENANCE = "maintenance"

ADVANCE = "customer_memory.advance_session"
RECONCILE = "customer_memory.reconcile"

EVENTS = Exchange("customer-memory.events", type="topic", durable=True)

REST_SECONDS = 5.0
DECLARE_SECONDS = 5.0
LOOK_SECONDS = 2.0
BROKER_FAULTS = (OperationalError, OSError, TimeoutError)


def make_celery(settings: Settings, *, socket_seconds: float) -> Celery:
    """Return the Celery application; `socket_seconds` is how long one answer of the broker may take."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = "shared.broker:SteadyTransport"
    app = Celery("customer-memory", broker=settings.broker_address, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=True,
        task_default_queue=CHAT,
        task_queues=[Queue(name, routing_key=name) for name in (CHAT, QUARANTINE, MAINTENANCE)],
        task_routes={RECONCILE: {"queue": MAINTENANCE}},
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_transport(settings, socket_seconds),
        broker_pool_limit=10,
    )
    return app


def _transport(settings: Settings, socket_seconds: float) -> dict[str, Any]:
    return {
        "visibility_timeout": round(max(3600, settings.request_deadline_minutes * 60 + 600)),
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 10,
        "priority_steps": [0],
        "socket_timeout": socket_seconds,
        "socket_connect_timeout": socket_seconds,
        "socket_keepalive": True,
        "retry_on_timeout": False,
    }


class SteadyChannel(redis_transport.Channel):
    """A channel that says of a lost connection that it is lost.

    When the broker goes away, Kombu still puts messages back and acknowledges tasks on channels whose connection is
    gone, and trips over its absence: an AttributeError, which is none of the errors Celery recovers from, so the worker
    ends. Told as the connection error it is, Celery connects again. What was not put back, the reconciler wakes.
    """

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - as the method it replaces
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection to the broker is gone")
        return super()._connparams(asynchronous)  # type: ignore[no-untyped-call]  # Kombu publishes no types


class SteadyTransport(redis_transport.Transport):
    """Kombu's Redis transport, outliving a broker that is away."""

    Channel = SteadyChannel


class Waker:
    """Publishes `advance_session(reference)`: a hint that a session has work."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._rests_until = 0.0
        self._looked_until = 0.0
        self._reached = False

    def wake(self, ref: SessionRef, *, quarantine: bool = False) -> bool:
        """Wake a worker for the session; return False when the broker is away, which only costs time.

        After a fault the broker is left alone for some seconds, so that an accept does not wait for it each time.
        """
        if time.monotonic() < self._rests_until:
            return False
        try:
            self._app.send_task(
                ADVANCE,
                args=[str(ref)],
                queue=QUARANTINE if quarantine else CHAT,
                retry=False,
                ignore_result=True,
            )
        except BROKER_FAULTS:
            self._rests_until = time.monotonic() + REST_SECONDS
            return False
        return True

    def answers(self) -> bool:
        """Return whether the broker can be reached, as last looked, at most some seconds ago."""
        if time.monotonic() >= self._looked_until:
            try:
                with self._app.connection_for_write() as connection:
                    connection.ensure_connection(max_retries=0, timeout=1)
                self._reached = True
            except BROKER_FAULTS:
                self._reached = False
            self._looked_until = time.monotonic() + LOOK_SECONDS
        return self._reached


def _forget_bindings(channel: Any, queue: str) -> None:
    # Kombu's virtual transports remember in the process what they bound, and would not write it again after a flush.
    state = getattr(channel, "state", None)
    if state is not None:
        state.queue_bindings_delete(queue)


class EventPublisher:
    """Publishes events on the topic exchange.

    On Redis a flush drops bindings without a word, and an exchange without bindings swallows what it is given. The
    queues named by EVENT_QUEUES are therefore declared again, every few seconds, before publishing.
    """

    def __init__(self, app: Celery, queues: Iterable[str]) -> None:
        self._app = app
        self._queues = [
            Queue(name, EVENTS, routing_key=pattern, durable=True)
            for name, _, pattern in (binding.partition("=") for binding in queues)
        ]
        self._declared_until = 0.0
        self._rests_until = 0.0

    def publish(self, events: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Publish (routing key, envelope) pairs, in order.

        After a fault it refuses for some seconds at once: the outbox keeps what is refused, and turns do not wait.

        Raises:
            OperationalError, OSError, TimeoutError: the broker is away; some may have been published.

        """
        if time.monotonic() < self._rests_until:
            raise OperationalError("the broker did not answer a moment ago")
        try:
            self._publish(events)
        except BROKER_FAULTS:
            self._rests_until = time.monotonic() + REST_SECONDS
            raise

    def _publish(self, events: Iterable[tuple[str, dict[str, Any]]]) -> None:
        with self._app.producer_pool.acquire(block=True, timeout=5) as producer:
            if time.monotonic() >= self._declared_until:
                for queue in self._queues:
                    _forget_bindings(producer.channel, queue.name)
                    queue(producer.channel).declare()
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
