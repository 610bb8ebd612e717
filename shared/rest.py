"""Leaving alone for a while what did not answer."""

from __future__ import annotations

import time


class Rest:
    """The seconds after a fault in which something is not asked again, so that callers do not each wait in vain."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0

    @property
    def lasts(self) -> bool:
        """Whether it is still too early to ask again."""
        return time.monotonic() < self._until

    def begin(self) -> None:
        """Rest from now on: something failed."""
        self._until = time.monotonic() + self._seconds
