"""A simulator in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def running_simulator() -> Iterator[str]:
    """Start a simulator on a free port; yield its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        yield line.strip().rpartition(" ")[2]
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
