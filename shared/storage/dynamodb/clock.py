"""The store's clock, as the service tells it.

Every answer of DynamoDB carries a `Date`, in whole seconds. An answer received between two readings of this machine's
monotonic clock says that the service's clock stood within one second of that `Date` at some moment between them; many
answers narrow it to some milliseconds. So workers judge leases, due times and expiry by one clock, whatever their own
wall clocks say.

Source: K. Marzullo, S. Owicki, Maintaining the time in a distributed system, 1985 (intersection of intervals).
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Final

# How much two clocks may part, in ms for each ms: NTP's own bound, 500 parts in a million.
DRIFT: Final = 500e-6
# How much the clocks of two hosts of one service may part.
APART_MS: Final = 250.0


class ServiceClock:
    """What is known of the service's clock: an interval that its distance to this machine's monotonic clock lies in."""

    def __init__(self) -> None:
        self._low = self._high = 0.0
        self._seen: float | None = None
        self._last = 0

    @property
    def known(self) -> bool:
        """Whether any answer has told the time yet."""
        return self._seen is not None

    def observe(self, date: str, sent: float, received: float) -> None:
        """Take the `Date` of an answer to what was sent and received at these seconds of the monotonic clock."""
        told = parsedate_to_datetime(date).timestamp() * 1000
        low, high = told - received * 1000, told + 1000 - sent * 1000
        if self._seen is not None:
            slack = (received - self._seen) * 1000 * DRIFT
            narrowed = max(low, self._low - slack), min(high, self._high + slack)
            # Intervals that contradict each other by little are of two hosts of the service: the time lies between.
            # By more, a clock was set, or this machine slept: then the newest word counts.
            if narrowed[0] - narrowed[1] <= APART_MS:
                low, high = sorted(narrowed)
        self._low, self._high, self._seen = low, high, received

    def now_ms(self) -> int:
        """Return the service's time in milliseconds since the epoch; it never goes back."""
        self._last = max(self._last, round(time.monotonic() * 1000 + (self._low + self._high) / 2))
        return self._last
