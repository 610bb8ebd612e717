"""`deploy/aws`: what it makes is what the service uses, and what it permits is what the service does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from cli.main import main
from shared.broker import QUEUES, Waker, depths_of, make_celery
from shared.broker.aws import Access
from shared.broker.sqs import MOST_RECEIVES, MOST_VISIBILITY_SECONDS, WAIT_SECONDS
from shared.broker.transport import visibility_seconds
from shared.ids import SessionRef
from shared.settings import Settings, load_settings
from shared.storage.dynamodb.schema import OPERATIONS, TTL_ATTRIBUTE, table_definition
from shared.storage.jobs import RunningPart
from tests.support.moto import Moto
from worker.main import create_app

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "deploy" / "aws" / "template.yaml"

# What an operator's commands ask, and the service never does.
OPERATORS = {"Scan"}
# The policies of what runs all the time.
ROLES = ("WebPolicy", "WorkerPolicy", "BeatPolicy")
# Permissions that are no operations of their own: a transaction needs those of what it holds.
OF_TRANSACTIONS = {"ConditionCheckItem"}


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's own tags as plain values."""


def _tag(loader: Loader, suffix: str, node: yaml.Node) -> Any:
    del suffix
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


Loader.add_multi_constructor("!", _tag)


@pytest.fixture
def resources() -> dict[str, Any]:
    read: dict[str, Any] = yaml.load(TEMPLATE.read_text(), Loader)
    return {name: each["Properties"] for name, each in read["Resources"].items()}


def _in_order(items: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: str(item[key]))


def test_the_table_is_the_one_the_command_makes(resources: dict[str, Any]) -> None:
    table, wanted = resources["Table"], table_definition("TableName")
    assert table["BillingMode"] == wanted["BillingMode"]
    assert table["KeySchema"] == wanted["KeySchema"]
    assert _in_order(table["GlobalSecondaryIndexes"], "IndexName") == _in_order(
        wanted["GlobalSecondaryIndexes"], "IndexName"
    )
    assert _in_order(table["AttributeDefinitions"], "AttributeName") == _in_order(
        wanted["AttributeDefinitions"], "AttributeName"
    )
    assert table["TimeToLiveSpecification"] == {"AttributeName": TTL_ATTRIBUTE, "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}


def test_the_queues_are_those_the_service_uses(resources: dict[str, Any]) -> None:
    queues = [each for name, each in resources.items() if name.endswith("Queue") and name != "DeadQueue"]
    assert {each["QueueName"] for each in queues} == {f"${{QueuePrefix}}{name}" for name in QUEUES}
    assert {each["RedrivePolicy"]["maxReceiveCount"] for each in queues} == {MOST_RECEIVES}
    assert {each["VisibilityTimeout"] for each in queues} == {"VisibilitySeconds"}
    assert {each["ReceiveMessageWaitTimeSeconds"] for each in queues} == {WAIT_SECONDS}


def test_the_defaults_are_the_settings_own() -> None:
    read: dict[str, Any] = yaml.load(TEMPLATE.read_text(), Loader)
    settings = Settings()
    assert read["Parameters"]["VisibilitySeconds"]["Default"] == visibility_seconds(settings)
    assert read["Parameters"]["VisibilitySeconds"]["MaxValue"] == MOST_VISIBILITY_SECONDS
    assert read["Parameters"]["TableName"]["Default"] == settings.dynamodb_table_name
    assert read["Parameters"]["QueuePrefix"]["Default"] == settings.sqs_queue_prefix


@pytest.mark.parametrize("role", ["WebPolicy", "WorkerPolicy"])
def test_the_service_may_do_what_it_does_and_no_more(role: str, resources: dict[str, Any]) -> None:
    (table,) = [each for each in _statements(resources, role) if each["Sid"] == "Table"]
    granted = {action.removeprefix("dynamodb:") for action in table["Action"]}
    assert granted == (set(OPERATIONS) - OPERATORS - {"TransactWriteItems"}) | OF_TRANSACTIONS


def test_each_role_has_its_own_policy(resources: dict[str, Any]) -> None:
    """What makes, mends or reads the table whole is the operator's."""
    actions = {name: _actions(resources, name) for name in (*ROLES, "OperatorPolicy")}
    assert set.union(*(actions[name] for name in ROLES)) & actions["OperatorPolicy"] == set()
    assert {f"dynamodb:{action}" for action in OPERATORS} <= actions["OperatorPolicy"]
    assert not [
        action for each in actions.values() for action in each if "*" in action or action.endswith("DeleteTable")
    ]


def test_only_workers_take_tasks_and_publish_and_beat_knows_no_table(resources: dict[str, Any]) -> None:
    hearing = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sns:Publish"}
    assert _actions(resources, "WebPolicy") & hearing == set()
    assert hearing <= _actions(resources, "WorkerPolicy")
    assert _actions(resources, "BeatPolicy") == {"sqs:GetQueueAttributes", "sqs:SendMessage"}
    assert {name: _queues(resources, name, "sqs:SendMessage") for name in ROLES} == {
        "WebPolicy": {"chat", "summaries", "callbacks"},
        "WorkerPolicy": {"chat", "quarantine", "summaries", "callbacks"},
        "BeatPolicy": {"maintenance"},
    }


def test_what_waits_in_queues_and_topic_is_encrypted(resources: dict[str, Any]) -> None:
    assert all(each["SqsManagedSseEnabled"] for name, each in resources.items() if name.endswith("Queue"))
    assert resources["EventsTopic"]["KmsMasterKeyId"] == "alias/aws/sns"


def test_what_the_code_asks_of_the_table_is_permitted(resources: dict[str, Any], moto: Moto) -> None:
    operations: dict[str, str] = moto.client("dynamodb").meta.method_to_api_mapping
    adapter = _source(*(ROOT / "shared" / "storage" / "dynamodb").glob("*.py"))
    named = {operations[name] for name in re.findall(r'"(\w+)"', adapter) if name in operations}
    assert named == set(OPERATIONS)
    commands = _source(*(ROOT / "cli" / name for name in ("dynamodb.py", "table_checks.py")))
    asked = {operations[name] for name in re.findall(r"client\.(\w+)\(", commands)}
    both = [each for name in (*ROLES, "OperatorPolicy") for each in _statements(resources, name)]
    assert {f"dynamodb:{name}" for name in asked} <= {action for each in both for action in each["Action"]}


def test_indexes_may_be_read_as_the_table_is(resources: dict[str, Any]) -> None:
    """A permission on a table is none on its indexes."""
    reading = {"dynamodb:Query", "dynamodb:Scan"}
    both = [each for name in (*ROLES, "OperatorPolicy") for each in _statements(resources, name)]
    of_tables = [each["Resource"] for each in both if reading & set(each["Action"])]
    assert of_tables == [["Table.Arn", "${Table.Arn}/index/*"]] * 3


def test_the_page_names_every_permission_of_the_table(resources: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "how-to" / "run-on-aws.md").read_text().partition("## 3. Give the permissions")[2]
    named = set(re.findall(r"`([A-Z]\w+)`", page.partition("\n## ")[0]))
    both = [each for name in (*ROLES, "OperatorPolicy") for each in _statements(resources, name)]
    granted = {action for each in both for action in each["Action"] if action.startswith("dynamodb:")}
    assert {f"dynamodb:{name}" for name in named} == granted


def _statements(resources: dict[str, Any], policy: str) -> list[dict[str, Any]]:
    statements: list[dict[str, Any]] = resources[policy]["PolicyDocument"]["Statement"]
    return statements


def _actions(resources: dict[str, Any], policy: str) -> set[str]:
    return {action for each in _statements(resources, policy) for action in each["Action"]}


def _queues(resources: dict[str, Any], policy: str, action: str) -> set[str]:
    """Return the queues on which a policy grants an action."""
    found = [each["Resource"] for each in _statements(resources, policy) if action in each["Action"]]
    arns = [arn for each in found for arn in ([each] if isinstance(each, str) else each)]
    return {arn.removesuffix("Queue.Arn").lower() for arn in arns}


def _source(*paths: Path) -> str:
    return "\n".join(path.read_text() for path in paths)


@pytest.fixture
def untouched() -> Iterator[Moto]:
    """AWS where nobody has made a queue yet."""
    server = Moto()
    yield server
    server.stop()


def test_an_emulator_makes_the_stack_and_the_doctor_finds_it_right(
    untouched: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the settings that the stack puts out; moto's stacks have no time to live, which the command then adds."""
    client = untouched.client("cloudformation")
    client.create_stack(StackName="customer-memory", TemplateBody=TEMPLATE.read_text())
    (stack,) = client.describe_stacks(StackName="customer-memory")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    (told,) = [each["OutputValue"] for each in stack["Outputs"] if each["OutputKey"] == "Settings"]
    for name, value in {**untouched.as_broker(), **dict(pair.split("=", 1) for pair in told.split())}.items():
        monkeypatch.setenv(name, value)
    made = CliRunner().invoke(main, ["dynamodb", "create-table"])
    assert made.output == "sessions in eu-central-1 was there, and is right.\n"
    found = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)
    states = {finding["check"]: finding["state"] for finding in found}
    assert {states[name] for name in ("settings", "store", "durability", "eviction", "replication", "broker")} == {"ok"}


@pytest.fixture
def asked(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is asked of SQS from now on, and of which queue, where queues were made beforehand and are named."""
    made = {name: moto.client("sqs").create_queue(QueueName=f"given-{name}")["QueueUrl"] for name in QUEUES}
    for name, value in moto.as_broker().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STORE", "dynamodb")
    monkeypatch.setenv("SQS_QUEUE_URLS", ",".join(f"{name}={url}" for name, url in made.items()))
    found: list[tuple[str, str]] = []
    open_client = Access.client

    def client(access: Access, service: str, config: Any = None) -> Any:
        def note(model: Any, params: dict[str, Any], **_more: Any) -> None:
            queue = json.loads(params["body"])["QueueUrl"].rpartition("given-")[2]
            found.append((f"{service}:{model.name}", queue))

        opened = open_client(access, service, config)
        opened.meta.events.register("before-call", note)
        return opened

    monkeypatch.setattr(Access, "client", client)
    return found


def _granted(resources: dict[str, Any], policy: str) -> set[tuple[str, str]]:
    actions = {action for action in _actions(resources, policy) if action.startswith("sqs:")}
    return {(action, queue) for action in actions for queue in _queues(resources, policy, action)}


def test_a_web_process_asks_of_sqs_what_it_may(resources: dict[str, Any], asked: list[tuple[str, str]]) -> None:
    settings = load_settings()
    waker = Waker(make_celery(settings, socket_seconds=5), partial(depths_of, settings))
    assert waker.answers()
    assert waker.depths() is not None
    assert waker.wake(SessionRef("acme", "ses_1"))
    assert waker.summarize(SessionRef("acme", "ses_1"))
    assert waker.advance_batch(RunningPart("acme", "bat_1", 0))
    assert set(asked) <= _granted(resources, "WebPolicy")
    assert {("sqs:SendMessage", "chat"), ("sqs:SendMessage", "summaries")} <= set(asked)


def test_beat_asks_of_sqs_what_it_may(resources: dict[str, Any], asked: list[tuple[str, str]]) -> None:
    app = create_app(load_settings())
    for entry in app.conf.beat_schedule.values():
        app.send_task(entry["task"], kwargs=entry["kwargs"], **entry["options"])
    assert ("sqs:SendMessage", "maintenance") in asked
    assert set(asked) <= _granted(resources, "BeatPolicy")


def test_a_worker_asks_of_sqs_what_it_may(resources: dict[str, Any], asked: list[tuple[str, str]]) -> None:
    app = make_celery(load_settings(), socket_seconds=5)
    waker = Waker(app)
    for quarantine in (False, True):
        assert waker.wake(SessionRef("acme", "ses_1"), quarantine=quarantine)
    with app.connection_for_read() as connection:
        for name in ("chat", "quarantine"):
            taken = app.amqp.queues[name](connection.default_channel).get()
            taken.ack()
    assert {("sqs:ReceiveMessage", "chat"), ("sqs:DeleteMessage", "quarantine")} <= set(asked)
    assert set(asked) <= _granted(resources, "WorkerPolicy")
