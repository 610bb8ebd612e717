"""Whose turn it is."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import SessionRef
from shared.storage.jobs import DueSummary
from shared.summaries.due import choose

from .talks import NOON

MINUTE = timedelta(minutes=1)


def waiting(tenant: str, *minutes: int) -> list[DueSummary]:
    """Return sessions of a tenant that are due since so many minutes after noon."""
    return [DueSummary(SessionRef(tenant, f"{tenant}-{minute}"), NOON + minute * MINUTE) for minute in minutes]


def names(chosen: list[DueSummary]) -> list[str]:
    return [each.ref.session_id for each in chosen]


def test_tenants_take_turns_and_the_oldest_comes_first() -> None:
    queue = [*waiting("big", *range(100)), *waiting("small", 50, 60)]
    assert names(choose(queue, {}, 5)) == ["big-0", "small-50", "big-1", "small-60", "big-2"]


def test_a_tenant_that_has_some_in_flight_waits_for_the_others() -> None:
    queue = [*waiting("big", 0, 1), *waiting("small", 50)]
    assert names(choose(queue, {"big": 3}, 5)) == ["small-50", "big-0"]
    assert choose(queue, {"big": 3, "other": 2}, 5) == []


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), unique=True, max_size=60),
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 4)),
    st.integers(0, 20),
)
def test_the_bound_holds_nobody_is_chosen_twice_and_no_room_is_wasted(
    said: list[tuple[str, int]], in_flight: dict[str, int], most: int
) -> None:
    queue = [due for tenant, minute in said for due in waiting(tenant, minute)]
    chosen = choose(queue, in_flight, most)
    assert len(set(chosen)) == len(chosen)
    assert len(chosen) == min(len(queue), max(0, most - sum(in_flight.values())))
    for tenant, count in Counter(each.ref.tenant for each in chosen).items():
        oldest = sorted(each.since for each in queue if each.ref.tenant == tenant)[:count]
        assert sorted(each.since for each in chosen if each.ref.tenant == tenant) == oldest
