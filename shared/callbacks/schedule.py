"""When a callback is tried: ten times in three days, later and later.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

# Seconds before each attempt, from the one before; the first goes at once.
STEPS: Final = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
ATTEMPTS: Final = len(STEPS)
JITTER: Final = 0.1
LONGEST_RETRY_AFTER: Final = 86_400.0

Random = Callable[[], float]


def wait_after(tries: int, asked: float | None, random: Random) -> float | None:
    """Return the seconds until the next attempt, after so many failed; None where that was the last.

    `asked`: what Retry-After said; it puts the attempt off, and never brings it nearer. `random` returns 0 to 1.
    """
    if tries >= ATTEMPTS:
        return None
    wait = STEPS[tries] * (1 - JITTER + 2 * JITTER * random())
    return max(wait, min(asked or 0.0, LONGEST_RETRY_AFTER))


def retry_after(header: str | None, now: datetime) -> float | None:
    """Return the seconds a Retry-After asks for, as a number or a date; None where there is none that can be read."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
