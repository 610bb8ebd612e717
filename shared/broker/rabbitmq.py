"""RabbitMQ as the broker: quorum queues, so that what it took survives the loss of a node.

Publishers wait until the broker has the message. Each consumer has a prefetch of its own, for quorum queues know no
other. No turn may last as long as RabbitMQ's `consumer_timeout` (30 minutes): the longest lasts as long as a request's
deadline, and a task handed out a second time after it finds the lease taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from amqp.exceptions import NotFound, PreconditionFailed
from celery import Celery
from celery.worker.consumer import Consumer
from kombu import Connection, Queue
from kombu.transport import pyamqp

from shared.broker.names import EVENTS, QUEUES
from shared.broker.tail import LASTS_SECONDS, MOST_WAITING
from shared.broker.transport import Report, Transport
from shared.settings import Settings

# Handed out this often, a task is dropped: its worker died, or the broker was restarted, each time. Its session is
# woken anew by the reconciler, and what kills workers is judged by the store, not here.
DELIVERY_LIMIT = 20
QUORUM: Mapping[str, Any] = {"x-queue-type": "quorum"}
HEARTBEAT_SECONDS = 30
DELAYED_DELIVERY = "celery.worker.consumer.delayed_delivery:DelayedDelivery"


class SteadyConnection(pyamqp.Connection):
    """A connection whose waits end. After a wait in vain it is let go without a farewell: that, too, would be in vain.

    Nor may it be used again: the answer that comes late would be taken for the answer to what was asked next.
    """

    def blocking_read(self, timeout: float | None = None) -> Any:
        """Read a frame; with no time named, in the time that one answer may take."""
        if timeout is not None:
            return super().blocking_read(timeout)
        try:
            return super().blocking_read(self.read_timeout)
        except TimeoutError:
            self.collect()
            raise


class SteadyTransport(pyamqp.Transport):
    """Kombu's RabbitMQ transport, giving up on a broker that hangs."""

    Connection = SteadyConnection


class SteadySSLTransport(pyamqp.SSLTransport):
    """The same, over TLS."""

    Connection = SteadyConnection


class SteadyConsumer(Consumer):  # type: ignore[misc]  # Celery publishes no types
    """Celery's consumer without delayed delivery, which nothing here asks for.

    Seeing a quorum queue, it would make 28 more of them, one for each bit of a delay.
    """

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]  # as above
        """Celery's steps but one."""

        default_steps = tuple(step for step in Consumer.Blueprint.default_steps if step != DELAYED_DELIVERY)


class RabbitMQ(Transport):
    """RabbitMQ 3.10 or later."""

    kombu: ClassVar = {
        "amqp": "shared.broker.rabbitmq:SteadyTransport",
        "amqps": "shared.broker.rabbitmq:SteadySSLTransport",
    }
    queue_arguments: ClassVar = {**QUORUM, "x-delivery-limit": DELIVERY_LIMIT}
    event_queue_arguments: ClassVar = QUORUM

    def options(self, _settings: Settings, seconds: float) -> dict[str, Any]:
        """Return Kombu's transport options."""
        return {"confirm_publish": True, "read_timeout": seconds, "write_timeout": seconds, "connect_timeout": seconds}

    def configuration(self, _settings: Settings, seconds: float) -> dict[str, Any]:
        """Return settings of Celery that only this broker needs."""
        return {
            "broker_heartbeat": HEARTBEAT_SECONDS,
            "broker_connection_timeout": seconds,
            "worker_consumer": "shared.broker.rabbitmq:SteadyConsumer",
        }

    def tail_queue(self, name: str, pattern: str) -> Queue:
        """Return a queue that its connection takes along, and that ends by itself should nobody consume from it."""
        return Queue(
            name,
            EVENTS,
            routing_key=pattern,
            durable=False,
            exclusive=True,
            auto_delete=True,
            expires=LASTS_SECONDS,
            max_length=MOST_WAITING,
        )

    def depth(self, connection: Connection, queue: str) -> int:
        """Return how many messages wait in a queue. A refusal ends its channel, so one each."""
        try:
            declared = Queue(queue)(connection.channel()).queue_declare(passive=True)
        except NotFound:
            return 0
        return int(declared.message_count)

    def look(self, app: Celery, _settings: Settings) -> Report:
        """Ask the broker for its version, and whether the queues are there and of the right kind."""
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=app.conf.broker_connection_timeout)
            text = f"RabbitMQ {_version(connection)} at {connection.as_uri()} answers"
            kinds = {name: _kind(connection, name) for name in QUEUES}
        missing = [name for name, kind in kinds.items() if kind is None]
        other = [name for name, kind in kinds.items() if kind is False]
        if other:
            mend = f"stop the workers, then rabbitmqctl delete_queue {other[0]}; they make it anew"
            return Report(text, f"not a quorum queue as ours: {', '.join(other)}", mend, fatal=True)
        if missing:
            return Report(text, f"no queue yet: {', '.join(missing)}", "start the workers: they make them")
        return Report(f"{text}, with its {len(kinds)} quorum queues")


def _version(connection: Connection) -> str:
    return str(connection.connection.server_properties.get("version", "of an unknown version"))


def _kind(connection: Connection, name: str) -> bool | None:
    """Return whether a queue is as we declare it; None where there is none. A refusal ends its channel, so one each."""
    queue = Queue(name, routing_key=name, queue_arguments=dict(RabbitMQ.queue_arguments))
    try:
        queue(connection.channel()).queue_declare(passive=True)
        queue(connection.channel()).queue_declare()
    except NotFound:
        return None
    except PreconditionFailed:
        return False
    return True
