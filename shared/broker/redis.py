"""Redis or Valkey as the broker.

The options avoid the faults of Celery on Redis that were measured: a visibility timeout above the longest turn,
restores looked for each second. Remote control stays on: without it a full pool stays stuck after the broker restarts.
"""

from __future__ import annotations

from typing import Any, ClassVar

from celery import Celery
from kombu.transport import redis as redis_transport
from redis.exceptions import ConnectionError as RedisConnectionError

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

    def look(self, app: Celery, _settings: Settings) -> Report:
        """Ask the broker how it is."""
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=app.conf.broker_connection_timeout)
            return Report(f"{connection.as_uri()} answers")
