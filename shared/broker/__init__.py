"""The broker: queue and task names, waking workers, publishing events.

The only package of `shared` that knows Celery and Kombu, and the AWS SDK's SQS and SNS. The broker only wakes. Tasks
carry a session reference and nothing else; losing one costs time, never a turn: the reconciler publishes what is
overdue. What differs between brokers is told by one file each: `redis`, `rabbitmq`, `sqs`.
"""

from shared.broker.app import depths_of, make_celery, make_publisher, make_tail, transport_of
from shared.broker.events import EventPublisher, Publisher
from shared.broker.names import (
    ADVANCE,
    BATCH,
    CALLBACKS,
    CHAT,
    DELIVER,
    DISPATCH,
    DISPATCH_CALLBACKS,
    EVENTS,
    GATHER,
    MAINTENANCE,
    QUARANTINE,
    QUEUES,
    RECONCILE,
    SUMMARIES,
    SUMMARIZE,
)
from shared.broker.tail import Tail
from shared.broker.transport import Report, Transport
from shared.broker.wake import Waker

__all__ = [
    "ADVANCE",
    "BATCH",
    "CALLBACKS",
    "CHAT",
    "DELIVER",
    "DISPATCH",
    "DISPATCH_CALLBACKS",
    "EVENTS",
    "GATHER",
    "MAINTENANCE",
    "QUARANTINE",
    "QUEUES",
    "RECONCILE",
    "SUMMARIES",
    "SUMMARIZE",
    "EventPublisher",
    "Publisher",
    "Report",
    "Tail",
    "Transport",
    "Waker",
    "depths_of",
    "make_celery",
    "make_publisher",
    "make_tail",
    "transport_of",
]
