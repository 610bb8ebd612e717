"""What one session told is in the request that Claude receives two sessions and a month later, and only by memory."""

from __future__ import annotations

import pytest

from benchmarks.across.data import Returning, Turn, facts_of
from benchmarks.across.through import Asked, live, service

FIRST: tuple[Turn, ...] = (
    ("user", "Hello, my name is Isabella Johansson. A lamp of my order went to Texas by mistake."),
    ("assistant", "Thank you, Isabella. I found your order #W3792453 under the user id isabella_johansson_2152."),
    ("user", "Yes, that is the one. Can I have my money back?"),
    ("assistant", "I will refund $36.50 for the lamp to your card within 5 days."),
)
SECOND: tuple[Turn, ...] = (
    ("user", "I would like to know how long the shop on the corner is open."),
    ("assistant", "It is open until eight in the evening, and closed on Sundays."),
)
THIRD: tuple[Turn, ...] = (
    ("user", "I am looking for a table lamp that can be dimmed."),
    ("assistant", "We have several of these, in white and in brass."),
    ("user", "In brass, please. Which of them is the smallest?"),
)
ISABELLA = Returning("isabella", (FIRST, SECOND, THIRD), facts_of(FIRST))


def asked(**settings: object) -> list[Asked]:
    """Return what became of the questions."""
    with service(**settings) as running:
        return list(live(running, ISABELLA))


def test_facts_are_found_by_patterns() -> None:
    assert {fact.kind: fact.text for fact in ISABELLA.facts} == {
        "name": "Isabella Johansson",
        "order": "#W3792453",
        "account": "isabella_johansson_2152",
        "promise": "I will refund $36.50 for the lamp to your card within 5 days.",
    }


def test_what_the_first_session_told_is_in_the_request_of_the_third() -> None:
    found = asked()
    assert len(found) == 2 * len(ISABELLA.facts)
    assert not [each for each in found if not each.remembered]
    assert all(each.tokens <= 4096 - 500 for each in found)


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"extraction": False, "context_digests": 0}, "recall"),
        ({"recall_share": 0.0, "context_digests": 0}, "memory"),
        ({"recall_share": 0.0, "extraction": False}, "digest"),
    ],
    ids=["recall", "entries", "digests"],
)
def test_each_kind_of_memory_brings_it_by_itself(settings: dict[str, object], part: str) -> None:
    found = asked(**settings)
    assert [each for each in found if part in each.where]
    assert {place for each in found for place in each.where} <= {part, "window"}, "what was answered is in the window"


def test_without_memory_nothing_is_there() -> None:
    assert not [each for each in asked(extraction=False, recall_share=0.0, context_digests=0) if each.where]
