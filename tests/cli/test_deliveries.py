"""`customer-memory deliveries list` goes on where a page holds few of what is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

import pytest
from click.testing import CliRunner

from cli import deliveries
from cli.http import Answer
from cli.main import main

NEXT = "/api/deliveries?hookId=hook_1&limit=2&cursor="


class Pages:
    """A service with three pages, of which the first is empty."""

    asked: list[tuple[str, Mapping[str, str]]]

    def __init__(self, _url: str, _key: str | None) -> None:
        self._pages = iter([([], "one"), (["a"], "two"), (["b", "c"], None)])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def call(self, _method: str, path: str, query: Mapping[str, str]) -> Answer:
        self.asked.append((path, query))
        items, cursor = next(self._pages)
        headers = {"Link": f'<{NEXT}{cursor}>; rel="next"'} if cursor else {}
        return Answer(200, {"items": [{"id": each} for each in items]}, headers)


@pytest.mark.parametrize(
    ("limit", "found", "pages"), [("1", ["a"], 2), ("2", ["a", "b"], 3), ("9", ["a", "b", "c"], 3)]
)
def test_it_reads_on_until_it_has_enough(
    monkeypatch: pytest.MonkeyPatch, limit: str, found: list[str], pages: int
) -> None:
    monkeypatch.setattr(Pages, "asked", [], raising=False)
    monkeypatch.setattr(deliveries, "Api", Pages)
    arguments = ["deliveries", "list", "--hook", "hook_1", "--limit", limit, "--json", "--url", "http://127.0.0.1:1"]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    told: list[dict[str, Any]] = json.loads(done.output)
    assert [each["id"] for each in told] == found
    first, *others = Pages.asked
    assert first == ("/api/deliveries", {"limit": limit, "hookId": "hook_1"})
    assert others == [(f"{NEXT}one", {}), (f"{NEXT}two", {})][: pages - 1]
