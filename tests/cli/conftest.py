"""Fixtures of the command's tests: supervisors over recorders, services over stand-ins."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.embedded import free_port, prepare
from tests.cli.fake_api import FakeApi, serve
from tests.cli.running import Running
from tests.cli.waiting import Record, until

ROOT = Path(__file__).parents[2]
STANDINS = Path(__file__).with_name("standins")


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A fresh record file."""
    return Record(tmp_path / "record")


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No setting from outside: an empty folder to work in, and DATA_DIR below it."""
    for name in ("REDIS_URL", "BROKER_URL", "ANTHROPIC_API_KEY", "SIMULATOR_URL", "HOST", "CUSTOMER_MEMORY_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    monkeypatch.setenv("DATA_DIR", str(data))
    monkeypatch.setenv("PORT", str(free_port()))
    return data


@pytest.fixture
def running(tmp_path: Path, record: Record) -> Iterator[Running]:
    """Starts processes, and leaves none behind."""
    started = Running(tmp_path, record, ROOT, STANDINS)
    yield started
    started.end()


@pytest.fixture
def store_url(tmp_path: Path) -> Iterator[str]:
    """The address of an embedded store of this test's own."""
    store = prepare(tmp_path / "store")
    with subprocess.Popen([store.binary, store.config], stdout=subprocess.DEVNULL) as process:
        until("the store to answer", lambda: asyncio.run(store.ready()))
        yield store.url()
        process.terminate()


@pytest.fixture
def fake_api() -> Iterator[FakeApi]:
    """A stand-in of the service's API, that answers."""
    fake = FakeApi()
    stop = serve(fake)
    yield fake
    stop()
