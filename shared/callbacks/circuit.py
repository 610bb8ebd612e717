"""Not asking for a while what fails again and again, and never more at once than is polite.

Of one process: what is counted here is lost with it, and costs a few attempts to learn again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OPENS_AFTER: Final = 10  # failures in a row
FIRST_REST: Final = 30.0
LONGEST_REST: Final = 300.0
BUSY_SECONDS: Final = 2.0  # what an attempt may well take
MOST_KEPT: Final = 10_000


@dataclass(slots=True)
class State:
    """An endpoint as this process knows it; moments in seconds."""

    failures: int = 0
    rest: float = 0.0
    open_until: float = 0.0
    in_flight: int = 0
    booked: float = 0.0
    limited_until: float = 0.0


class Circuits:
    """What is known of each endpoint, by a name of it."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._known: dict[str, State] = {}

    def enter(self, name: str, now: float) -> float:
        """Return 0 and count an attempt as begun, or the seconds after which to ask again."""
        state = self._state(name)
        if state.in_flight >= self._at_once:
            # Each who is turned away gets a place behind the one before: many who wait do not all ask again at once.
            state.booked = max(now, state.booked) + BUSY_SECONDS / self._at_once
            return min(LONGEST_REST, BUSY_SECONDS + state.booked - now)
        if now < state.limited_until:
            return state.limited_until - now
        state.limited_until = 0.0
        if state.rest > 0:
            if now < state.open_until:
                return state.open_until - now
            if state.in_flight:  # one looks whether it answers again; the others wait for what it finds
                return state.rest / 2
        state.in_flight += 1
        return 0.0

    def limit(self, name: str, until: float, now: float) -> None:
        """Ask nothing more of an endpoint until then: it said that it is asked too much."""
        state = self._state(name)
        state.limited_until = max(state.limited_until, min(until, now + LONGEST_REST))

    def leave(self, name: str, now: float, *, failed: bool | None) -> None:
        """Count an attempt as ended; `failed` None: nothing is known of it."""
        state = self._state(name)
        state.in_flight -= 1
        if failed is None:
            return
        if not failed:
            state.failures, state.rest, state.open_until = 0, 0.0, 0.0
            return
        state.failures += 1
        if state.failures >= OPENS_AFTER:
            state.rest = min(LONGEST_REST, max(FIRST_REST, 2 * state.rest))
            state.open_until = now + state.rest

    def _state(self, name: str) -> State:
        if name not in self._known and len(self._known) >= MOST_KEPT:
            self._known = {
                kept: state
                for kept, state in self._known.items()
                if state.in_flight or state.rest or state.limited_until
            }
        return self._known.setdefault(name, State())
