"""The documentation says what the code does: links lead somewhere, tables are complete, the map is the tree."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from pydantic import BaseModel

from api import memory_schemas, problems, schemas
from api.app import create_flask
from api.services import ApiServices
from cli.settings import markdown
from shared import models
from shared.claude import CUT, FAILED, STOP_REASONS, WHOLE
from shared.conversation.exact import OVER_BUDGET
from shared.conversation.retry import RULES
from shared.events import EVENT_TYPES
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "simulator" / "README.md")
    if page.is_file()
)

FENCE = re.compile(r"^(`{3,})(\w*)[^\n]*\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)

# Names in capitals that the documents may use, and that are no settings.
NO_SETTINGS = {
    "CUSTOMER_MEMORY_URL",
    "CUSTOMER_MEMORY_KEY",
    "NO_COLOR",
    "SAFE_FETCH_ALLOW_PRIVATE_NETWORK",  # Chatwoot's own
    "SIMULATOR_PORT",
    "SIMULATOR_LATENCY_MS",
    "SIMULATOR_TOKENS_PER_SECOND",
}

# Models whose every field the reference names.
DESCRIBED: tuple[type[BaseModel], ...] = (
    schemas.ChatBody,
    schemas.ChatAccepted,
    schemas.ChatStatus,
    schemas.SessionBody,
    schemas.SessionPatchBody,
    schemas.SessionsQuery,
    schemas.MessageBody,
    memory_schemas.MemoryBody,
    memory_schemas.MemoryQuery,
    memory_schemas.MemoryFound,
    memory_schemas.TurnView,
    schemas.AgentBody,
    schemas.Readiness,
    models.Session,
    models.Message,
    models.TokenUsage,
    models.MemoryEntry,
    models.AgentInstructions,
    models.Receipt,
    models.ReceiptPart,
    problems.ProblemDetails,
    problems.FieldProblem,
)

# Folders at the top that are made by tools and belong to nobody.
MADE = {"build", "dist", "env", "htmlcov", "node_modules", "venv"}
PACKAGES = ("api", "benchmarks", "cli", "shared", "simulator", "worker")


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return FENCE.sub("", read(page))


def blocks(language: str) -> dict[str, list[str]]:
    """Return the fenced blocks in a language, by page."""
    found = {
        name_of(page): [text for _, marked, text in FENCE.findall(read(page)) if marked == language] for page in PAGES
    }
    return {page: texts for page, texts in found.items() if texts}


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in HEADING.findall(prose(page)):
        text = LINK.sub(lambda link: link[0][1 : link[0].index("]")], heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def rows(page: str, section: str) -> dict[str, str]:
    """Return the rows of a reference page's section: the word in backticks they begin with, and their second cell."""
    text = read(REFERENCE / page).partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([\w.-]+)` \| ([^|]*?) \|", text, re.MULTILINE))


def test_there_are_pages_to_look_at() -> None:
    assert {"docs/README.md", "docs/tutorial.md", "CONTRIBUTING.md"} <= {name_of(page) for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(INLINE_CODE.sub("", prose(page))):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        aim = (page.parent / path).resolve() if path else page
        if not aim.exists() or (anchor and anchor not in anchors(aim)):
            broken.append(target)
    assert not broken, f"links of {name_of(page)} that lead nowhere: {broken}"


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / target.partition("#")[0]).resolve() for target in LINK.findall(prose(index))}
    pages = set(ROOT.glob("docs/**/*.md")) - {index}
    assert {name_of(page) for page in pages - listed} == set()


def test_the_table_of_settings_is_the_one_the_command_prints() -> None:
    rows = [line for line in read(REFERENCE / "settings.md").splitlines() if line.startswith("|")]
    printed = markdown().splitlines()
    assert rows[: len(printed)] == printed, "paste the output of: customer-memory settings --markdown"


def test_settings_that_are_named_exist() -> None:
    settings = {name.upper() for name in Settings.model_fields}
    named = {
        (name_of(page), name)
        for page in PAGES
        for name in re.findall(r"`\$?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", prose(page))
    }
    assert {(page, name) for page, name in named if name not in settings | NO_SETTINGS} == set()


def test_every_route_is_described_and_no_other() -> None:
    standin = cast("ApiServices", SimpleNamespace(store=SimpleNamespace(access=None)))
    routes = {
        f"{method} {re.sub(r'<[^>]*>', '{}', rule.rule)}"
        for rule in create_flask(standin).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {
        re.sub(r"\{[^}]*\}", "{}", route)
        for route in re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`?\s]*)", prose(REFERENCE / "api.md"))
    }
    assert described == routes


@pytest.mark.parametrize("model", DESCRIBED, ids=lambda model: model.__name__)
def test_every_field_is_described(model: type[BaseModel]) -> None:
    page = read(REFERENCE / "api.md")
    words = {word for code in re.findall(r"`([^`\n]+)`", page) for word in re.findall(r"\w+", code)}
    fields = {field.alias or name for name, field in model.model_fields.items()}
    assert fields - words == set()


def test_every_problem_is_described_with_its_status() -> None:
    kinds = [*problems.KINDS.values(), *(kind for kind in vars(problems).values() if isinstance(kind, problems.Kind))]
    known = {kind.slug: kind.status for kind in kinds}
    known |= {slug: status for status, slug in problems.HTTP_SLUGS.items()}
    assert {slug: int(status) for slug, status in rows("api.md", "Problems").items()} == known


def test_every_failure_is_described_with_its_status() -> None:
    causes = {*FAILED.values(), *(set(STOP_REASONS.values()) - {WHOLE, CUT}), "spend-limit", OVER_BUDGET}
    causes |= {cause for cause, rule in RULES.items() if rule.tries is not None}
    known = {f"claude-{cause}": problems.CLAUDE_FAILED_STATUS for cause in causes} | problems.FAILURE_STATUS
    assert {kind: int(status) for kind, status in rows("api.md", "Failures").items()} == known


def test_every_event_is_described_and_no_other() -> None:
    assert set(rows("events.md", "Types")) == set(EVENT_TYPES)


def test_every_script_is_described_and_no_other() -> None:
    scripts = (ROOT / "shared" / "storage" / "redis" / "lua").glob("*.lua")
    assert set(rows("keys.md", "The scripts")) == {script.stem for script in scripts}


def test_python_examples_can_be_read() -> None:
    for page, texts in blocks("python").items():
        for text in texts:
            ast.parse(text, filename=page)


@pytest.mark.parametrize("page", blocks("json"))
def test_json_examples_can_be_read(page: str) -> None:
    for text in blocks("json")[page]:
        try:
            json.loads(text)
        except ValueError:
            for line in text.splitlines():  # else an object a line
                json.loads(line)


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), re.MULTILINE))
    named = {(name_of(page), target) for page in PAGES for target in re.findall(r"`make ([a-z-]+)", prose(page))}
    assert named, "no page names a target"
    assert {(page, target) for page, target in named if target not in targets} == set()


# The map


def mapped_paths() -> list[str]:
    """Return the paths that begin the lines of the README's map, the indented ones below the line above them."""
    page = ROOT / "README.md"
    if not page.exists():
        pytest.fail("README.md is missing")
    parts = re.split(r"^(#{1,6} .*)$", read(page), flags=re.MULTILINE)
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        block = FENCE.search(text)
        if "map of the code" in heading.lower() and block:
            return list(_paths(block[3]))
    pytest.fail('README.md has no heading with "map of the code" in it and a fenced block below')


def _paths(block: str) -> Iterator[str]:
    above: list[tuple[int, str]] = []
    for line in block.splitlines():
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        while above and above[-1][0] >= indent:
            above.pop()
        path = (above[-1][1] if above else "") + line.split()[0]
        if path.endswith("/"):
            above.append((indent, path))
        yield path


def folders_in(folder: Path) -> set[str]:
    """Return the folders in a folder that hold a source file, as paths from the root, with a slash at the end."""
    return {
        f"{name_of(each)}/"
        for each in folder.iterdir()
        if each.is_dir()
        and not each.name.startswith((".", "__"))
        and not each.name.endswith(".egg-info")
        and each.name not in MADE
        and any(file.is_file() and "__pycache__" not in file.parts for file in each.rglob("*"))
    }


def test_the_map_names_every_folder() -> None:
    folders = folders_in(ROOT).union(*(folders_in(ROOT / package) for package in PACKAGES))
    assert folders - set(mapped_paths()) == set(), "folders that the README's map of the code does not name"


def test_the_map_names_nothing_that_is_not_there() -> None:
    missing = [path for path in mapped_paths() if not (ROOT / path).exists()]
    assert missing == [], "paths in the README's map of the code that do not exist"


def test_folders_of_the_map_end_with_a_slash_and_stand_there_once() -> None:
    paths = mapped_paths()
    assert [path for path in paths if (ROOT / path).is_dir() != path.endswith("/")] == []
    assert [path for path, count in Counter(paths).items() if count > 1] == []
