"""A service that writes down what happens to it: `recorder.py NAME FILE [habit ...]`.

Habits: `child` has a child of its own that never stops by itself; `stubborn` ignores SIGTERM; `broken` says why and
exits 3; `chatty` writes without end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Be the service."""
    name, path, *habits = sys.argv[1:]

    def note(event: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{name} {event} {os.getpid()}\n".encode())
        os.close(descriptor)

    def stop(*_: object) -> None:
        note("stop")
        sys.stdout.write("stopping\n")  # Into the pipe that the supervisor made, alive or dead.
        if "stubborn" not in habits:
            note("end")
            sys.stdout.flush()
            os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    note("start")
    if "broken" in habits:
        sys.stderr.write("the reason why\n")
        sys.exit(3)
    if "child" in habits:
        subprocess.Popen([sys.executable, str(Path(__file__)), f"{name}-child", path, "stubborn"])
    while "chatty" in habits:
        sys.stdout.write("x" * 1000 + "\n")
    while True:
        time.sleep(60)


main()
