"""Listening to events on real brokers: `customer-memory events tail`, and the consumer that the how-to shows."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import NotFound, ResourceLocked
from kombu import Connection

from cli.guardian import started_at
from cli.rundir import RunDir, RunRecord
from shared.broker import EVENTS, make_celery, make_publisher
from shared.broker.events import Publisher
from shared.broker.tail import LASTS_SECONDS, PREFIX
from shared.events import envelope, routing_key
from shared.settings import load_settings
from tests.support.rabbitmq import RabbitMQ
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for
from tests.unit.test_rules import ROW

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to" / "subscribe-to-events.md"
FAILED = replace(ROW, id="evt_req_2", type="chat.reply.failed", request_id="req_2")
CLOSED = replace(ROW, id="evt_closed", type="session.closed", request_id=None, customer_id="")
OTHERS = replace(ROW, id="evt_req_3", tenant="zeta", request_id="req_3")


@pytest.fixture(scope="module", params=["valkey", "rabbitmq"])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey | RabbitMQ]:
    folder = tmp_path_factory.mktemp(request.param)
    server = Valkey(folder) if request.param == "valkey" else RabbitMQ(folder / "node")
    yield server
    server.stop()


@pytest.fixture
def publisher(broker: Valkey | RabbitMQ, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    monkeypatch.setattr("shared.broker.events.DECLARE_SECONDS", 0.0)
    if isinstance(broker, Valkey):
        with broker.client(1) as client:
            client.flushdb()
    (url,) = broker.as_broker().values()
    settings = load_settings(redis_url="redis://h", broker_url=url, event_queues="crm=*.chat.#")
    return make_publisher(make_celery(settings, socket_seconds=5), settings)


class Listener:
    """A command that listens, started, and what it prints."""

    def __init__(self, folder: Path, command: list[str], environment: Mapping[str, str]) -> None:
        self._log = folder / f"{len(list(folder.iterdir()))}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), "DATA_DIR": str(folder / "data"), **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def says(self, text: str) -> None:
        """Wait until it has said this."""
        wait_for(f"{text!r} in {self.said!r}", lambda: text in self.said or self._lives())

    def end(self) -> None:
        self.process.kill()
        self.process.wait(15)

    def _lives(self) -> bool:
        assert self.process.poll() is None, self.said
        return False


class Starter:
    """Starts listeners in one folder, and leaves none behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Listener] = []

    def tail(self, broker: Valkey | RabbitMQ | None, *arguments: str) -> Listener:
        """Start the command, and wait until it listens."""
        reach = broker.as_broker() if broker else {}
        command = [sys.executable, "-m", "cli", "events", "tail", *arguments]
        listener = self.start(command, reach)
        listener.says("Listening to")
        return listener

    def start(self, command: list[str], environment: Mapping[str, str]) -> Listener:
        self.started.append(Listener(self.folder, command, environment))
        return self.started[-1]


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    for listener in starter.started:
        listener.end()


def publish(publisher: Publisher, *rows: Any) -> None:
    publisher.publish([(routing_key(row), envelope(row)) for row in rows])


def tails(broker: Valkey) -> set[str]:
    """Return the names of tails' queues that are bound, or hold something, on Redis."""
    with broker.client(1) as client:
        table = client.smembers(f"_kombu.binding.{EVENTS.name}")
        names = {member.split("\x06\x16")[2] for member in table if isinstance(member, str)}
        return {str(name) for name in {*names, *client.keys(f"{PREFIX}*")} if str(name).startswith(PREFIX)}


def is_there(broker: RabbitMQ, queue: str) -> bool:
    """Return whether RabbitMQ has a queue, anybody's."""
    with Connection(broker.url) as connection:
        try:
            connection.channel().queue_declare(queue, passive=True)
        except NotFound:
            return False
        except ResourceLocked:  # another connection's own
            return True
    return True


def test_events_are_printed_as_they_come(broker: Valkey | RabbitMQ, publisher: Publisher, starter: Starter) -> None:
    tail = starter.tail(broker)
    publish(publisher, ROW, CLOSED, OTHERS)
    tail.says("zeta")
    lines = tail.said.splitlines()[1:]
    assert [re.split(r"\s{2,}", line)[1:3] for line in lines] == [
        ["acme", "chat.reply.completed"],
        ["acme", "session.closed"],
        ["zeta", "chat.reply.completed"],
    ]
    assert lines[0].startswith("09:30:00.123  ")
    assert lines[0].endswith("ses_1  customer cust-1  /api/chat/req_1")
    assert "customer (erased)" in lines[1]


def test_a_pattern_and_a_tenant_choose(broker: Valkey | RabbitMQ, publisher: Publisher, starter: Starter) -> None:
    failures = starter.tail(broker, "*.reply.failed", "--json")
    acme = starter.tail(broker, "chat.#", "--tenant", "acme", "--json", "--count", "2")
    publish(publisher, ROW, OTHERS, CLOSED, FAILED)
    assert acme.process.wait(20) == 0, acme.said
    failures.says(FAILED.id)
    assert [json.loads(line) for line in acme.said.splitlines()[1:]] == [envelope(ROW), envelope(FAILED)]
    assert [json.loads(line) for line in failures.said.splitlines()[1:]] == [envelope(FAILED)]


def test_it_takes_nothing_from_other_subscribers(
    broker: Valkey | RabbitMQ, publisher: Publisher, starter: Starter
) -> None:
    broker.purge("crm")
    tail = starter.tail(broker)
    publish(publisher, ROW)
    tail.says(ROW.type)
    wait_for("the other subscriber's queue to have it", lambda: broker.waiting("crm") == 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "told to stop"])
def test_its_queue_goes_with_it(
    broker: Valkey | RabbitMQ, publisher: Publisher, starter: Starter, number: signal.Signals
) -> None:
    tail = starter.tail(broker)
    publish(publisher, ROW)
    tail.says(ROW.type)
    tail.process.send_signal(number)
    assert tail.process.wait(60) == 0, tail.said
    if isinstance(broker, Valkey):
        assert tails(broker) == set()
    assert "Traceback" not in tail.said


@pytest.mark.parametrize("broker", ["valkey"], indirect=True)
def test_on_redis_its_queue_goes_after_a_kill_too(broker: Valkey, publisher: Publisher, starter: Starter) -> None:
    """Given a listener that was killed and one that lives, when its time is over, then the next event takes it away."""
    tail, lives = starter.tail(broker, "--tenant", "acme"), starter.tail(broker, "--tenant", "zeta")
    tail.end()
    publish(publisher, ROW)  # into a queue that nobody empties
    (full,) = {name for name in tails(broker) if ":" not in name and broker.waiting(name)}
    with broker.client(1) as client:
        assert 0 < int(client.ttl(f"{full}:alive")) <= LASTS_SECONDS
        client.delete(f"{full}:alive")  # as its time ends
    publish(publisher, OTHERS)
    lives.says(OTHERS.type)
    assert {name.removesuffix(":alive") for name in tails(broker)}.isdisjoint({full})
    assert len(tails(broker)) == 2, "the one that lives, and what says so"


@pytest.mark.parametrize("broker", ["rabbitmq"], indirect=True)
def test_on_rabbitmq_its_queue_goes_after_a_kill_too(broker: RabbitMQ, starter: Starter) -> None:
    tail = starter.start([sys.executable, "-c", NAMED], broker.as_broker())
    tail.says("Listening to")
    assert is_there(broker, f"{PREFIX}mine")
    tail.end()
    wait_for("the queue to go", lambda: not is_there(broker, f"{PREFIX}mine"))


# The command, with a queue of a known name.
NAMED = """
from unittest.mock import patch
from cli.main import main
with patch("shared.broker.tail.uuid4") as name:
    name.return_value.hex = "mine"
    main(["events", "tail"])
"""


def test_it_listens_again_after_the_broker_was_away(
    broker: Valkey | RabbitMQ, publisher: Publisher, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.broker.events.REST_SECONDS", 0.0)
    tail = starter.tail(broker)
    broker.kill()
    tail.says("The broker went away")
    broker.start()

    def again() -> bool:
        with suppress(Exception):  # it may not have come back for this process yet
            publish(publisher, ROW)
        return ROW.type in tail.said

    wait_for("an event after the broker came back", again, 60)


@pytest.mark.parametrize("broker", ["valkey"], indirect=True)
def test_the_broker_of_the_service_that_runs_here_is_found(
    broker: Valkey, publisher: Publisher, starter: Starter
) -> None:
    folder = RunDir(starter.folder / "data")
    os.close(folder.lock(print))
    started = started_at(os.getpid())
    assert started is not None
    (url,) = broker.as_broker().values()
    folder.write(RunRecord(pid=os.getpid(), started=started, url="http://h", redis_url=broker.url(0), broker_url=url))
    tail = starter.tail(None)
    publish(publisher, ROW)
    tail.says(ROW.type)


def test_the_consumer_of_the_how_to_takes_events(
    broker: Valkey | RabbitMQ, publisher: Publisher, starter: Starter
) -> None:
    """It is run as it stands on the page: it takes what came before it, skips what comes twice, and loses nothing."""
    broker.purge("crm")
    found = re.search(r"^```python\n(.*?)^```", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    publish(publisher, ROW)
    source = starter.folder / "consumer.py"
    source.write_text(found[1])
    consumer = starter.start([sys.executable, str(source)], broker.as_broker())
    consumer.says(ROW.id)
    publish(publisher, ROW, CLOSED, FAILED)
    consumer.says(FAILED.id)
    assert consumer.said.splitlines() == [
        f"chat.reply.completed {ROW.id} /api/chat/req_1",
        f"chat.reply.failed {FAILED.id} /api/chat/req_2",
    ]
    wait_for("all to be acknowledged", lambda: broker.waiting("crm") == 0)
