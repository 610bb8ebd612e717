"""Times that a message speaks of, in several languages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.recall.dates import find_periods, worths_at

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def worth(text: str, year: int, month: int, day: int, now: datetime = NOW) -> float:
    """Return how much a text means noon of a day."""
    return float(
        worths_at(find_periods(text, now), np.array([int(datetime(year, month, day, 12, tzinfo=UTC).timestamp())]))[0]
    )


@pytest.mark.parametrize(
    "text",
    [
        "on 7 May",
        "May 7th, 2026",
        "the 7th of May",
        "am 7. Mai",
        "le 7 mai",
        "7 de mayo de 2026",
        "7 maja",
        "7 мая",
        "2026-05-07",
        "7.5.2026",
        "7/5/2026",
        "5/7/2026",
        "5月7日",
        "2026年5月7日",
        "5월 7일",
    ],
)
def test_a_day_is_meant_most_the_days_after_less_and_its_month_a_little(text: str) -> None:
    on, after, before = worth(text, 2026, 5, 7), worth(text, 2026, 5, 10), worth(text, 2026, 5, 1)
    assert on > after > before > 0
    assert worth(text, 2026, 4, 7) == 0


@pytest.mark.parametrize("text", ["in May", "seit Mai 2026", "in März", "last march", "2026-05", "5月", "en mayo"])
def test_a_month_is_meant_as_a_whole(text: str) -> None:
    month = 3 if text in {"in März", "last march"} else 5
    assert worth(text, 2026, month, 3) == worth(text, 2026, month, 28) > 0
    assert worth(text, 2026, month + 1, 3) == 0


@pytest.mark.parametrize(
    ("text", "ago"),
    [("yesterday", 1), ("gestern", 1), ("вчера", 1), ("昨天", 1), ("last week", 7), ("上周", 7), ("mes pasado", 30)],
)
def test_days_are_counted_from_today(text: str, ago: int) -> None:
    day = NOW - timedelta(days=ago)
    assert worth(text, day.year, day.month, day.day) > 0
    assert worth(text, NOW.year, NOW.month, NOW.day) == 0


@pytest.mark.parametrize(
    "text",
    [
        "You may call me",
        "a march through town",
        "Mai tai",
        "31 February",
        "2026-13-40",
        "99.99.2026",
        "version 1.2",
        "",
        "夏",
    ],
)
def test_what_names_no_day_means_none(text: str) -> None:
    assert find_periods(text, NOW) == ()


def test_a_day_without_a_year_is_the_latest_that_has_begun() -> None:
    assert worth("on 24 December", 2025, 12, 24) == 1
    assert worth("on 24 December", 2026, 12, 24) == 0
    leap = datetime(2027, 1, 5, tzinfo=UTC)
    assert worth("on 29 February 2024", 2024, 2, 29, leap) == 1


@given(st.text(max_size=80), st.integers(-1_000_000, 2_920_000))
def test_any_text_may_be_looked_at_on_any_day(text: str, thousandths: int) -> None:
    now = NOW + timedelta(days=thousandths / 1000)
    for said in (text, f"{text} 9999-12-31", f"{text} 12/12/1999 last month"):
        for period in find_periods(said, now):
            assert period.start <= period.end
            assert 0 < period.worth <= 1


def test_no_more_times_are_looked_at_than_is_bounded() -> None:
    assert len(find_periods("on 7 May 2026, " * 1_000, NOW)) <= 24
