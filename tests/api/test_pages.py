"""The pages' own files: anybody may load them, they load nothing from elsewhere, and they are all that is served."""

from __future__ import annotations

import re

import pytest

from tests.api.problem import assert_problem
from tests.support.stack import ROOT, Stack

STATIC = ROOT / "api" / "static"
FILES = [str(file.relative_to(STATIC)) for file in sorted(STATIC.rglob("*")) if file.is_file()]


@pytest.mark.parametrize("path", ["/", "/console", *(f"/static/{name}" for name in FILES)])
def test_a_page_needs_no_key_and_runs_nothing_but_its_own_files(stack: Stack, path: str) -> None:
    with stack.client() as client:
        response = client.get(path)
    assert response.status_code == 200
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_another_host_or_writes_markup(name: str) -> None:
    text = (STATIC / name).read_text()
    code = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)  # a comment may name a source
    hosts = set(re.findall(r"https?://([\w.-]+\w)", code))
    assert hosts <= {"www.w3.org"}  # the name of SVG
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", code)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=\"", text)


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/console/..%2f..%2fapp.py"])
def test_nothing_else_is_served(stack: Stack, path: str) -> None:
    with stack.client() as client:
        assert_problem(client.get(path), 404, "unknown-path")
