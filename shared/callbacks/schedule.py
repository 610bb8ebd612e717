"""When a delivery is tried: a callback ten times in three days, a reply to a platform nine times in an hour.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

# Seconds before each attempt, from the one before; the first goes at once.
STEPS: Final = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
ATTEMPTS: Final = len(STEPS)
JITTER: Final = 0.1
LONGEST_RETRY_AFTER: Final = 86_400.0

# A reply is for somebody who waits: fifty minutes, closer together.
REPLY_STEPS: Final = (0, 2, 10, 30, 120, 300, 600, 900, 1_200)

Random = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds before each attempt; the longest that Retry-After can ask for; and how old a delivery may grow."""

    steps: tuple[int, ...]
    longest_retry_after: float
    oldest: timedelta
    too_old: str


# Older than the steps with their jitter, and the rests of a circuit; Retry-After may stretch it no further.
CALLBACKS: Final = Schedule(STEPS, LONGEST_RETRY_AFTER, timedelta(days=4), "it could not be delivered in four days")
REPLIES: Final = Schedule(REPLY_STEPS, 1_800.0, timedelta(minutes=75), "it could not be posted in 75 minutes")


def wait_after(tries: int, asked: float | None, random: Random, schedule: Schedule = CALLBACKS) -> float | None:
    """Return the seconds until the next attempt, after so many failed; None where that was the last.

    `asked`: what Retry-After said; it puts the attempt off, and never brings it nearer. `random` returns 0 to 1.
    """
    if tries >= len(schedule.steps):
        return None
    wait = schedule.steps[tries] * (1 - JITTER + 2 * JITTER * random())
    return max(wait, min(asked or 0.0, schedule.longest_retry_after))


def retry_after(header: str | None, now: datetime) -> float | None:
    """Return the seconds a Retry-After asks for, as a number or a date; None where there is none that can be read."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
