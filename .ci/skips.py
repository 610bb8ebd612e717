"""Fails when a test was skipped that is not on the list: `skips.py REPORT.xml ALLOWED`. Standard library only.

The list has one shell pattern a line, for `file.py::test: reason` with `*` for anything; `#` begins a comment.
"""

# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from fnmatch import fnmatchcase
from pathlib import Path


def skipped(report: Path) -> list[str]:
    """Return each skipped test as `classname::name: reason`. Expected failures are no skips."""
    cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314 - our own test run wrote it
    return [
        f"{case.get('classname')}::{case.get('name')}: {skip.get('message')}"
        for case in cases
        for skip in case.iter("skipped")
        if skip.get("type") != "pytest.xfail"
    ]


def allowed(listing: Path) -> list[str]:
    """Return the patterns of the list."""
    lines = (line.strip() for line in listing.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def main() -> None:
    """Compare, and say which skips nobody has allowed."""
    report, listing = map(Path, sys.argv[1:])
    if not report.exists():
        sys.exit("no test report was written")
    patterns = allowed(listing)
    strange = [test for test in skipped(report) if not any(fnmatchcase(test, pattern) for pattern in patterns)]
    if strange:
        sys.exit("skipped, though not on " + str(listing) + ":\n  " + "\n  ".join(strange))


main()
