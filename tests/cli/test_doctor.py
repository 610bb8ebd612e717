"""`customer-memory doctor`: what it finds in good and in bad settings, stores and services."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from cli.doctor import CHECKS
from cli.main import main
from shared.callbacks.delivery import Delivery
from shared.ids import Ids, SessionRef, bucket_of
from shared.models import Failure, Message
from shared.settings import Settings, load_settings
from shared.storage import open_store
from shared.storage.tenant_index import Notes
from shared.storage.types import Claim, NewRequest, Outcome
from tests.cli.fake_api import FakeApi

pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture
def well(clean_environment: Path, store_url: str, fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> str:
    """Settings that name a store and a simulator which answer; returns the store's address."""
    monkeypatch.setenv("REDIS_URL", store_url)
    monkeypatch.setenv("SIMULATOR_URL", fake_api.url)
    return store_url


def _password(url: str) -> str:
    return urlsplit(url).password or ""


def _doctor(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments])


def _findings(result: Result) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in json.loads(result.stdout)}


def _states(result: Result) -> dict[str, str]:
    return {name: finding["state"] for name, finding in _findings(result).items()}


@pytest.mark.usefixtures("well")
def test_a_store_that_is_well() -> None:
    """Given a store as `up` sets it, then nothing fails, every check is told, and what is missing is a warning."""
    result = _doctor("--json")

    assert result.exit_code == 0, result.output
    findings = _findings(result)
    assert list(findings) == list(CHECKS)
    for name in ("settings", "python", "store", "durability", "eviction", "replication", "broker", "open files"):
        assert findings[name]["state"] == "ok", findings[name]
    assert "everysec" in findings["durability"]["text"]
    assert findings["workers"]["state"] == "warn"
    assert "chat, maintenance, quarantine" in findings["workers"]["text"]
    assert findings["claude"]["state"] == "warn"
    assert findings["callbacks"]["state"] == "warn"
    assert findings["service"]["state"] == "warn"


def test_a_hand_off_that_did_not_arrive_is_told(well: str) -> None:
    """Given a dead letter of a hand-off, then the tenant is named, and how it is mended."""
    asyncio.run(_hand_off_in_vain(load_settings(redis_url=well)))

    told = _findings(_doctor("--json"))["hand-offs"]

    assert (told["state"], told["text"]) == ("warn", "nobody was called, who was to be: 1 of tenant acme")
    assert "deliveries list --status dead" in told["mend"]


async def _hand_off_in_vain(settings: Settings) -> None:
    async with open_store(settings) as store:
        own, ids, bucket, now = store.tenant("acme"), Ids(), bucket_of("acme", "eva"), datetime.now(UTC)
        request = NewRequest(ids.request(bucket), "eva", "Hello", callback="hook:hook_01")
        session = await own.accept(request, ids.session(bucket))
        claim = await own.claim(SessionRef("acme", session), "n", 100, quarantine=False)
        assert isinstance(claim, Claim)
        message = Message(id=ids.message(), role="user", content="Hello", at=now)
        failure = Failure(type="deadline", detail="late")
        (row,) = (await own.commit(claim, Outcome(message, failure=failure))).rows
        dead = Delivery.begun(row, now).calling(calls=True).given_up("401")
        assert await own.put_delivery(request.request_id, dead.model_dump_json(), 0, dead.facts)
        await own.note(Notes(opened={request.request_id: 1}))


@pytest.mark.usefixtures("well")
def test_a_model_of_meanings_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a folder without a model, then it fails and names the setting; without one, words are enough."""
    assert _findings(_doctor("--json"))["recall"]["text"] == "earlier turns are found by words"
    monkeypatch.setenv("SEMANTIC_MODEL", str(tmp_path / "nothing"))

    result = _doctor("--json")

    told = _findings(result)["recall"]
    assert result.exit_code == 1
    assert told["state"] == "fail"
    assert "SEMANTIC_MODEL" in told["text"]
    assert told["mend"]


def test_it_leaves_nothing_in_the_store(well: str) -> None:
    """Whether the store may be written is tried without leaving a key behind."""
    _doctor()

    assert Redis.from_url(well, db=0).dbsize() == 0


def test_a_store_that_forgets(well: str) -> None:
    """Given no append-only file, and eviction, then both fail, each with its mend, and the exit is 1."""
    store = Redis.from_url(well)
    store.config_set("appendonly", "no")
    store.config_set("maxmemory-policy", "allkeys-lru")

    result = _doctor()

    assert result.exit_code == 1
    assert "-> CONFIG SET appendonly yes" in result.stdout
    assert "-> CONFIG SET maxmemory-policy noeviction" in result.stdout


def test_a_store_that_does_not_tell(well: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a store that denies CONFIG, then how often it syncs is a warning, not a failure."""
    store = Redis.from_url(well)
    store.acl_setuser("limited", enabled=True, passwords=["+secret"], commands=["+@all", "-config"], keys=["*"])
    monkeypatch.setenv("REDIS_URL", well.replace(f":{_password(well)}", "limited:secret"))

    assert _states(_doctor("--json"))["durability"] == "warn"


def test_a_store_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a REDIS_URL where nothing answers, then store and broker fail, and the rest is still told."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    result = _doctor("--json")

    assert result.exit_code == 1
    states = _states(result)
    assert states["store"] == states["broker"] == "fail"
    assert states["python"] == "ok"
    assert set(states) == set(CHECKS)


def test_nothing_started_yet() -> None:
    """Given neither REDIS_URL nor a service on DATA_DIR, then it says how to begin."""
    result = _doctor()

    assert result.exit_code == 1
    assert "Start it first (customer-memory up), or set REDIS_URL." in result.stdout


def test_settings_that_cannot_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a wrong setting, then it is named, and what depends on it is not looked at."""
    monkeypatch.setenv("PORT", "no")

    findings = _findings(_doctor("--json"))

    assert findings["settings"]["state"] == "fail"
    assert findings["settings"]["text"].startswith("PORT: ")
    assert findings["durability"]["text"] == "not looked at: mend the settings first"


@pytest.mark.usefixtures("well")
def test_secrets_are_never_shown(well: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a key and a password, then neither is in the report."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-very-secret")

    result = _doctor()

    assert "ANTHROPIC_API_KEY is set" in result.stdout
    assert "sk-very-secret" not in result.output
    assert _password(well) not in result.output
