"""`customer-memory customers`, over a stand-in of the API."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from tests.cli.fake_api import FakeApi

pytestmark = pytest.mark.usefixtures("clean_environment")

LINES = b'{"type":"session"}\n{"type":"end","counts":{"session":1}}\n'


def _customers(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, ["customers", *arguments], input=answer)


@pytest.mark.parametrize("size", [1, 7, 18, 19, 20, len(LINES)])
def test_an_export_is_written_as_it_comes(size: int, fake_api: FakeApi) -> None:
    fake_api.exported = [LINES[start : start + size] for start in range(0, len(LINES), size)]
    result = _customers("export", "maria", "--url", fake_api.url)
    assert (result.exit_code, result.stdout_bytes, result.stderr) == (0, LINES, "1 session\n")


@pytest.mark.parametrize("cut", [0, 10, 19, len(LINES) - 2])
def test_an_export_that_was_cut_off_fails(cut: int, fake_api: FakeApi) -> None:
    fake_api.exported = [LINES[:cut]] if cut else []
    result = _customers("export", "maria", "--url", fake_api.url)
    assert (result.exit_code, result.stdout_bytes) == (1, LINES[:cut])
    assert "cut off" in result.stderr


def test_an_erasure_is_asked_for_until_it_is_done(fake_api: FakeApi) -> None:
    fake_api.erasing = 2
    result = _customers("erase", "a/b", "--yes", "--url", fake_api.url)
    assert (result.exit_code, result.stdout) == (0, "a/b is erased\n")
    assert fake_api.erased == ["a/b"] * 3


@pytest.mark.parametrize(("answer", "erased"), [("y\n", ["maria"]), ("n\n", []), ("", [])])
def test_without_yes_it_asks_whether_it_is_meant(answer: str, erased: list[str], fake_api: FakeApi) -> None:
    result = _customers("erase", "maria", "--url", fake_api.url, answer=answer)
    assert fake_api.erased == erased
    assert result.exit_code == (0 if erased else 1)


def test_a_merge_is_asked_for_until_it_is_done_and_shows_how_far_it_is(fake_api: FakeApi) -> None:
    fake_api.merging = 3
    result = _customers("merge", "anon/1", "maria", "--yes", "--url", fake_api.url)
    assert (result.exit_code, result.stdout) == (0, "anon/1 is maria\n")
    assert fake_api.merged == [("anon/1", "maria")] * 4
    assert "sessions moved" in result.stderr


def test_a_merge_that_is_done_at_once_shows_nothing_more(fake_api: FakeApi) -> None:
    result = _customers("merge", "anon", "maria", "--url", fake_api.url, answer="y\n")
    assert result.exit_code == 0
    assert "sessions moved" not in result.stderr
    assert _customers("merge", "anon", "maria", "--url", fake_api.url, answer="n\n").exit_code == 1
    assert fake_api.merged == [("anon", "maria")]
