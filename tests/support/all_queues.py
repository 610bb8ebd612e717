"""A worker with arguments of the test's choice: `python -m tests.support.all_queues CELERY-ARGUMENTS`."""

from __future__ import annotations

import sys

from shared.settings import load_settings
from worker.main import create_app

if __name__ == "__main__":
    create_app(load_settings()).start(["worker", "--without-gossip", "--without-mingle", *sys.argv[1:]])
