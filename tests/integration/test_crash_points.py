"""Processes killed at each named point of a turn, over Valkey."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.crashes import CrashContract, opened
from tests.support.crashing import POINTS
from tests.support.stack import Heard, Stack
from tests.support.valkey import Valkey


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Heard]]:
    folder = tmp_path_factory.mktemp("crash")
    yield from opened(folder, Valkey(folder / "store"), POINTS)


class TestCrashes(CrashContract):
    """Every point."""

    @pytest.mark.parametrize("point", POINTS)
    def test_a_worker_killed_at(self, point: str, stack: Stack, events: Heard) -> None:
        self.killed_at(point, stack, events)
