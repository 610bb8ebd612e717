"""The search with arrays finds what the search written down number by number finds: the same turns, the same scores."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.models import Message
from shared.recall.chunk import Chunk, index
from shared.recall.corpus import Corpus
from shared.recall.query import MOST_POSTINGS, Ask
from shared.recall.search import search

from . import plainly
from .said import NOW, contents, message, sessions

WORDS = [f"{word}{ending}" for word in ("lamp", "order", "refund", "zither", "door", "garden") for ending in "xyz"]
TURNS = MOST_POSTINGS + 400


def assert_same(chunks: list[Chunk], ask: Ask) -> None:
    """Sums in another order differ in their last digits; turns that differ by no more may change places."""
    found = search(Corpus(chunks), ask, most_hits=300, most_places=3_000)
    hits, places = plainly.search(chunks, ask)
    _assert_ranked([((hit.session_id, hit.seq), hit.score) for hit in found.hits], hits)
    _assert_ranked([((place.session_id, place.seq), place.worth) for place in found.places], places)


def _assert_ranked(got: list[tuple[plainly.Turn, float]], expected: list[tuple[plainly.Turn, float]]) -> None:
    assert [score for _, score in got] == pytest.approx([score for _, score in expected], abs=1e-9)
    assert _in_groups(got) == _in_groups(expected)


def _in_groups(ranked: list[tuple[plainly.Turn, float]]) -> list[set[plainly.Turn]]:
    """Return the turns by score; of those that score as the last one does, nothing is said: some were cut off."""
    groups: dict[float, set[plainly.Turn]] = {}
    for turn, score in ranked:
        groups.setdefault(round(score, 6), set()).add(turn)
    return list(groups.values())[:-1]


def _made(chance: random.Random, count: int, common: int) -> list[Message]:
    """Return turns of a session whose words are of a few that are said often, and of some that are not."""
    days = chance.uniform(0, 400)
    said = (
        " ".join([*chance.choices(WORDS[:common], k=3), *chance.choices(WORDS, k=2), f"KX-{chance.randint(1, 400)}"])
        + chance.choice((".", "?"))
        for _ in range(count)
    )
    return [message(seq, text, days=days) for seq, text in enumerate(said, 1)]


def _customers() -> Iterator[tuple[list[Chunk], random.Random]]:
    for seed, (count, turns) in enumerate(((1, 1), (1, 40), (12, 30), (90, 7), (3, 600))):
        chance = random.Random(seed)
        made = [_made(chance, turns, common=3 + seed) for _ in range(count)]
        yield [chunk for number, said in enumerate(made) for chunk in index(f"ses_{number}", said)], chance


def test_many_customers_and_questions() -> None:
    for chunks, chance in _customers():
        for _ in range(12):
            words = chance.choices([*WORDS, "zithers", "KX-7", "last week", "gardenia"], k=chance.randint(1, 8))
            assert_same(chunks, Ask(" ".join(words), NOW, chance.choice(("", "What about lampx and doory?"))))


def test_more_places_than_are_looked_at() -> None:
    chance = random.Random(7)
    chunks = [chunk for at in range(0, TURNS, 200) for chunk in index(f"ses_{at}", _made(chance, 200, common=1))]
    assert len(Corpus(chunks)) == TURNS
    for text in ("lampx", "lampx KX-7", "lampx lampy ordery doorz KX-8"):
        assert_same(chunks, Ask(text, NOW))


@given(st.lists(sessions, min_size=1, max_size=4), contents, contents, st.booleans())
@settings(max_examples=60, deadline=None)
def test_whatever_people_say(said: list[list[Message]], text: str, previous: str, dated: bool) -> None:  # noqa: FBT001 - drawn
    chunks = [chunk for number, talk in enumerate(said) for chunk in index(f"ses_{number}", talk)]
    day = f" on {NOW - timedelta(days=30):%d %B}" if dated else ""
    assert_same(chunks, Ask(text + day, NOW, previous, {"ses_0": {1, 3}}))
