"""AWS as moto plays it, as a server on a free port. What it holds is gone with it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import httpx2
from botocore.config import Config

from cli.embedded import free_port
from shared.storage.dynamodb.address import Address
from shared.storage.dynamodb.schema import table_definition
from tests.support.stack import Heard
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
KEY = "testing"

# Each round asks every shard of the due work: twice a second, that alone is most of what moto can answer.
UNHURRIED = {"RECONCILE_SECONDS": "2"}

_numbers = count()


class Moto:
    """One server."""

    def __init__(self) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[str, Any] = {}
        self.start()

    def as_store(self) -> dict[str, str]:
        """Return the settings that make it the store, in a fresh table."""
        reach = {name: value for name, value in self.as_broker().items() if name.startswith("AWS_")}
        return {"STORE": "dynamodb", "DYNAMODB_TABLE_NAME": self.table().table, **reach}

    def as_broker(self) -> dict[str, str]:
        """Return the settings that make it the broker."""
        return {
            "BROKER_URL": "sqs://",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.moto_server", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        wait_for("moto to answer", self._answers, 60)

    def table(self) -> Address:
        """Make a fresh table; return where it is."""
        address = Address(f"table-{next(_numbers)}", REGION, self.endpoint, KEY, KEY)
        self.client("dynamodb").create_table(**table_definition(address.table))
        return address

    def client(self, service: str) -> Any:
        """Return the client of one of its services; one each, closed with the server."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                region_name=REGION,
                aws_access_key_id=KEY,
                aws_secret_access_key=KEY,
                endpoint_url=self.endpoint,
                config=Config(read_timeout=180),  # asked again, it would do twice what it is slow to do
            )
        return self._clients[service]

    def purge(self, queue: str) -> None:
        """Empty a queue that the service made."""
        self.client("sqs").purge_queue(QueueUrl=self._url(queue))

    def waiting(self, queue: str) -> int:
        """Return how many messages are in a queue that the service made, those that were handed out among them."""
        asked = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client("sqs").get_queue_attributes(QueueUrl=self._url(queue), AttributeNames=asked)
        return sum(int(found["Attributes"][name]) for name in asked)

    def pause(self) -> None:
        """Let it hang: connections stay open and get no answer."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End the pause."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if self._process is not None:
            self._process.kill()
            self._process.wait(15)
            self._process = None

    def _url(self, queue: str) -> str:
        url: str = self.client("sqs").get_queue_url(QueueName=f"customer-memory-{queue}")["QueueUrl"]
        return url

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.endpoint}/moto-api/", timeout=2).status_code == 200
        except httpx2.HTTPError:
            return False


class TopicLog(Heard):
    """An SNS topic, and a queue that hears all of it."""

    def __init__(self, moto: Moto, name: str = "events") -> None:
        super().__init__()
        fifo = name.endswith(".fifo")
        attributes = {"FifoTopic": "true"} if fifo else {}
        queue_attributes = {"FifoQueue": "true"} if fifo else {}
        self.topic: str = moto.client("sns").create_topic(Name=name, Attributes=attributes)["TopicArn"]
        self.messages: list[dict[str, Any]] = []
        self._client = moto.client("sqs")
        made = self._client.create_queue(QueueName=f"heard-{name}", Attributes=queue_attributes)
        self._queue = made["QueueUrl"]
        asked = self._client.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        moto.client("sns").subscribe(
            TopicArn=self.topic, Protocol="sqs", Endpoint=asked["Attributes"]["QueueArn"], ReturnSubscriptionArn=True
        )

    def of(self, request_id: str) -> list[dict[str, Any]]:
        """Return the events of a request so far."""
        self.listen()
        return super().of(request_id)

    def listen(self) -> None:
        """Take what has come."""
        while messages := self._client.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._client.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                self.messages.append(json.loads(message["Body"]))
                self.events.append(json.loads(self.messages[-1]["Message"]))
