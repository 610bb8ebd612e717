"""What input costs, in US dollars for a million tokens.

Source: https://docs.claude.com/en/docs/about-claude/pricing, as of November 2026. A cache write for five minutes
costs 1.25 times the input, for an hour twice, a read a tenth unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from shared.models import Cost

Value = TypeVar("Value")
MILLION: Final = 1_000_000
WRITES: Final = {"5m": 1.25, "1h": 2.0}  # times the price of input


@dataclass(frozen=True, slots=True)
class Price:
    """One model's prices: input, output, and reading from the cache."""

    input: float
    output: float
    read: float


PRICES: Final = {
    "claude-sonnet-4-6": Price(3, 15, 0.30),
    "claude-sonnet-5-5": Price(2, 10, 0.10),
    "claude-sonnet-5": Price(2, 10, 0.20),
    "claude-haiku-5-5": Price(0.10, 0.50, 0.01),
    "claude-haiku-4-5": Price(1, 5, 0.10),
    "claude-opus-5-5": Price(4, 20, 0.20),
    "claude-fable-5-1": Price(10, 50, 1.0),
}


# Tokens of the shortest beginning that a model's prompt cache keeps. Some keep shorter ones than LEAST_CACHED, but not
# each where it is said to: Sonnet 4.6 was found to need 2,048 instead of 1,024.
LEAST_CACHED: Final = 2_048
LONGER: Final = {"claude-haiku-4-5": 4_096, "claude-opus-4-5": 4_096, "claude-opus-4-6": 4_096}


def price_of(model: str) -> Price | None:
    """Return the model's prices; a dated name counts as the model it dates, and an unknown one has none."""
    return _of(model, PRICES)


def least_cached(model: str) -> int:
    """Return how many tokens the shortest beginning has that is worth a cache breakpoint."""
    return _of(model, LONGER) or LEAST_CACHED


def _of(model: str, table: Mapping[str, Value]) -> Value | None:
    return next((value for name, value in table.items() if model == name or model.startswith(f"{name}-2")), None)


def spent(price: Price, fresh: int, read: int, written: int, ttl: str = "5m") -> float:
    """Return what a request's input cost: tokens neither read from the cache nor written, read, and written."""
    return (price.input * (fresh + written * WRITES[ttl]) + price.read * read) / MILLION


def estimate(model: str, tokens: int, cached: int) -> Cost | None:
    """Return what a request's input costs, fresh, and with its first `cached` tokens read from the cache."""
    price = price_of(model)
    if price is None:
        return None
    fresh = tokens * price.input / MILLION
    saved = cached * (price.input - price.read) / MILLION
    return Cost(fresh=round(fresh, 6), cached=round(fresh - saved, 6))
