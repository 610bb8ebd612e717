"""Fixtures every folder may use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.valkey import Valkey


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A real Valkey server, for all tests of this process that leave it running."""
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no `.env` and no setting of this machine reach a test."""
    monkeypatch.chdir(tmp_path)
    for name in ("ANTHROPIC_API_KEY", "REDIS_URL", "BROKER_URL", "SIMULATOR_URL", "HOST", "PORT", "DATA_DIR", "STORE"):
        monkeypatch.delenv(name, raising=False)
