"""Stands in for the web process."""

import os

from tests.cli.standins.standin import live

live("web", int(os.environ["PORT"]))
