"""Time, injected: nothing below the composition roots asks the machine for it.

Leases, due times and expiry are *not* judged by this clock but by the store's own (see `shared.storage`);
this one only stamps what people read.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

# The end of the year 9999, the last moment that can be told.
LAST_MS = 253_402_300_799_000

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def to_ms(moment: datetime) -> int:
    """Return whole milliseconds since the Unix epoch; `moment` must be aware."""
    return round(moment.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """Return the aware UTC moment that lies `milliseconds` after the Unix epoch, which must not be before it."""
    return datetime.fromtimestamp(min(milliseconds, LAST_MS) / 1000, UTC)
