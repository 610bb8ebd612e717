"""What each kind of broker is told, what is refused at the start, and what SQS and SNS are given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import boto3
import pytest
import structlog
from celery.worker.consumer import Consumer
from kombu import Connection
from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES, _transport_cache
from vine import promise, transform

from shared.broker import Waker, depths_of, make_celery, make_publisher, transport_of
from shared.broker.aws import access_of
from shared.broker.rabbitmq import DELAYED_DELIVERY, SteadyConsumer
from shared.broker.redis import SteadyChannel as SteadyRedisChannel
from shared.broker.sns import MOST_BYTES, TopicPublisher
from shared.broker.sqs import SteadyChannel, SteadyPolls
from shared.errors import SettingsError
from shared.events import envelope, routing_key
from shared.ids import SessionRef
from shared.rest import Rest
from shared.settings import Settings, load_settings
from tests.support.moto import REGION, Moto, TopicLog
from tests.unit.test_rules import ROW

SQS = {"redis_url": "redis://h", "broker_url": "sqs://", "aws_region": REGION}
URLS = "chat=http://q/chat,quarantine=http://q/quarantine,maintenance=http://q/maintenance,summaries=http://q/summaries,callbacks=http://q/callbacks"


def settings_of(broker: str = "sqs://", **more: Any) -> Settings:
    return load_settings(**{**SQS, "broker_url": broker, **more})


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    server = Moto()
    yield server
    server.stop()


@pytest.fixture
def on_moto(moto: Moto) -> Settings:
    return load_settings(redis_url="redis://h", **{name.lower(): text for name, text in moto.as_broker().items()})


def test_a_process_that_spoke_to_a_broker_before_uses_our_transport_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(TRANSPORT_ALIASES, "redis", "kombu.transport.redis:Transport")
    monkeypatch.delitem(_transport_cache, "redis", raising=False)
    assert Connection("redis://h").transport
    ours = make_celery(load_settings(redis_url="redis://h"), socket_seconds=1)
    assert issubclass(ours.connection_for_write().transport.Channel, SteadyRedisChannel)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"broker_url": "kafka://h"}, "BROKER_URL: kafka:// is no broker known here; use one of redis, rediss, amqp"),
        ({"broker_url": "redis+cluster://h"}, "BROKER_URL: redis+cluster:// is no broker known here"),
        ({"broker_url": "http://h"}, "BROKER_URL: http:// is no broker known here"),
        ({"broker_url": "h:5672"}, "is no broker known here"),
        ({**SQS, "aws_region": None}, "BROKER_URL=sqs:// needs AWS_REGION"),
        ({**SQS, "event_queues": "crm=acme.#"}, "EVENT_QUEUES cannot be had on SQS, which routes nothing; make an SNS"),
        (
            {**SQS, "sqs_queue_urls": "chat=http://q"},
            "SQS_QUEUE_URLS must name each of chat, quarantine, maintenance, summaries, callbacks",
        ),
        ({**SQS, "sqs_queue_urls": URLS.replace("http://q/chat", "")}, "SQS_QUEUE_URLS must name each of"),
        ({**SQS, "sqs_queue_prefix": "so.so"}, "SQS_QUEUE_PREFIX:"),
        ({"broker_url": "amqp://h", "events_topic_arn": "arn"}, "EVENTS_TOPIC_ARN is for BROKER_URL=sqs:// only"),
        ({"redis_url": "redis://h", "sqs_queue_urls": URLS}, "SQS_QUEUE_URLS is for BROKER_URL=sqs:// only"),
    ],
)
def test_what_a_broker_cannot_do_is_refused_with_the_way_that_works(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(**given)
    assert said in str(caught.value)


@pytest.mark.parametrize("broker", ["redis://h/1", "amqp://h", "sqs://"])
def test_no_task_is_handed_out_again_while_the_longest_turn_may_run(broker: str) -> None:
    longest = make_celery(settings_of(broker, request_deadline_minutes=55), socket_seconds=1)
    assert longest.conf.task_acks_late
    assert longest.conf.broker_transport_options.get("visibility_timeout", 3900) == 3900
    usual = make_celery(settings_of(broker), socket_seconds=1)
    assert usual.conf.broker_transport_options.get("visibility_timeout", 3600) == 3600


def test_rabbitmq_is_given_quorum_queues_and_no_queues_for_delays() -> None:
    app = make_celery(settings_of("amqp://h"), socket_seconds=1)
    assert {queue.queue_arguments["x-queue-type"] for queue in app.amqp.queues.values()} == {"quorum"}
    assert app.conf.broker_transport_options["confirm_publish"]
    assert DELAYED_DELIVERY in Consumer.Blueprint.default_steps
    assert DELAYED_DELIVERY not in SteadyConsumer.Blueprint.default_steps


def test_workers_on_sqs_are_not_to_be_asked() -> None:
    assert not make_celery(settings_of(), socket_seconds=1).conf.worker_enable_remote_control
    assert make_celery(settings_of("amqp://h"), socket_seconds=1).conf.worker_enable_remote_control


@pytest.mark.parametrize(
    ("broker", "more", "endpoint", "key"),
    [
        ("sqs://", {}, None, None),
        ("sqs://", {"aws_endpoint_url": "https://e:1"}, "https://e:1", None),
        ("sqs://a%2Fb:hush@", {"aws_access_key_id": "x", "aws_secret_access_key": "y"}, None, ("a/b", "hush")),
        ("sqs://h:9324", {"aws_endpoint_url": "https://e:1"}, "http://h:9324", None),
        ("sqs://", {"aws_access_key_id": "x", "aws_secret_access_key": "y"}, None, ("x", "y")),
    ],
)
def test_what_the_brokers_address_says_goes_before_the_settings_of_aws(
    broker: str, more: dict[str, Any], endpoint: str | None, key: tuple[str, str] | None
) -> None:
    access = access_of(settings_of(broker, **more), 1.0)
    assert (access.region, access.endpoint) == (REGION, endpoint)
    assert (access.key, access.secret) == (key or (None, None))
    assert access.secret is None or access.secret not in repr(access)


def test_an_error_that_sqs_answers_a_poll_with_is_handed_on_and_ends_nothing() -> None:
    class Refusal:
        status, reason = 403, "Forbidden"

        def read(self) -> bytes:
            return b"ExpiredToken"

    polls = SteadyPolls(boto3.client("sqs", region_name=REGION), region=REGION, http_client=object())
    failed: list[tuple[str, Exception]] = []
    done = promise(failed.append, on_error=lambda error: failed.append(("chat", error)))
    ready = transform(SteadyChannel._on_messages_ready, done, None, "url", "chat")
    transform(polls._on_list_ready, ready, None, [], "ReceiveMessage")(Refusal())
    ((queue, error),) = failed
    assert (queue, "403" in str(error)) == ("chat", True)


def test_an_event_goes_to_the_topic_with_attributes_to_filter_by(moto: Moto, on_moto: Settings) -> None:
    heard = TopicLog(moto, "all")
    event = envelope(ROW)
    TopicPublisher(access_of(on_moto, 5.0), heard.topic).publish([(routing_key(ROW), event)])
    heard.listen()
    assert heard.events == [event]
    (message,) = heard.messages
    assert {name: each["Value"] for name, each in message["MessageAttributes"].items()} == {
        "type": "chat.reply.completed",
        "tenant": "acme",
    }


def test_on_a_fifo_topic_an_event_published_twice_comes_once(moto: Moto, on_moto: Settings) -> None:
    heard = TopicLog(moto, "ordered.fifo")
    publisher = TopicPublisher(access_of(on_moto, 5.0), heard.topic)
    for _ in range(2):
        publisher.publish([(routing_key(ROW), envelope(ROW))])
    heard.listen()
    assert [event["id"] for event in heard.events] == [ROW.id]


def test_an_event_too_large_for_sns_goes_without_its_content(moto: Moto, on_moto: Settings) -> None:
    heard = TopicLog(moto, "large")
    event = envelope(ROW)
    large = {**event, "data": {**event["data"], "result": {"reply": "é" * (MOST_BYTES // 2)}}}
    TopicPublisher(access_of(on_moto, 5.0), heard.topic).publish([(routing_key(ROW), large)])
    heard.listen()
    assert heard.events == [event]


def test_a_topic_that_is_not_there_refuses_and_is_left_alone_for_a_while(moto: Moto, on_moto: Settings) -> None:
    publisher = TopicPublisher(access_of(on_moto, 5.0), f"arn:aws:sns:{REGION}:123456789012:nowhere")
    for said in ("NotFound", "a moment ago"):
        with pytest.raises(OperationalError, match=said):
            publisher.publish([(routing_key(ROW), envelope(ROW))])


def test_without_a_topic_it_is_said_once_that_events_go_nowhere() -> None:
    settings = settings_of()
    publisher = make_publisher(make_celery(settings, socket_seconds=1), settings)
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            publisher.publish([(routing_key(ROW), envelope(ROW))])
    assert [(line["event"], "EVENTS_TOPIC_ARN" in line["detail"]) for line in lines] == [("events.unpublished", True)]


@pytest.mark.parametrize("urls", ["", URLS])
def test_sqs_is_said_to_be_away_when_it_is(urls: str) -> None:
    away = settings_of("sqs://a:b@127.0.0.1:1", sqs_queue_urls=urls)
    waker = Waker(make_celery(away, socket_seconds=1))
    assert not waker.answers()
    assert not waker.wake(SessionRef("acme", "ses_1"))


def test_on_sqs_it_is_told_how_many_messages_wait_and_nothing_is_made_for_it(moto: Moto, on_moto: Settings) -> None:
    settings = on_moto.model_copy(update={"sqs_queue_prefix": "depth-"})
    client, app = moto.client("sqs"), make_celery(settings, socket_seconds=5)
    waker = Waker(app, partial(depths_of, settings))
    names = ("chat", "quarantine", "maintenance", "summaries", "callbacks")
    assert waker.depths() == dict.fromkeys(names, 0)
    assert client.list_queues(QueueNamePrefix="depth-").get("QueueUrls") is None
    url = client.create_queue(QueueName="depth-chat")["QueueUrl"]
    for number in range(3):
        client.send_message(QueueUrl=url, MessageBody=str(number))
    waker._counted_until = 0.0
    assert waker.depths() == {**dict.fromkeys(names, 0), "chat": 3}


def test_of_a_broker_that_is_away_no_depth_is_told() -> None:
    for broker in ("redis://127.0.0.1:1/1", "amqp://127.0.0.1:1", "sqs://a:b@127.0.0.1:1"):
        settings = settings_of(broker)
        assert Waker(make_celery(settings, socket_seconds=1), partial(depths_of, settings)).depths() is None
    assert Waker(make_celery(settings_of(), socket_seconds=1)).depths() is None


def test_the_doctor_tells_of_queues_on_sqs_that_cannot_serve(moto: Moto, on_moto: Settings) -> None:
    settings = on_moto.model_copy(update={"sqs_queue_prefix": "doctor-"})
    client, app = moto.client("sqs"), make_celery(settings, socket_seconds=5)

    def amiss() -> str:
        return transport_of(settings).look(app, settings).amiss

    assert amiss() == "no queue yet: chat, quarantine, maintenance, summaries, callbacks"
    urls = [
        client.create_queue(QueueName=f"doctor-{name}")["QueueUrl"]
        for name in ("chat", "quarantine", "maintenance", "summaries", "callbacks")
    ]
    assert amiss() == "visibility timeout below the longest turn: chat, quarantine, maintenance, summaries, callbacks"
    for url in urls:
        client.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "3600"})
    assert amiss() == "no dead-letter queue behind: chat, quarantine, maintenance, summaries, callbacks"
    policy = json.dumps(
        {"deadLetterTargetArn": "arn:aws:sqs:eu-central-1:123456789012:doctor-chat", "maxReceiveCount": 3}
    )
    for url in urls:
        client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    assert amiss().startswith("EVENTS_TOPIC_ARN is not set")


def test_a_rest_lasts_from_a_fault_until_its_seconds_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("shared.rest.time.monotonic", lambda: now)
    rest = Rest(5)
    lasted = [rest.lasts]
    rest.begin()
    lasted.append(rest.lasts)
    now = 105.0
    lasted.append(rest.lasts)
    assert lasted == [False, True, False]
