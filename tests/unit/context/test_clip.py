"""Clipping: within the limit, both ends kept, no character parted, what is left out counted."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.context.clip import REACH, clip, marker

from .drafts import CL100K

MARKER = re.compile(r" \[… ([0-9,]+) characters left out …\] ")
CHARACTERS = (
    "a",
    "é",
    "e\u0301",
    "o\u0308\u0323",
    "नि",
    "กำ",
    "\u1112\u1161\u11ab",
    "ｶ\uff9e",
    "漢",
    "\r\n",
    "👍🏽",
    "1\ufe0f\u20e3",
    "🏳️\u200d🌈",
    "👩\u200d👩\u200d👧\u200d👦",
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "🇩🇪",
    "🇫🇷",
    "\ud83d\ude00",
)


def clipped(text: str, limit: int) -> str:
    """Return `text` cut to `limit` raw tokens."""
    return clip(text, limit, CL100K.count(text), CL100K.count)


def ends(text: str) -> tuple[str, str, int]:
    """Return head, tail and the number in the marker."""
    found = MARKER.search(text)
    assert found
    return text[: found.start()], text[found.end() :], int(found[1].replace(",", ""))


def is_run_of(text: str, characters: list[str]) -> bool:
    """Whether `text` is some of the first `characters`, each whole."""
    runs = [""]
    for character in characters:
        runs.append(runs[-1] + character)
    return text in runs


@given(st.lists(st.sampled_from(CHARACTERS), min_size=40, max_size=120), st.integers(20, 60))
@settings(max_examples=100, deadline=None)
def test_no_character_is_parted(characters: list[str], limit: int) -> None:
    """Head and tail hold whole characters; the marker counts the code points between them."""
    text = "".join(characters)

    head, tail, left_out = ends(clipped(text, limit))

    assert is_run_of(head, characters)
    assert is_run_of(tail[::-1], [character[::-1] for character in reversed(characters)])
    assert len(head) + left_out + len(tail) == len(text)


@pytest.mark.parametrize("character", CHARACTERS, ids=ascii)
def test_a_cut_at_any_place_keeps_characters_whole(character: str) -> None:
    """Wherever in a character the cut would fall."""
    for before in range(len(character)):
        text = "x" * before + character * 300

        head, tail, _ = ends(clipped(text, 70))

        assert len(head[before:]) % len(character) == len(tail) % len(character) == 0


@given(st.text(min_size=1), st.integers(1, 2000), st.integers(0, 400))
@settings(max_examples=100, deadline=None)
def test_the_result_never_exceeds_the_limit(snippet: str, times: int, limit: int) -> None:
    """Nothing is left only where not even the marker fits."""
    text = snippet * times

    short = clipped(text, limit)

    assert CL100K.count(short) <= limit
    assert short or CL100K.count(marker(len(text))) > limit


@pytest.mark.parametrize("limit", [60, 500, 3000])
@pytest.mark.parametrize(
    "text",
    [
        "Where is my order 4711? It should have come on Monday. " * 2000,
        "請問我的訂單到哪裡了？" * 5000,
        "a" * 300_000,
        "a" * 200_000 + "漢字" * 50_000,
        "漢字" * 50_000 + "a" * 200_000,
        "漢字" * 25 + "a" * 200_000,
        "👩\u200d👩\u200d👧\u200d👦" * 10_000,
    ],
    ids=["english", "chinese", "repeated", "dense tail", "dense head", "dense start", "families"],
)
def test_most_of_the_room_is_used(text: str, limit: int) -> None:
    """However unevenly the tokens are spread."""
    assert limit * 0.7 <= CL100K.count(clipped(text, limit)) <= limit


def test_where_only_the_marker_fits_only_the_marker_is_left() -> None:
    """It still says how much there was."""
    text = "漢字" * 450
    room = CL100K.count(marker(900))

    assert clipped(text, room) == marker(900)
    assert clipped(text, room - 1) == ""


def test_head_and_tail_are_kept_in_equal_parts() -> None:
    """A question stands at the start of a long message, or at its end."""
    head, tail, _ = ends(clipped("x 1 " * 5000, 200))

    assert head
    assert abs(len(head) - len(tail)) <= 1


def test_the_head_alone_is_kept_where_asked() -> None:
    """The marker is then the end."""
    text = "Be brief. " * 500

    short = clip(text, 100, CL100K.count(text), CL100K.count, tail=False)

    head, tail, left_out = ends(short)
    assert text.startswith(head)
    assert len(head) + left_out == len(text)
    assert (tail, bool(head)) == ("", True)


def test_a_waste_of_blanks_is_not_measured_again_and_again() -> None:
    """A hundred of them are one token; counting all that would fit, for every candidate, would take seconds."""
    text = "begin" + " " * 1_000_000 + "end"
    measured: list[int] = []

    def measure(candidate: str) -> int:
        measured.append(len(candidate))
        return CL100K.count(candidate)

    short = clip(text, 500, 8000, measure)

    assert short.startswith("begin")
    assert short.endswith("end")
    assert max(measured) < 10_000


def test_few_candidates_are_measured() -> None:
    """Ordinary text is cut after a handful of counts, none of them of the whole text."""
    text = "Where is my order 4711? It should have come on Monday. " * 2000
    measured: list[int] = []

    def measure(candidate: str) -> int:
        measured.append(len(candidate))
        return CL100K.count(candidate)

    clip(text, 500, CL100K.count(text), measure)

    assert len(measured) <= 6
    assert max(measured) < len(text) / 10


def test_a_character_without_end_is_parted_all_the_same() -> None:
    """A letter under thousands of marks is no reason to keep nothing."""
    text = "a" + "\u0301" * 40 * REACH

    head, tail, _ = ends(clipped(text, 200))

    assert len(head) > REACH
    assert tail


@pytest.mark.parametrize("limit", [40, 64, 100, 300])
@pytest.mark.parametrize(
    "character", ["e" + "\u0301" * 3000, "e" + "\u0301" * 80, "a" + "\u200d" * 100], ids=["endless", "long", "joined"]
)
def test_of_characters_without_end_something_is_kept_however_small_the_room(character: str, limit: int) -> None:
    """Less than one of them fits."""
    head, tail, _ = ends(clipped(character * 40, limit))

    assert head
    assert tail
