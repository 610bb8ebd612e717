"""Processes killed at points of a turn without any Redis: over DynamoDB and SQS, as moto plays them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.crashes import CrashContract, opened
from tests.support.moto import Moto
from tests.support.stack import Heard, Stack

# What the store knows then: a claim, all through the call to Claude; a commit; a commit that was announced.
POINTS = ("after-claim", "after-commit", "before-strike")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Heard]]:
    yield from opened(tmp_path_factory.mktemp("crash-aws"), Moto(), POINTS)


class TestCrashesOnAws(CrashContract):
    """A point for each state that a killed worker may leave behind."""

    @pytest.mark.parametrize("point", POINTS)
    def test_a_worker_killed_at(self, point: str, stack: Stack, events: Heard) -> None:
        self.killed_at(point, stack, events)
