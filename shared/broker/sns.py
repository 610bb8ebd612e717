"""Events on an SNS topic, for brokers that route nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from kombu.exceptions import OperationalError

from shared.broker.aws import Access
from shared.broker.transport import Report
from shared.rest import Rest
from shared.settings import Settings

log = structlog.get_logger()

REST_SECONDS = 5.0
# SNS takes 256 KB, attributes included.
MOST_BYTES = 250_000
UNPUBLISHED = "EVENTS_TOPIC_ARN is not set: events are not published; poll, wait or stream instead"


class TopicPublisher:
    """Publishes events on an SNS topic: the envelope as the message, `type` and `tenant` as attributes to filter by.

    On a FIFO topic, the events of a session stay in order, and one sent again within five minutes is dropped.
    """

    def __init__(self, access: Access, topic: str) -> None:
        self._access = access
        self._topic = topic
        self._rest = Rest(REST_SECONDS)
        self._lock = threading.Lock()
        self._client: Any = None

    def publish(self, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Publish (routing key, envelope) pairs, in order.

        Raises:
            OperationalError: SNS is away or refuses; some may have been published.

        """
        if self._rest.lasts:
            raise OperationalError("SNS did not answer a moment ago")
        try:
            for key, event in events:
                self._open().publish(TopicArn=self._topic, **self._message(key, event))
        except (BotoCoreError, ClientError, OSError) as error:
            self._rest.begin()
            raise OperationalError(str(error)) from error

    def _open(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._access.client("sns")
            return self._client

    def _message(self, key: str, event: dict[str, Any]) -> dict[str, Any]:
        given = {"type": event["type"], "tenant": key.partition(".")[0]}
        message: dict[str, Any] = {
            "Message": _fit(event),
            "MessageAttributes": {name: {"DataType": "String", "StringValue": text} for name, text in given.items()},
        }
        if self._topic.endswith(".fifo"):
            message |= {"MessageGroupId": event["subject"], "MessageDeduplicationId": event["id"]}
        return message


class NoPublisher:
    """Says once that nobody can subscribe. The events' rows are struck: nothing waits for a topic that is not there."""

    def __init__(self) -> None:
        self._told = False

    def publish(self, _events: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Publish nothing."""
        if not self._told:
            self._told = True
            log.warning("events.unpublished", detail=UNPUBLISHED)


def look_topic(access: Access, settings: Settings, text: str) -> Report:
    """Ask for the topic; `text` is what is known of the broker so far."""
    if settings.events_topic_arn is None:
        return Report(text, UNPUBLISHED, "make an SNS topic and set EVENTS_TOPIC_ARN, if anybody is to subscribe")
    try:
        access.client("sns").get_topic_attributes(TopicArn=settings.events_topic_arn)
    except (BotoCoreError, ClientError) as error:
        return Report(text, f"the topic of EVENTS_TOPIC_ARN does not answer: {error}", "mend EVENTS_TOPIC_ARN")
    return Report(f"{text}; events go to {settings.events_topic_arn}")


def _fit(event: dict[str, Any]) -> str:
    """Return the envelope as text; one too large goes without its content, which `resultUrl` still leads to."""
    text = json.dumps(event, ensure_ascii=False)
    if len(text.encode()) <= MOST_BYTES:
        return text
    data = {name: value for name, value in event["data"].items() if name not in {"result", "failure"}}
    return json.dumps({**event, "data": data}, ensure_ascii=False)
