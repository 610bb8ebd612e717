"""Events on the exchange, for queues that the service keeps bound: also after the broker was flushed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kombu import Connection, Queue

from shared.broker import EventPublisher, make_celery
from shared.events import envelope, routing_key
from shared.settings import load_settings
from tests.support.valkey import Valkey
from tests.unit.test_rules import ROW


@pytest.fixture
def publisher(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> EventPublisher:
    monkeypatch.setattr("shared.broker.events.DECLARE_SECONDS", 0.0)
    with valkey.client(5) as client:
        client.flushdb()
    settings = load_settings(
        redis_url=valkey.url(4), broker_url=valkey.url(5), event_queues="crm=acme.chat.#,other=zeta.#"
    )
    app = make_celery(settings, socket_seconds=5)
    return EventPublisher(app, settings.event_queues)


def heard(valkey: Valkey, queue: str) -> list[dict[str, Any]]:
    found = []
    with Connection(valkey.url(5)) as connection:
        bound = Queue(queue)(connection.default_channel)
        while (message := bound.get(accept=["application/cloudevents+json"])) is not None:
            found.append(json.loads(message.body))
            message.ack()
    return found


def test_a_queue_hears_what_it_is_bound_to_and_nothing_else(publisher: EventPublisher, valkey: Valkey) -> None:
    publisher.publish([(routing_key(ROW), envelope(ROW))])
    assert [event["id"] for event in heard(valkey, "crm")] == [ROW.id]
    assert heard(valkey, "other") == []


def test_bindings_outlive_a_flush_of_the_broker(publisher: EventPublisher, valkey: Valkey) -> None:
    publisher.publish([(routing_key(ROW), envelope(ROW))])
    with valkey.client(5) as client:
        client.flushdb()
    publisher.publish([(routing_key(ROW), envelope(ROW))])
    assert [event["id"] for event in heard(valkey, "crm")] == [ROW.id]
