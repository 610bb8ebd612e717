"""`customer-memory keys`, on a real store."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.guardian import started_at
from cli.main import main
from cli.rundir import RunDir, RunRecord

pytestmark = pytest.mark.usefixtures("clean_environment")


def _keys(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["keys", *arguments])


def _listed() -> list[dict[str, str]]:
    return [json.loads(line) for line in _keys("list", "--json").stdout.splitlines()]


def test_a_key_s_life(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is made, shown once, listed without its secret, and revoked."""
    monkeypatch.setenv("REDIS_URL", store_url)

    made = _keys("create", "--tenant", "acme", "--label", "helpdesk")

    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    assert re.fullmatch(r"\S{30,}", secret)
    [listed] = _listed()
    assert (listed["tenant"], listed["role"], listed["label"]) == ("acme", "tenant", "helpdesk")
    assert secret not in _keys("list").stdout
    assert "acme  tenant" in _keys("list").stdout

    revoked = _keys("revoke", listed["keyId"])

    assert revoked.exit_code == 0
    assert "revoked" in _keys("list").stdout


def test_if_none_makes_only_the_first(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given --if-none twice, then one key is made, and the second time nothing is said."""
    monkeypatch.setenv("REDIS_URL", store_url)

    first = _keys("create", "--tenant", "default", "--if-none")
    second = _keys("create", "--tenant", "default", "--if-none")

    assert first.stdout.strip()
    assert (second.exit_code, second.output) == (0, "")
    assert len(_listed()) == 1


def test_the_embedded_store_is_found(store_url: str, clean_environment: Path) -> None:
    """Given no REDIS_URL, then the store of the service that runs on DATA_DIR is used."""
    clean_environment.mkdir()
    record = RunRecord(
        pid=os.getpid(), started=started_at(os.getpid()) or "", url="http://127.0.0.1:1", redis_url=store_url
    )
    RunDir(clean_environment).write(record)

    assert _keys("create", "--tenant", "acme", "--role", "operator").exit_code == 0
    assert [key["role"] for key in _listed()] == ["operator"]


def test_a_record_of_a_dead_process_is_no_service(store_url: str, clean_environment: Path) -> None:
    """Given a record whose process has gone, though another has its id now, then nothing runs."""
    clean_environment.mkdir()
    RunDir(clean_environment).write(RunRecord(pid=os.getpid(), started="another", url="x", redis_url=store_url))

    result = _keys("list")

    assert result.exit_code == 1
    assert "Start it first (customer-memory up), or set REDIS_URL." in result.stderr


def test_what_cannot_be_is_said(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant's name that will not do, and a key that is not there, are told in words."""
    monkeypatch.setenv("REDIS_URL", store_url)

    assert "--tenant: a tenant is" in _keys("create", "--tenant", "Not A Tenant").stderr
    assert "There is no key 0000" in _keys("revoke", "0000").stderr
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr("cli.keys.PATIENCE_SECONDS", 0.2)
    away = _keys("list")
    assert away.exit_code == 1
    assert "StoreUnavailable" not in away.stderr
    assert isinstance(away.exception, SystemExit), "told, not thrown"
