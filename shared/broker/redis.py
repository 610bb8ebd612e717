"""Redis or Valkey as the broker.

The options avoid the faults of Celery on Redis that were measured: a visibility timeout above the longest turn,
restores looked for each second. Remote control stays on: without it a full pool stays stuck after the broker restarts.
"""

from __future__ import annotations

from typing import Any, ClassVar

from celery import Celery
from kombu import Connection, Queue
from kombu.transport import redis as redis_transport
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.broker.events import EventPublisher, Publisher
from shared.broker.names import EVENTS
from shared.broker.tail import LASTS_SECONDS, PREFIX
from shared.broker.transport import Report, Transport, visibility_seconds
from shared.settings import Settings


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

    def keep_alive(self, queue: str, seconds: int) -> None:
        """Say that somebody listens to a queue, for so long."""
        with self.conn_or_acquire() as client:
            client.set(_alive(queue), "1", ex=seconds)

    def forget(self, queue: str) -> None:
        """Take that back."""
        with self.conn_or_acquire() as client:
            client.delete(_alive(queue))

    def drop_deserted(self, exchange: str, prefix: str) -> None:
        """Take away queues whose name begins so and whose listener has not been heard of, with their bindings.

        Redis keeps both for ever, and a queue that nobody empties grows with each event.
        """
        table = [each for each in self.get_table(exchange) if each[2].startswith(prefix)]  # type: ignore[no-untyped-call]
        for key, pattern, queue in table:
            with self.conn_or_acquire() as client:
                deserted = not client.exists(_alive(queue))
            if deserted:
                self._delete(queue, exchange, key, pattern)  # type: ignore[no-untyped-call]  # as above


def _alive(queue: str) -> str:
    return f"{queue}:alive"


class SteadyTransport(redis_transport.Transport):
    """Kombu's Redis transport, outliving a broker that is away."""

    Channel = SteadyChannel


class Redis(Transport):
    """Redis or Valkey."""

    kombu: ClassVar = dict.fromkeys(("redis", "rediss"), "shared.broker.redis:SteadyTransport")

    def options(self, settings: Settings, seconds: float) -> dict[str, Any]:
        """Return Kombu's transport options."""
        return {
            "visibility_timeout": visibility_seconds(settings),
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "unacked_mutex_expire": 10,
            "priority_steps": [0],
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "socket_keepalive": True,
            "retry_on_timeout": False,
        }

    def publisher(self, app: Celery, settings: Settings) -> Publisher:
        """Return what publishes events."""
        return EventPublisher(
            app, settings.event_queues, tidy=lambda channel: channel.drop_deserted(EVENTS.name, PREFIX)
        )

    def tail_queue(self, name: str, pattern: str) -> Queue:
        """Return a queue that lasts until its listener drops it, or until publishers find that it has gone."""
        return Queue(name, EVENTS, routing_key=pattern, durable=False, auto_delete=True)

    def keep_tail(self, queue: Queue) -> None:
        """Say that its listener is there, then bind it: a publisher takes away what nobody has spoken for."""
        channel: Any = queue.channel
        channel.keep_alive(queue.name, LASTS_SECONDS)
        super().keep_tail(queue)

    def drop_tail(self, queue: Queue) -> None:
        """Delete it, with its binding, and what was said of its listener."""
        queue.delete()
        channel: Any = queue.channel
        channel.forget(queue.name)

    def depth(self, connection: Connection, queue: str) -> int:
        """Return how many messages wait in a queue; without priorities it is one list of its name."""
        return int(connection.default_channel.client.llen(queue))  # type: ignore[attr-defined]  # of Redis's channels

    def look(self, app: Celery, _settings: Settings) -> Report:
        """Ask the broker how it is."""
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=app.conf.broker_connection_timeout)
            return Report(f"{connection.as_uri()} answers")
