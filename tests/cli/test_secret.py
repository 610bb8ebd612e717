"""The key that seals secrets, where nobody set one."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cli.rundir import RunDir
from cli.secret import kept_key
from cli.up import make_plan
from shared.settings import Settings, load_settings


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
