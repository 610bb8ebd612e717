"""`python -m cli` is `customer-memory`."""

from __future__ import annotations

from cli.main import main

main()
