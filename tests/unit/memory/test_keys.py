"""Keys and values that are the same in all but how they are written, and those that only look alike."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.memory.keys import LONGEST_KEY, near_equal, normal_key, same_key, telling


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Preferred Name", "preferred-name"),
        ("preferred_name", "preferred-name"),
        ("  PREFERRED -- NAME! ", "preferred-name"),
        ("ｐｒｅｆｅｒｒｅｄ ｎａｍｅ", "preferred-name"),
        ("pre\u200bferred\u00adname", "preferredname"),
        ("GRÖSSE", "grösse"),
        ("Größe", "grösse"),
        ("cafe\u0301", "café"),
        ("quarantine/refunds", "quarantine-refunds"),
        ("名前", "名前"),
        ("नाम", "नाम"),
        ("ชื่อ", "ชื่อ"),
        ("!!! / _", ""),
    ],
)
def test_a_key_is_written_one_way(written: str, normal: str) -> None:
    assert normal_key(written) == normal


@given(st.text(max_size=200))
@example("a" * (LONGEST_KEY - 1) + " b")
@example("İstanbul")
def test_a_normal_key_stays_as_it_is(text: str) -> None:
    key = normal_key(text)
    assert normal_key(key) == key
    assert len(key) <= LONGEST_KEY
    assert key == key.strip("-")
    assert not set(key) & set(" \n\r\t/:<>\u2028\u200b")


def test_a_known_key_is_used_as_it_was_written() -> None:
    assert same_key("preferred name", ["Order", "Preferred_Name"]) == "Preferred_Name"
    assert same_key("Preferred Names", ["Preferred_Name"]) == "preferred-names"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Write in German.", "write in german"),
        ("Café", "cafe"),
        ("Straße 5", "STRASSE 5"),
        ("e-mail, please", "e mail please"),
        ({"a": 1}, {"a": 1}),
    ],
)
def test_values_that_say_the_same(one: object, other: object) -> None:
    assert near_equal(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("write in German", "write in Dutch"),
        ("refund of $20", "refund of €20"),
        ("20 %", "20"),
        ("1.5 GB", "15 GB"),
        ("नाम", "नीम"),
        ("ข้าว", "ขาว"),
        ("1", 1),
    ],
)
def test_values_that_do_not(one: object, other: object) -> None:
    assert not near_equal(one, other)


def test_a_word_alone_does_not_tell() -> None:
    assert not telling("yes")
    assert not telling("German")
    assert telling("answer by letter")
    assert telling({"street": "Long Lane"})
