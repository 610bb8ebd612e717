"""The Celery application, and which kind of broker it is given."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from celery import Celery
from kombu import Queue

from shared.broker.events import Publisher
from shared.broker.names import CHAT, DISPATCH, DISPATCH_CALLBACKS, GATHER, MAINTENANCE, QUEUES, RECONCILE
from shared.broker.rabbitmq import RabbitMQ
from shared.broker.redis import Redis
from shared.broker.tail import Tail
from shared.broker.transport import Transport
from shared.errors import SettingsError
from shared.settings import Settings


def transport_of(settings: Settings) -> Transport:
    """Return the kind of broker that the settings name.

    Raises:
        SettingsError: they name none, and the store cannot be one.

    """
    scheme = urlsplit(settings.broker_address).scheme
    if scheme == "sqs":
        from shared.broker.sqs import SQS  # noqa: PLC0415 - the AWS SDK takes long to import; no other broker needs it

        return SQS()
    for kind in (Redis(), RabbitMQ()):
        if scheme in kind.kombu:
            return kind
    raise SettingsError(f"BROKER_URL is not set, and a store at {scheme}:// is no broker; set BROKER_URL")


def make_celery(settings: Settings, *, socket_seconds: float) -> Celery:
    """Return the Celery application; `socket_seconds` is how long one answer of the broker may take."""
    transport = transport_of(settings)
    transport.install()
    app = Celery("customer-memory", broker=transport.address(settings), set_as_current=False)
    arguments = dict(transport.queue_arguments)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=True,
        task_default_queue=CHAT,
        task_queues=[Queue(name, routing_key=name, queue_arguments=arguments) for name in QUEUES],
        task_routes={task: {"queue": MAINTENANCE} for task in (RECONCILE, DISPATCH, GATHER, DISPATCH_CALLBACKS)},
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=transport.remote_control,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=transport.options(settings, socket_seconds),
        broker_pool_limit=10,
    )
    app.conf.update(transport.configuration(settings, socket_seconds))
    return app


def depths_of(settings: Settings, app: Celery) -> dict[str, int]:
    """Return how many messages wait in each queue. Raises whatever the transport raises when it is away."""
    return transport_of(settings).depths(app, settings)


def make_publisher(app: Celery, settings: Settings) -> Publisher:
    """Return what publishes events on this broker."""
    return transport_of(settings).publisher(app, settings)


def make_tail(app: Celery, settings: Settings, pattern: str, say: Callable[[str], None]) -> Tail:
    """Return what hears events as they are published; `say` is told when some may have been missed.

    Raises:
        NoTopics: this kind of broker cannot be listened to from here; the text says what to do instead.

    """
    return Tail(app, transport_of(settings), pattern, say)
