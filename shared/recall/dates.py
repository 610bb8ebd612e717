"""Times that a message speaks of: "on 7 May", "letzte Woche", "2026-05-07", "5月7日". Days are days of UTC.

What happened on a day is also told in the days after it, and people err within a month: so a day is looked for most
in its own turns, less in those of the next week, little in those of its month.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.recall.words import fold

_THE_DAY: Final = 1.0
_DAYS_AFTER: Final = 0.7
_SAME_MONTH: Final = 0.3
_AFTER: Final = timedelta(days=9)
_LONGEST_TEXT: Final = 2_000  # characters of a message in which times are looked for
_MOST: Final = 8  # times looked at


@dataclass(frozen=True, slots=True)
class Period:
    """Turns from `start` up to, not including, `end` (seconds since 1970) are meant, as much as `worth` (0 to 1)."""

    start: float
    end: float
    worth: float


MONTHS: Final[dict[str, int]] = {
    name: number
    for number, names in enumerate(
        (
            "january januar janvier enero gennaio janeiro januari styczen stycznia ocak январь января",
            "february februar fevrier febrero febbraio fevereiro februari luty lutego subat февраль февраля",
            "march marz maerz mars marzo marco maart marzec marca mart март марта",
            "april avril abril aprile kwiecien kwietnia nisan апрель апреля",
            "may mai mayo maggio maio mei maj maja mayis маи мая",
            "june juni juin junio giugno junho czerwiec czerwca haziran июнь июня",
            "july juli juillet julio luglio julho lipiec lipca temmuz июль июля",
            "august aout agosto augustus augusti sierpien sierpnia agustos август августа",
            "september septembre septiembre settembre setembro wrzesien wrzesnia eylul сентябрь сентября",
            "october oktober octobre octubre ottobre outubro pazdziernik pazdziernika ekim октябрь октября",
            "november novembre noviembre novembro listopad listopada kasim ноябрь ноября",
            "december dezember decembre diciembre dicembre dezembro grudzien grudnia aralik декабрь декабря",
        ),
        start=1,
    )
    for name in names.split()
}
# Words of their own besides: months only beside a day, a year, or a word such as "in".
_AMBIGUOUS: Final = frozenset(("may", "march", "mars", "mart", "mai", "mei", "maj", "maja", "nisan", "ocak", "ekim"))

_NAMES: Final = "|".join(sorted(MONTHS, key=len, reverse=True))
_YEAR: Final = r"(?:19|20)\d\d"
_NAMED: Final = re.compile(
    rf"(?:(?P<before>\b\d{{1,2}})(?:st|nd|rd|th|er|\.)?\s+(?:of\s+|de\s+)?)?\b(?P<month>{_NAMES})\b"
    rf"(?:\.?\s+(?:the\s+)?(?P<after>\d{{1,2}})(?:st|nd|rd|th)?\b(?![:.]\d))?(?:,?\s+(?:del?\s+)?(?P<year>{_YEAR})\b)?"
)
_LEADING: Final = re.compile(r"\b(?:in|of|last|since|until|by|during|im|seit|letzten|en|depuis|desde|in|em|w|в)\s+$")
_ISO: Final = re.compile(rf"\b({_YEAR})-(\d\d)(?:-(\d\d))?\b")
_DOTTED: Final = re.compile(rf"\b(\d{{1,2}})[./](\d{{1,2}})[./]({_YEAR})\b")
_CHINESE: Final = re.compile(rf"(?:({_YEAR})\s*[年년]\s*)?(\d{{1,2}})\s*[月월](?:\s*(\d{{1,2}})\s*[日일])?")
# Words, and the days they mean, counted from today; words of scripts without spaces have no bounds.
_RELATIVE: Final[tuple[tuple[re.Pattern[str], int, int], ...]] = tuple(
    (re.compile(rf"\b(?:{words})\b|{unspaced}"), first, last)
    for words, unspaced, first, last in (
        ("yesterday|gestern|hier|ayer|ieri|ontem|gisteren|вчера", "昨天|昨日|어제", -1, 0),
        (
            "last week|letzte[rn]? woche|semaine derniere|semana pasada|settimana scorsa|semana passada|vorige week",
            "上周|先週|지난주",
            -14,
            -3,
        ),
        (
            "last month|letzten monat|mois dernier|mes pasado|mese scorso|mes passado|vorige maand",
            "上个月|先月|지난달",
            -62,
            -14,
        ),
    )
)


def find_periods(text: str, now: datetime) -> tuple[Period, ...]:
    """Return the times a text speaks of; a day or month without a year is the latest that has begun by `now`."""
    folded = fold(text[:_LONGEST_TEXT])
    today = datetime(now.year, now.month, now.day, tzinfo=UTC)
    found: list[Period] = []
    for read in _READERS:
        found.extend(read(folded, today))
    return tuple(found[: 3 * _MOST])


def worths_at(periods: Iterable[Period], times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how much turns of these times, in seconds since 1970, are meant: 0 to 1 each."""
    worths = np.zeros(len(times))
    for period in periods:
        meant = (times >= period.start) & (times < period.end)
        worths[meant] = np.maximum(worths[meant], period.worth)
    return worths


def _named(text: str, today: datetime) -> Iterator[Period]:
    for found in _NAMED.finditer(text):
        day = found["before"] or found["after"]
        sure = day or found["year"] or found["month"] not in _AMBIGUOUS
        if sure or _LEADING.search(text, 0, found.start("month")):
            yield from _periods(found["year"], MONTHS[found["month"]], day, today)


def _numbered(text: str, today: datetime) -> Iterator[Period]:
    for year, month, day in _ISO.findall(text):
        yield from _periods(year, int(month), day, today)
    for first, second, year in _DOTTED.findall(text):
        yield from _periods(year, int(second), first, today)
        if "/" in text and first != second:  # which of the two is the month is not known
            yield from _periods(year, int(first), second, today)
    for year, month, day in _CHINESE.findall(text):
        yield from _periods(year, int(month), day, today)


def _relative(text: str, today: datetime) -> Iterator[Period]:
    for words, first, last in _RELATIVE:
        if words.search(text):
            start, end = today + timedelta(days=first), today + timedelta(days=last)
            yield Period(start.timestamp(), end.timestamp(), _DAYS_AFTER)


_READERS: Final[tuple[Callable[[str, datetime], Iterator[Period]], ...]] = (_named, _numbered, _relative)


def _periods(year: str | None, month: int, day: str | None, today: datetime) -> Iterator[Period]:
    """Yield what a date means; nothing where the calendar does not have it."""
    try:
        start = datetime(int(year or today.year), month, int(day or 1), tzinfo=UTC)
        if not year and start > today:
            start = start.replace(year=today.year - 1)
    except ValueError:
        return
    first = start.replace(day=1)
    after = (first + timedelta(days=32)).replace(day=1) if (first.year, first.month) != (9999, 12) else first
    if not day:
        yield Period(first.timestamp(), after.timestamp(), _DAYS_AFTER)
        return
    yield Period(start.timestamp(), (start + timedelta(days=1)).timestamp(), _THE_DAY)
    yield Period(start.timestamp(), (start + _AFTER).timestamp(), _DAYS_AFTER)
    yield Period(first.timestamp(), after.timestamp(), _SAME_MONTH)
