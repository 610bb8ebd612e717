"""The key that seals secrets, where nobody set one."""

from __future__ import annotations

import asyncio
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from cli.rundir import RunDir
from cli.secret import kept_key
from cli.up import make_plan
from shared.callbacks.account import Accounts
from shared.errors import SettingsError
from shared.sealing import Sealer
from shared.settings import Settings, load_settings
from shared.storage.redis.client import connect
from shared.storage.redis.store import RedisStore
from tests.contract.store import LIMITS
from tests.support.valkey import Valkey

OLD, NEW = "o" * 32, "n" * 32


def test_it_is_made_once_and_is_this_users_alone(tmp_path: Path) -> None:
    key = kept_key(tmp_path / "data")
    assert kept_key(tmp_path / "data") == key
    assert kept_key(tmp_path / "other") != key
    assert stat.S_IMODE((tmp_path / "data" / "secret-key").stat().st_mode) == 0o600
    assert load_settings(secret_key=key).secret_keys == (key,)


def test_up_gives_it_to_every_process_beside_the_embedded_store(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    keys = {item.env.get("SECRET_KEY") for item in make_plan(settings, RunDir(tmp_path), -1).services[1:]}
    assert keys == {kept_key(tmp_path)}


def test_up_leaves_a_key_alone_that_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "k" * 32)
    plan = make_plan(load_settings(data_dir=tmp_path), RunDir(tmp_path), -1)
    assert {item.env.get("SECRET_KEY") for item in plan.services} == {"k" * 32}
    assert not (tmp_path / "secret-key").exists()


async def _secrets(url: str, key: str, *, make: bool) -> list[str]:
    """Return the secrets of a tenant that this key opens, after one was made with it, where asked for."""
    async with RedisStore(connect(url, 5.0, 4), LIMITS) as store:
        accounts = Accounts(store, Sealer([key]))
        made = [(await accounts.new_secret("acme", timedelta()))[1]] if make else []
        return made or accounts.keys("acme", await accounts.read("acme"), await store.now())


def test_after_secrets_were_sealed_anew_the_old_key_can_go(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    valkey.client(11).flushdb()
    made = asyncio.run(_secrets(valkey.url(11), OLD, make=True))
    monkeypatch.setenv("REDIS_URL", valkey.url(11))
    monkeypatch.setenv("SECRET_KEY", f"{NEW},{OLD}")
    result = CliRunner().invoke(main, ["callbacks", "reseal"])
    assert (result.exit_code, result.output) == (0, "acme: 1 sealed anew\n")
    assert asyncio.run(_secrets(valkey.url(11), NEW, make=False)) == made


@pytest.mark.parametrize("key", ["short", f"{'a' * 32},short", f"{'a' * 32},{'b' * 32},{'c' * 32}", ","])
def test_a_key_that_is_too_short_or_one_too_many_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY: must be 32 characters or more"):
        load_settings(secret_key=key)


@pytest.mark.parametrize("network", ["10.0.0.1/8", "inside", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(network: str) -> None:
    with pytest.raises(SettingsError, match="CALLBACK_ALLOWED_CIDRS: write each network as address/length"):
        load_settings(callback_allowed_cidrs=network)
