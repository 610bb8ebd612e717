"""What a text is compared by, in many languages and scripts."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.recall.stems import LONGEST, stem
from shared.recall.words import LONGEST_TERM, LONGEST_TEXT, fold, is_identifier, is_part, terms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("refunds", "refunded"),
        ("running", "run"),
        ("cities", "city"),
        ("Bestellungen", "Bestellung"),
        ("Pakete", "Paket"),
        ("STRASSE", "straße"),
        ("canciones", "canción"),
        ("Señor", "senor"),
        ("l'annulation", "annulation"),
        ("книги", "книга"),
        ("заказов", "заказ"),
        ("Ελλάδα", "ελλαδα"),
        ("الطلب", "طلب"),
        ("שָׁלוֹם", "שלום"),
        ("İstanbul", "istanbul"),
        ("मेरा ऑर्डर", "ऑर्डर"),
        ("訂單到哪裡", "訂單"),
        ("返金はいつ", "返金"),
        ("주문이", "주문"),
        ("สินค้ายังไม่มาถึง", "สินค้า"),
        ("ｶﾀｶﾅ", "カタカナ"),
        ("naïve", "naive"),
        ("smørrebrød", "smorrebrod"),
    ],
)
def test_forms_of_a_word_meet(one: str, other: str) -> None:
    assert set(terms(one)) & set(terms(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [("bus", "but"), ("lamp", "lime"), ("Köln", "Kiel"), ("заказ", "закон"), ("訂單", "位置"), ("नाम", "नीम")],
)
def test_different_words_do_not(one: str, other: str) -> None:
    assert not set(terms(one)) & set(terms(other))


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("KX-4711", "kx4711"),
        ("KX-4711", "4711"),
        ("ＫＸ－４７１１", "KX-4711"),
        ("order #W3792453", "2453"),
        ("٤٧١١", "4711"),
        ("1,234.50", "1234.50"),
        ("May 5th", "5"),
        ("Lotte@Example.com", "lotte@example.com"),
        ("+49 170 1234567", "1234567"),
    ],
)
def test_what_names_one_thing_is_found_by_its_parts(written: str, asked: str) -> None:
    assert set(terms(written)) & set(terms(asked))


def test_words_that_say_nothing_are_left_out() -> None:
    assert terms("it is the and of that, and I don't") == []
    assert terms("der das und ich nicht") == []


def test_terms_stand_in_their_order_and_as_often_as_they_do() -> None:
    assert terms("lamp, parcel, lamp") == ["lamp", "parcel", "lamp"]


def test_only_what_is_longer_and_has_a_digit_names_one_thing() -> None:
    assert [is_identifier(term) for term in ("kx4711", "4711", "lamps", "20266")] == [True, False, False, True]
    assert [is_part(term) for term in ("訂", "訂單", "a", "か")] == [True, False, False, False]


def test_the_unreasonably_long_is_told_by_its_hash_and_looked_at_so_far() -> None:
    (one,), (other,) = terms("x" * 200 + "1"), terms("x" * 200 + "2")
    assert one != other
    assert len(one) <= LONGEST_TERM
    assert terms("lamp " * LONGEST_TEXT) == ["lamp"] * (LONGEST_TEXT // 5)


@given(st.text(max_size=200))
def test_terms_are_bounded_lower_case_and_the_same_however_a_text_is_composed(text: str) -> None:
    found = terms(text)
    assert all(0 < len(term) <= LONGEST_TERM for term in found)
    assert all(term == term.casefold() for term in found)
    assert not any(character in term for term in found for character in " \n\t")
    assert terms(unicodedata.normalize("NFD", text)) == found


@given(st.text(max_size=100))
@example("ǽǿǣ")
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(min_size=1, max_size=40).map(fold).filter(bool))
def test_a_stem_is_a_short_part_of_its_word(word: str) -> None:
    found = stem(word)
    assert 0 < len(found) <= LONGEST
