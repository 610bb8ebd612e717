"""What `customer-memory doctor` makes of a table."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from cli import table_checks
from cli.checks import Finding
from cli.main import main
from shared.settings import Settings, load_settings
from tests.support.moto import Moto

pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture(autouse=True)
def aws(clean_environment: None, moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that lead to moto, and a broker that is not there."""
    for name, value in {**moto.as_broker(), "BROKER_URL": "redis://127.0.0.1:1/1"}.items():
        monkeypatch.setenv(name, value)


def _findings() -> dict[str, dict[str, str]]:
    told = CliRunner().invoke(main, ["doctor", "--json"]).stdout
    return {finding["check"]: finding for finding in json.loads(told)}


def test_the_doctor_looks_at_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAMODB_TABLE_NAME", "looked-at")
    missing = _findings()["store"]
    assert (missing["state"], "create-table" in missing["mend"]) == ("fail", True)
    CliRunner().invoke(main, ["dynamodb", "create-table"])
    found = _findings()
    assert {found[name]["state"] for name in ("store", "durability", "eviction", "replication")} == {"ok"}, found
    assert "looked-at in eu-central-1, writable" in found["store"]["text"]


def test_the_doctor_says_what_a_table_lacks(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAMODB_TABLE_NAME", moto.table().table)
    found = _findings()
    assert "time to live is not enabled" in found["store"]["text"]
    assert (found["durability"]["state"], "off" in found["durability"]["text"]) == ("warn", True)


@pytest.mark.parametrize("key", ["id", "pk"])
def test_the_doctor_describes_a_table_that_is_not_the_services_and_writes_nothing_into_it(
    key: str, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"foreign-{key}"
    names = [key, "sk"] if key == "pk" else [key]
    moto.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in names],
        KeySchema=[
            {"AttributeName": each, "KeyType": kind} for each, kind in zip(names, ("HASH", "RANGE"), strict=False)
        ],
    )
    monkeypatch.setenv("DYNAMODB_TABLE_NAME", name)
    probed: list[str] = []

    async def probe(_client: Any, table: str, **_how: bool) -> float:
        probed.append(table)
        return 0.0

    monkeypatch.setattr(table_checks, "_probe", probe)
    found = _findings()["store"]
    assert found["state"] == "fail"
    assert "index due is missing" in found["text"]
    assert key == "pk" or "its key is ['id'], not ['pk', 'sk']" in found["text"]
    assert probed == []


class Guarded:
    """A table's client that may not ask for some things, and remembers what it asked."""

    def __init__(self, real: Any, *denied: str) -> None:
        self._real = real
        self._denied = denied
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        async def ask(**arguments: Any) -> Any:
            self.asked.append(name)
            if name in self._denied:
                raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, name)
            return await getattr(self._real, name)(**arguments)

        return ask


async def _checked_without(monkeypatch: pytest.MonkeyPatch, *denied: str) -> tuple[Finding, list[str]]:
    """Return what the doctor finds who may not ask for some things, and what it asked."""
    asked: list[str] = []
    open_client = table_checks._client

    @asynccontextmanager
    async def guarded(settings: Settings) -> AsyncIterator[Guarded]:
        async with open_client(settings) as real:
            client = Guarded(real, *denied)
            yield client
            asked.extend(client.asked)

    monkeypatch.setattr(table_checks, "_client", guarded)
    return await table_checks.check_table(load_settings()), asked


async def test_what_the_doctor_may_not_look_at_is_not_called_right(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAMODB_TABLE_NAME", moto.table().table)
    finding, _ = await _checked_without(monkeypatch, "describe_time_to_live")
    assert finding.state in {"ok", "warn"}
    assert "time to live was not looked at" in finding.text


async def test_with_the_services_own_permissions_the_doctor_names_what_it_may_not_look_at(
    moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNAMODB_TABLE_NAME", moto.table().table)
    finding, asked = await _checked_without(monkeypatch, "describe_table", "describe_time_to_live")
    assert finding.state == "warn"
    assert "needs dynamodb:DescribeTable" in finding.text
    assert "needs dynamodb:DescribeTimeToLive" in finding.text
    assert "operator's permissions" in finding.mend
    # Whose table it is cannot be known, so nothing is written into it.
    assert {"put_item", "delete_item"} & set(asked) == set()
