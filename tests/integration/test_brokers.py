"""The service over each broker, with Valkey as the store, and on DynamoDB and SQS alone: the same promises."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest
from kombu import Connection, Queue

from cli.checks import Patient, check_broker, check_workers
from shared.broker import QUEUES
from shared.broker.sqs import DEAD_SECONDS, MOST_RECEIVES
from shared.settings import load_settings
from tests.support.moto import UNHURRIED, Moto, TopicLog
from tests.support.rabbitmq import RabbitMQ
from tests.support.stack import EventLog, Heard, Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

HASTE = {"LEASE_SECONDS": "1", "RECONCILE_SECONDS": "0.5"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("store"), durable=True)
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["sqs", "rabbitmq", "aws"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, store: Valkey
) -> Iterator[tuple[Stack, Heard]]:
    """Every process of a deployment over one broker, and what a subscriber hears of it."""
    with store.client() as client:
        client.flushall()
    folder = tmp_path_factory.mktemp(request.param)
    broker: Moto | RabbitMQ
    heard: Heard
    if request.param in {"sqs", "aws"}:
        broker = Moto()
        heard = log = TopicLog(broker)
        # "aws": no Redis anywhere.
        kept_in, pace = (broker, UNHURRIED) if request.param == "aws" else (store, {})
        stack = Stack(folder, kept_in, broker, EVENTS_TOPIC_ARN=log.topic, **{**HASTE, **pace})
    else:
        broker = RabbitMQ(folder / "node")
        heard = EventLog(broker.url)
        stack = Stack(folder, store, broker, EVENT_QUEUES="crm=*.chat.#", **HASTE)
    stack.start_all()
    stack.wait_worker("quarantine")
    yield stack, heard
    stack.close()
    heard.close()
    broker.stop()


@pytest.fixture
def stack(service: tuple[Stack, Heard]) -> Stack:
    return service[0]


@pytest.fixture
def heard(service: tuple[Stack, Heard]) -> Heard:
    return service[1]


def test_the_depth_of_each_queue_and_each_role_are_told(stack: Stack) -> None:
    with stack.client() as client:
        names = {"chat", "quarantine", "maintenance", "summaries", "callbacks"}
        wait_for(
            "each queue to be told of",
            lambda: names == {each["name"] for each in client.get("/api/status").json().get("queues", ())},
        )
        wait_for(
            "each role to be heard of",
            lambda: names == {w["role"] for w in client.get("/api/status").json().get("workers", ())},
        )


on_sqs = pytest.mark.parametrize("service", ["sqs"], indirect=True)
on_rabbitmq = pytest.mark.parametrize("service", ["rabbitmq"], indirect=True)


def assert_one_outcome(stack: Stack, heard: Heard, request_id: str, message: str) -> None:
    end = stack.result(request_id)
    assert end["status"] == "succeeded", end
    assert stack.transcript(end["sessionId"]) == [("user", message), ("assistant", end["reply"])]
    wait_for("the event", lambda: heard.of(request_id))
    assert {event["id"] for event in heard.of(request_id)} == {f"evt_{request_id}"}


def test_a_message_is_answered_and_announced(stack: Stack, heard: Heard) -> None:
    accepted = stack.chat("Hello?", wait=0, customerId="first").json()
    assert_one_outcome(stack, heard, accepted["requestId"], "Hello?")


def test_a_worker_killed_in_the_middle_of_a_turn_leaves_one_outcome(stack: Stack, heard: Heard) -> None:
    stack.simulator.pace(latency_ms=2000)
    accepted = stack.chat("Anyone there?", wait=0, customerId="killed").json()
    wait_for("the call to Claude", lambda: stack.simulator.stats().open > 0)
    assert stack.kill("chat") == -signal.SIGKILL
    stack.simulator.pace()
    assert_one_outcome(stack, heard, accepted["requestId"], "Anyone there?")
    stack.start("chat", "worker", "chat")


def test_a_reply_is_streamed_while_it_is_written(stack: Stack) -> None:
    stack.simulator.pace(latency_ms=1500, tokens_per_second=20)
    accepted = stack.chat("Tell me a story about order 4711", wait=0, customerId="streaming").json()
    events: list[str] = []
    with stack.client() as client, client.stream("GET", accepted["eventsUrl"]) as response:
        for line in response.iter_lines():
            events += [line.removeprefix("event: ")] if line.startswith("event: ") else []
            if events and events[-1] in {"result", "done", "completed", "failed"}:
                break
    stack.simulator.pace()
    assert "delta" in events, events


def test_a_purged_queue_loses_nothing(stack: Stack, heard: Heard) -> None:
    stack.kill("chat", signal.SIGTERM)
    accepted = stack.chat("Is this lost?", wait=0, customerId="purged").json()
    stack.broker.purge("chat")
    stack.start("chat", "worker", "chat")
    assert_one_outcome(stack, heard, accepted["requestId"], "Is this lost?")


def test_a_worker_told_to_stop_finishes_what_it_runs(stack: Stack, heard: Heard) -> None:
    stack.simulator.pace(latency_ms=1500)
    accepted = stack.chat("Last words", wait=0, customerId="stopping").json()
    wait_for("the call to Claude", lambda: stack.simulator.stats().open > 0)
    assert stack.kill("chat", signal.SIGTERM) == 0
    stack.simulator.pace()
    assert stack.result(accepted["requestId"])["attempts"] == 1
    assert_one_outcome(stack, heard, accepted["requestId"], "Last words")
    stack.start("chat", "worker", "chat")
    assert stack.chat("Next shift", customerId="next").status_code == 200


@on_sqs
def test_queues_on_sqs_have_a_dead_letter_queue(stack: Stack) -> None:
    assert isinstance(stack.broker, Moto)
    client = stack.broker.client("sqs")

    def attributes(name: str) -> dict[str, str]:
        url = client.get_queue_url(QueueName=f"customer-memory-{name}")["QueueUrl"]
        found: dict[str, str] = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return found

    dead = attributes("dead")
    assert dead["MessageRetentionPeriod"] == str(DEAD_SECONDS)
    for name in QUEUES:
        queue = attributes(name)
        assert queue["VisibilityTimeout"] == "3600"
        policy = json.loads(queue["RedrivePolicy"])
        assert (policy["deadLetterTargetArn"], int(policy["maxReceiveCount"])) == (dead["QueueArn"], MOST_RECEIVES)


@on_sqs
def test_a_queue_deleted_on_sqs_is_made_anew(stack: Stack, heard: Heard) -> None:
    assert isinstance(stack.broker, Moto)
    client = stack.broker.client("sqs")
    client.delete_queue(QueueUrl=client.get_queue_url(QueueName="customer-memory-chat")["QueueUrl"])
    accepted = stack.chat("Who cleared up?", wait=0, customerId="deleted").json()
    assert_one_outcome(stack, heard, accepted["requestId"], "Who cleared up?")
    assert stack.alive("chat", "web")


@on_rabbitmq
def test_a_queue_of_event_queues_holds_what_came_before_its_subscriber(stack: Stack) -> None:
    assert isinstance(stack.broker, RabbitMQ)
    request_id = stack.chat("Hello?", customerId="unheard").json()["requestId"]
    with Connection(stack.broker.url) as connection:
        queue = Queue("crm", no_declare=True)(connection.default_channel)

        def found() -> bool:
            message = queue.get(no_ack=True, accept=["application/cloudevents+json"])
            return message is not None and json.loads(message.body)["data"]["requestId"] == request_id

        wait_for("the event", found)


async def test_the_doctor_finds_the_broker_well(stack: Stack) -> None:
    found = {name.lower(): text for name, text in stack.settings.items() if name != "PYTHONPATH"}
    patient = Patient(load_settings(**found))
    broker = await check_broker(patient)
    assert (broker.state, f"{len(QUEUES)} " in broker.text and "queues" in broker.text) == ("ok", True), broker
    workers = await check_workers(patient)
    if found["broker_url"] == "sqs://":
        assert (workers.state, "cannot be asked" in workers.text) == ("warn", True), workers
    else:
        assert workers.state == "ok", workers


def test_every_role_ends_when_told_to(stack: Stack) -> None:
    for role in ("beat", "callbacks", "summaries", "maintenance", "quarantine", "chat"):
        assert stack.kill(role, signal.SIGTERM) == 0, role
        stack.start(role, "worker", role)
    assert stack.chat("Still there?", customerId="last").status_code == 200
