"""The one retry loop's rules: what is worth another try, when, and how often.

A wait is a stored due time: the request is parked, no worker sleeps. Claude's own retry-after comes first; without it
the wait doubles from `base` to `longest`, less up to a quarter so that many do not come back at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import ClaudeLater

Chance = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Rule:
    """Waits in seconds; `tries` counts how often Claude may be asked in all, None for until the deadline."""

    base: float
    longest: float
    tries: int | None = None


RULES = {
    "rate-limited": Rule(base=2, longest=60),
    "overloaded": Rule(base=2, longest=60),
    "server-error": Rule(base=1, longest=60),
    "timeout": Rule(base=1, longest=60),
    "unreachable": Rule(base=1, longest=30),
    "stream-cut": Rule(base=0.5, longest=30),
    "conflict": Rule(base=1, longest=30),
    "breaker-open": Rule(base=5, longest=30),
    "empty-reply": Rule(base=0.5, longest=2, tries=3),
    "internal-error": Rule(base=2, longest=30, tries=3),
}
OTHERWISE = Rule(base=2, longest=60)

FALLBACK_AFTER_TRIES = 2


def wait_seconds(later: ClaudeLater, tries: int, chance: Chance = random.random) -> float | None:
    """Return how long to wait before the next try, after `tries` tries; None when there is to be none."""
    rule = RULES.get(later.cause, OTHERWISE)
    if rule.tries is not None and tries >= rule.tries:
        return None
    if later.after is not None:
        return later.after
    wait: float = min(rule.longest, rule.base * 2 ** min(tries - 1, 16)) * (1 - chance() / 4)
    return wait
