"""`.env.example` and the settings' table are what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from cli.main import main
from cli.settings import HEADINGS, default_of
from shared.settings import Settings

ROOT = Path(__file__).parents[2]


def _printed(form: str) -> str:
    return CliRunner().invoke(main, ["settings", form]).stdout


def test_env_example_is_up_to_date() -> None:
    """The file is what the command prints; write it anew with `make env-example`."""
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == _printed("--env-example")


def test_env_example_says_the_defaults(tmp_path: Path) -> None:
    """Every line of it, uncommented, is a default that the settings take, and means what leaving it out means."""
    path = tmp_path / "env"
    lines = [
        line[1:] for line in _printed("--env-example").splitlines() if line.startswith("#") and line[1:2].isupper()
    ]
    path.write_text("\n".join(lines))

    assert list(dotenv_values(path)) == [name.upper() for name in Settings.model_fields]
    assert Settings(_env_file=path) == Settings(_env_file=None)


def test_the_table_has_a_row_for_each_setting() -> None:
    """Each setting has its row, and no cell breaks the table."""
    rows = _printed("--markdown").splitlines()[2:]

    assert [row.split("`")[1] for row in rows] == [name.upper() for name in Settings.model_fields]
    assert all(row.count(" | ") == 2 for row in rows)


def test_headings_stand_above_settings_that_exist() -> None:
    """A renamed setting takes its heading along."""
    assert set(HEADINGS) <= set(Settings.model_fields)


@pytest.mark.parametrize(
    ("name", "default"),
    [("port", "8080"), ("events_include_content", "false"), ("redis_url", ""), ("event_queues", "")],
)
def test_defaults_are_written_as_the_environment_has_them(name: str, default: str) -> None:
    """Defaults read as one would write them."""
    assert default_of(Settings.model_fields[name]) == default
