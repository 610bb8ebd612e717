"""`customer-memory dynamodb`, and what the other commands make of a table."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from cli import dynamodb
from cli.guardian import started_at
from cli.main import main
from cli.rundir import RunDir, RunRecord, find_settings
from cli.up import make_plan
from shared.errors import SettingsError
from shared.settings import load_settings
from shared.storage.dynamodb.schema import table_definition
from tests.support.moto import Moto

pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture(autouse=True)
def aws(clean_environment: None, moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that lead to moto, and a broker that is not there."""
    for name, value in {**moto.as_broker(), "BROKER_URL": "redis://127.0.0.1:1/1"}.items():
        monkeypatch.setenv(name, value)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def _findings() -> dict[str, dict[str, str]]:
    return {finding["check"]: finding for finding in json.loads(_run("doctor", "--json").stdout)}


def test_the_table_is_made_once_and_found_right_afterwards(moto: Moto) -> None:
    made, again = (
        _run("dynamodb", "create-table", "--table", "made"),
        _run("dynamodb", "create-table", "--table", "made"),
    )
    assert (made.exit_code, again.exit_code) == (0, 0), made.output
    assert "Making made" in made.output
    assert again.output == "made in eu-central-1 was there, and is right.\n"
    client = moto.client("dynamodb")
    backups = client.describe_continuous_backups(TableName="made")["ContinuousBackupsDescription"]
    assert client.describe_time_to_live(TableName="made")["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_a_table_that_will_not_do_is_described(moto: Moto) -> None:
    wrong = table_definition("wrong")
    wrong["GlobalSecondaryIndexes"] = wrong["GlobalSecondaryIndexes"][:1]
    wrong["AttributeDefinitions"] = wrong["AttributeDefinitions"][:4]
    moto.client("dynamodb").create_table(**wrong)
    result = _run("dynamodb", "create-table", "--table", "wrong")
    assert result.exit_code == 1
    assert "wrong will not do: index customer is missing" in result.output
    assert "index tenant is missing" in result.output


def test_a_table_of_another_application_is_left_as_it_is(moto: Moto) -> None:
    """`sessions` is a common name: time to live would delete from whatever else is called that."""
    client = moto.client("dynamodb")
    client.create_table(
        TableName="others",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    result = _run("dynamodb", "create-table", "--table", "others")
    assert (result.exit_code, "its key is ['id']" in result.output) == (1, True)
    assert "Choose another name" in result.output
    backups = client.describe_continuous_backups(TableName="others")["ContinuousBackupsDescription"]
    assert client.describe_time_to_live(TableName="others")["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"


def _refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "as AWS would say"}}, "AnyOperation")


class Backups:
    """Point-in-time recovery of a table, which refuses to be turned on so often."""

    def __init__(self, moto: Moto, *refusals: str, status: str = "DISABLED") -> None:
        self.exceptions = moto.client("dynamodb").exceptions
        self.status = status
        self.asked = 0
        self._refusals = list(refusals)

    async def describe_continuous_backups(self, **_asked: Any) -> dict[str, Any]:
        recovery = {"PointInTimeRecoveryStatus": self.status}
        return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": recovery}}

    async def update_continuous_backups(self, **_asked: Any) -> None:
        self.asked += 1
        if self._refusals:
            code = self._refusals.pop(0)
            raise self.exceptions.from_code(code)(_refusal(code).response, "UpdateContinuousBackups")
        self.status = "ENABLED"


async def test_a_new_table_is_asked_until_recovery_can_be_turned_on(
    moto: Moto, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """AWS is not ready for it at once when a table has become ACTIVE."""
    monkeypatch.setattr(dynamodb, "LOOK_SECONDS", 0.0)
    backups = Backups(moto, *["ContinuousBackupsUnavailableException"] * 2)
    await dynamodb._point_in_time_recovery(backups, "new")
    assert (backups.status, backups.asked) == ("ENABLED", 3)
    assert capsys.readouterr().out.count("new is not ready for point-in-time recovery yet") == 2


async def test_recovery_that_is_on_is_left_as_it_is(moto: Moto) -> None:
    """Turned on again without saying for how many days, it would be for 35."""
    backups = Backups(moto, status="ENABLED")
    await dynamodb._point_in_time_recovery(backups, "old")
    assert backups.asked == 0


async def test_where_recovery_cannot_be_had_that_is_said(moto: Moto, capsys: pytest.CaptureFixture[str]) -> None:
    await dynamodb._point_in_time_recovery(Backups(moto, "UnknownOperationException"), "new")
    assert "could not be turned on here (UnknownOperationException)" in capsys.readouterr().out
    with pytest.raises(ClientError, match="TableNotFoundException"):
        await dynamodb._point_in_time_recovery(Backups(moto, "TableNotFoundException"), "new")


def test_without_credentials_the_mend_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    result = _run("dynamodb", "create-table")
    assert (result.exit_code, "Unable to locate credentials\nMend AWS_REGION" in result.output) == (1, True)
    found = _findings()["store"]
    assert (found["state"], "Unable to locate credentials" in found["text"]) == ("fail", True)
    assert "credentials" in found["mend"]


def test_the_definition_can_be_printed() -> None:
    assert json.loads(_run("dynamodb", "create-table", "--print").stdout) == table_definition("sessions")


def test_without_a_region_it_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    result = _run("dynamodb", "create-table")
    assert (result.exit_code, "Which region?" in result.output) == (1, True)


def test_keys_are_made_in_the_table(monkeypatch: pytest.MonkeyPatch, moto: Moto) -> None:
    monkeypatch.setenv("DYNAMODB_TABLE_NAME", moto.table().table)
    assert _run("keys", "create", "--tenant", "acme").exit_code == 0
    assert "acme" in _run("keys", "list").output


def test_up_embeds_no_store(moto: Moto) -> None:
    settings = load_settings()
    plan = make_plan(settings, RunDir(settings.data_dir), -1)
    assert {service.name for service in plan.services} == {
        "simulator",
        "web",
        "worker",
        "quarantine",
        "maintenance",
        "summaries",
        "callbacks",
        "beat",
    }
    assert (plan.record.redis_url, plan.record.broker_url) == (None, None)
    assert "in the DynamoDB table sessions in eu-central-1" in plan.banner
    assert all("REDIS_URL" not in service.env for service in plan.services)
    assert {service.env["AWS_ENDPOINT_URL"] for service in plan.services} == {moto.endpoint}


def test_up_asks_for_a_broker_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BROKER_URL")
    settings = load_settings()
    with pytest.raises(SettingsError, match="BROKER_URL is not set, and DynamoDB is no broker"):
        make_plan(settings, RunDir(settings.data_dir), -1)


@pytest.mark.parametrize(("there", "exit_code"), [("there", 0), ("", 1)])
def test_up_asks_for_the_table_before_anything_starts(
    there: str, exit_code: int, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []

    def run(*given: object) -> int:
        started.append(given)
        return 0

    monkeypatch.setattr("cli.up.run", run)
    monkeypatch.setenv("DYNAMODB_TABLE_NAME", moto.table().table if there else "not-made")
    result = _run("up")
    assert (result.exit_code, len(started)) == (exit_code, bool(there))
    assert there or "make it with `customer-memory dynamodb create-table`" in result.output


def test_the_simulator_of_a_running_service_is_found_whatever_its_store() -> None:
    settings = load_settings()
    run_dir = RunDir(settings.data_dir)
    os.close(run_dir.lock(print))
    run_dir.write(
        RunRecord(
            pid=os.getpid(),
            started=started_at(os.getpid()) or "",
            url="http://127.0.0.1:1",
            redis_url=None,
            broker_url=None,
            simulator_url="http://127.0.0.1:2",
        )
    )
    found = find_settings(settings)
    assert (found.simulator_url, found.store_kind) == ("http://127.0.0.1:2", "dynamodb")
    assert found.broker_address == settings.broker_address
