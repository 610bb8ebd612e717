"""`customer-memory settings`: every setting, as `.env.example` or as a table. Made from the code alone."""

from __future__ import annotations

from typing import Any

import click
from pydantic.fields import FieldInfo

from shared.settings import Settings

SHOWN_CHARACTERS = 60

# The field that begins each group, and the group's heading.
HEADINGS = {
    "anthropic_api_key": "Claude",
    "store": "Store and broker",
    "host": "Web",
    "token_budget_max": "Context",
    "recall_share": "Memory",
    "summary_model": "Summaries",
    "session_ttl_hours": "Time",
    "lease_seconds": "Delivery",
    "log_level": "Logs",
}


@click.command(hidden=True)
@click.option("--env-example", "form", flag_value="env", default=True, help="As .env.example (the default).")
@click.option("--markdown", "form", flag_value="markdown", help="As a table.")
def settings(form: str) -> None:
    """Print every setting with its default and meaning."""
    click.echo(markdown() if form == "markdown" else env_example(), nl=False)


def env_example() -> str:
    """Return the text of `.env.example`: each setting with its default, commented out."""
    lines = ["# Copy to .env and uncomment what you change. The environment goes before this file."]
    for name, field in Settings.model_fields.items():
        if name in HEADINGS:
            lines += ["", f"# --- {HEADINGS[name]}"]
        lines += ["", f"# {_sentence(field)}", f"#{name.upper()}={_quoted(default_of(field))}"]
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """Return a Markdown table of every setting."""
    lines = ["| variable | default | |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = default_of(field)
        shown = default if len(default) <= SHOWN_CHARACTERS else default[:SHOWN_CHARACTERS].rstrip() + "…"
        code = f"`{shown}`" if shown else ""
        lines.append(f"| `{name.upper()}` | {code} | {_sentence(field)} |".replace("\n", " "))
    return "\n".join(lines) + "\n"


def default_of(field: FieldInfo) -> str:
    """Return a default as the environment would write it; empty where there is none."""
    value: Any = field.default
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


def _sentence(field: FieldInfo) -> str:
    bounds = _bounds(field)
    return (field.description or "") + (f" ({bounds})" if bounds else "")


def _bounds(field: FieldInfo) -> str:
    """Return the range a number must lie in, in words."""
    words = {"ge": "at least {}", "gt": "above {}", "le": "at most {}"}
    found = {key: getattr(rule, key) for rule in field.metadata for key in words if hasattr(rule, key)}
    if "ge" in found and "le" in found:
        return f"{_number(found['ge'])} to {_number(found['le'])}"
    return ", ".join(words[key].format(_number(value)) for key, value in found.items())


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text
