"""Stands in for the worker processes and beat."""

import sys

from tests.cli.standins.standin import live

live(sys.argv[1])
