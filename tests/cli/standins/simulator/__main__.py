"""Stands in for the simulator."""

import sys

from tests.cli.standins.standin import live

live("simulator", int(sys.argv[sys.argv.index("--port") + 1]))
