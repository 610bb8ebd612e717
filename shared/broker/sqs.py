"""SQS as the broker.

Tasks are a few hundred bytes of ids, far from SQS's limit of 256 KB. Workers cannot be asked over SQS: remote control
would need a queue for each process and a topic to reach them, so it is off. SQS routes nothing either: events go to an
SNS topic (`shared.broker.sns`).
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any, ClassVar

from botocore.client import Config
from botocore.exceptions import ClientError
from celery import Celery
from kombu import Queue
from kombu.asynchronous.aws.sqs.connection import AsyncSQSConnection
from kombu.log import get_logger
from kombu.transport import SQS as sqs_transport  # noqa: N811 - a module
from vine import promise

from shared.broker.aws import Access, access_of
from shared.broker.events import Publisher
from shared.broker.names import QUEUES
from shared.broker.sns import NoPublisher, TopicPublisher, look_topic
from shared.broker.transport import Report, Transport, visibility_seconds
from shared.errors import NoTopics
from shared.settings import Settings

log = get_logger("customer_memory.sqs")

SUBSCRIBE = """\
SQS routes nothing by topic: where it is the broker, events go to the SNS topic of EVENTS_TOPIC_ARN. Subscribe a queue:
  QUEUE=$(aws sqs create-queue --queue-name tail --query QueueUrl --output text)
  aws sns subscribe --topic-arn "$EVENTS_TOPIC_ARN" --protocol sqs --notification-endpoint "$QUEUE_ARN" \\
      --attributes RawMessageDelivery=true
  aws sqs receive-message --queue-url "$QUEUE" --wait-time-seconds 20
and delete both when you are done. The queue's policy must let the topic send: docs/how-to/subscribe-to-events.md"""

DEAD = "dead"
DEPTH = "ApproximateNumberOfMessages"
# A task comes back when its worker died, once each visibility timeout; its session has long been woken by the
# reconciler, and what kills workers is judged by the store. So this only ends what would come back for ever.
MOST_RECEIVES = 5
DEAD_SECONDS = 14 * 24 * 3600
MOST_VISIBILITY_SECONDS = 43_200
# Long enough to be cheap. A worker told to stop need not wait for the end of a poll.
WAIT_SECONDS = 10
# Between two polls, and between two looks whether the full pool has room.
PAUSE_SECONDS = 0.1
REST_SECONDS = 2.0
TOPIC_SECONDS = 5.0


class SteadyPolls(AsyncSQSConnection):  # type: ignore[misc]  # Kombu publishes no types
    """What polls: hands an error on as an answer, for raised here it would end the worker."""

    def _on_list_ready(self, *given: Any) -> Any:
        try:
            return super()._on_list_ready(*given)
        except Exception as error:  # noqa: BLE001 - Kombu raises no other
            return error


class SteadyChannel(sqs_transport.Channel):  # type: ignore[misc]  # as above
    """A channel that makes its queues with a dead-letter queue, and goes on polling whatever SQS answers.

    Kombu's own ends the worker when SQS answers a poll with an error: a 5xx is taken for a list of messages that has no
    `get`, and anything else (throttled, a token just expired, a queue deleted) is raised as a bare Exception.
    """

    def asynsqs(self, queue: str | None = None) -> SteadyPolls:
        """Return what polls a queue."""
        polls: dict[str | None, SteadyPolls] = self._predefined_queue_async_clients
        if queue not in polls:
            polls[queue] = SteadyPolls(self.sqs(queue=queue), region=self.region)
        return polls[queue]

    def _new_boto_client(self, service: str, **_given: Any) -> Any:
        config: Config | None = _given.get("config")
        return self._access.client(service, config)

    @property
    def _access(self) -> Access:
        access: Access = self.transport_options["access"]
        return access

    @cached_property
    def region(self) -> str | None:
        """The region that the settings name."""
        return self._access.region

    def _update_queue_cache(self, queue_name_prefix: str) -> None:
        super()._update_queue_cache(queue_name_prefix)
        # With its queues named, Kombu asks nothing of SQS so far; but to have connected is to have been answered.
        for name, queue in list(self.predefined_queues.items())[:1]:
            self.sqs(queue=name).get_queue_attributes(QueueUrl=queue["url"], AttributeNames=["QueueArn"])

    def _create_queue(self, queue_name: str, attributes: dict[str, str]) -> Any:
        return super()._create_queue(queue_name, {**attributes, "RedrivePolicy": self._redrive_policy()})

    def _redrive_policy(self) -> str:
        name = self.canonical_queue_name(DEAD)
        made = self.sqs().create_queue(
            QueueName=name,
            Attributes={"MessageRetentionPeriod": str(DEAD_SECONDS)},
            tags=self.transport_options["queue_tags"],
        )
        asked = self.sqs().get_queue_attributes(QueueUrl=made["QueueUrl"], AttributeNames=["QueueArn"])
        arn = asked["Attributes"]["QueueArn"]
        return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": str(MOST_RECEIVES)})

    def _schedule_queue(self, queue: str) -> None:
        if queue not in self._active_queues:
            return
        if not self.qos.can_consume():
            self._loop1(queue)
            return
        try:
            self._get_bulk_async(queue, callback=promise(self._loop1, (queue,), on_error=self._poll_failed))
        except Exception as error:  # noqa: BLE001 - whatever it was, polling goes on
            self._poll_failed(queue, error)

    def _poll_failed(self, queue: str, error: Exception) -> None:
        log.warning("a poll of %s failed, and is tried again: %s", queue, error)
        # The queue may have been deleted, or made anew: look it up again.
        self._queue_cache.pop(self.canonical_queue_name(queue), None)
        self.hub.call_later(REST_SECONDS, self._schedule_queue, queue)

    def _on_messages_ready(self, queue: str, qname: str, messages: Any) -> Any:
        if not isinstance(messages, dict):
            raise messages if isinstance(messages, Exception) else OSError("SQS did not answer")
        return super()._on_messages_ready(queue, qname, messages)


class SteadyTransport(sqs_transport.Transport):  # type: ignore[misc]  # as above
    """Kombu's SQS transport, going on whatever SQS answers."""

    Channel = SteadyChannel
    polling_interval = PAUSE_SECONDS
    # A refusal may pass, as that of a token that has just expired: Celery connects again.
    channel_errors = (*sqs_transport.Transport.channel_errors, ClientError)


class SQS(Transport):
    """Amazon's queue service, or an emulator of it."""

    kombu: ClassVar = {"sqs": "shared.broker.sqs:SteadyTransport"}
    remote_control = False

    def address(self, _settings: Settings) -> str:
        """Return the address as Kombu is given it: how SQS is reached is in the options, secrets and all."""
        return "sqs://"

    def options(self, settings: Settings, seconds: float) -> dict[str, Any]:
        """Return Kombu's transport options."""
        options = {
            "access": access_of(settings, seconds),
            "visibility_timeout": min(visibility_seconds(settings), MOST_VISIBILITY_SECONDS),
            "wait_time_seconds": WAIT_SECONDS,
            "polling_interval": PAUSE_SECONDS,
            "queue_name_prefix": settings.sqs_queue_prefix,
            "queue_tags": {"application": "customer-memory"},
            # To publish is tried once; a worker connects again for as long as Celery's own settings say.
            "max_retries": 0,
        }
        if settings.sqs_queue_urls:
            named = (binding.partition("=") for binding in settings.sqs_queue_urls)
            options |= {"predefined_queues": {name: {"url": url} for name, _, url in named}, "queue_name_prefix": ""}
        return options

    def configuration(self, _settings: Settings, seconds: float) -> dict[str, Any]:
        """Return settings of Celery that only this broker needs."""
        return {"broker_connection_timeout": seconds}

    def depths(self, app: Celery, settings: Settings) -> dict[str, int]:
        """Return about how many messages wait in each queue: SQS counts them now and then."""
        access: Access = app.conf.broker_transport_options["access"]
        client = access.client("sqs")
        found = {name: _look_queue(client, name, settings, DEPTH) for name in QUEUES}
        return {name: int(got[DEPTH]) if got else 0 for name, got in found.items()}

    def publisher(self, _app: Celery, settings: Settings) -> Publisher:
        """Return what publishes events."""
        if settings.events_topic_arn is None:
            return NoPublisher()
        return TopicPublisher(access_of(settings, TOPIC_SECONDS), settings.events_topic_arn)

    def tail_queue(self, _name: str, _pattern: str) -> Queue:
        """Refuse: a queue of one's own, and its subscription, are made with rights that the service need not have."""
        raise NoTopics(SUBSCRIBE)

    def look(self, app: Celery, settings: Settings) -> Report:
        """Ask for the queues and what is set on them, and for the topic."""
        access: Access = app.conf.broker_transport_options["access"]
        client = access.client("sqs")
        found = {name: _look_queue(client, name, settings) for name in QUEUES}
        text = f"SQS in {access.region} answers" + (f" at {access.endpoint}" if access.endpoint else "")
        missing = [name for name, attributes in found.items() if attributes is None]
        if missing:
            return Report(text, f"no queue yet: {', '.join(missing)}", "start the workers: they make them")
        least = min(visibility_seconds(settings), MOST_VISIBILITY_SECONDS)
        short = [name for name, got in found.items() if got and int(got["VisibilityTimeout"]) < least]
        if short:
            mend = f"set VisibilityTimeout to {least} or more"
            return Report(text, f"visibility timeout below the longest turn: {', '.join(short)}", mend)
        undying = [name for name, got in found.items() if got and "RedrivePolicy" not in got]
        if undying:
            mend = f"set a RedrivePolicy with maxReceiveCount {MOST_RECEIVES}"
            return Report(text, f"no dead-letter queue behind: {', '.join(undying)}", mend)
        return look_topic(
            access, settings, f"{text}, with its {len(found)} queues and the dead-letter queue behind them"
        )


def _look_queue(client: Any, name: str, settings: Settings, *wanted: str) -> dict[str, str] | None:
    urls = dict(binding.split("=", 1) for binding in settings.sqs_queue_urls)
    try:
        url = urls.get(name) or client.get_queue_url(QueueName=settings.sqs_queue_prefix + name)["QueueUrl"]
        asked = list(wanted) or ["VisibilityTimeout", "RedrivePolicy"]
        attributes: dict[str, str] = client.get_queue_attributes(QueueUrl=url, AttributeNames=asked)["Attributes"]
    except client.exceptions.QueueDoesNotExist:
        return None
    return attributes
