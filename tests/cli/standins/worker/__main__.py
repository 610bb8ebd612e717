"""Stands in for the worker processes and beat; the chat worker says that it is ready, as the real one does."""

import os
import sys
from pathlib import Path

from tests.cli.standins.standin import live

if sys.argv[1] == "chat":
    Path(os.environ["READY_FILE"]).touch()
live(sys.argv[1])
