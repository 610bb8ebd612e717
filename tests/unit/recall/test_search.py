"""Which earlier turns are found for a message: the corpus, what is asked of it, and the scores."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.models import Message
from shared.recall.chunk import index
from shared.recall.corpus import Corpus, idf
from shared.recall.query import MOST_POSTINGS, MOST_SCORED, Ask, known_terms, shown
from shared.recall.ranking import relevance
from shared.recall.search import MOST_HITS, REACH, Found, search

from .said import NOW, contents, corpus, sessions, talk

moderate = settings(max_examples=50, deadline=None)
WEATHER = "It has been raining for days and the garden is under water."


def found(text: str, previous: str = "", **said: list[Message]) -> list[str]:
    """Return the turns found for a message, best first, as `session/seq`."""
    hits = search(corpus(**said), Ask(text, NOW, previous)).hits
    return [f"{hit.session_id}/{hit.seq}" for hit in hits]


@given(st.lists(sessions, min_size=1, max_size=4), contents, st.data())
@moderate
def test_the_answer_depends_neither_on_the_order_nor_on_the_cutting(
    said: list[list[Message]], text: str, data: st.DataObject
) -> None:
    whole = [chunk for number, talk in enumerate(said) for chunk in index(f"ses_{number}", talk)]
    cut = data.draw(st.integers(0, len(said[0])))
    doubled = [*whole, *index("ses_0", said[0][:cut])]
    once = search(Corpus(whole), Ask(text, NOW))
    assert search(Corpus(data.draw(st.permutations(doubled))), Ask(text, NOW)) == once


@given(st.lists(sessions, min_size=1, max_size=4), contents)
@moderate
def test_what_is_found_is_there_once_and_in_order(said: list[list[Message]], text: str) -> None:
    there = {(f"ses_{number}", message.seq) for number, talk in enumerate(said) for message in talk}
    line = Corpus(chunk for number, talk in enumerate(said) for chunk in index(f"ses_{number}", talk))
    assert len(line) == len(there)
    answer = search(line, Ask(text, NOW), most_hits=5, most_places=9)
    for turns, most in ((answer.hits, 5), (answer.places, 9)):
        names = [(turn.session_id, turn.seq) for turn in turns]
        assert len(set(names)) == len(names) <= most
        assert set(names) <= there
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(hit.first <= hit.seq <= hit.last for hit in answer.hits)
    assert all(0 <= place.worth <= 1 for place in answer.places)


def test_a_score_is_the_sum_of_its_parts() -> None:
    for hit in search(corpus(one=talk("The lamp hums.", WEATHER), two=talk(WEATHER)), Ask("Which lamp?", NOW)).hits:
        parts = hit.parts
        words = parts.turn + parts.near + parts.wide
        rest = parts.session + parts.coverage + parts.answer + parts.date + parts.recency
        assert hit.score == pytest.approx(words + rest)


def test_nothing_in_common_finds_nothing() -> None:
    assert search(corpus(one=talk(WEATHER)), Ask("Which lamp?", NOW)) == Found()
    assert search(Corpus([]), Ask("Which lamp?", NOW)) == Found()


def test_the_rare_counts_more_than_the_frequent() -> None:
    said = [f"The garden again, {number}" for number in range(30)] + ["A zither in the hall"]
    assert found("The garden and the zither", one=talk(*said))[0] == "one/31"
    assert idf(100, 1) > idf(100, 10) > idf(100, 99) > 0


def test_what_names_one_thing_counts_twice() -> None:
    corpus_of_two = corpus(one=talk("order KX-4711", WEATHER, WEATHER, WEATHER, WEATHER, WEATHER, "a lamp"))
    weights = {term.text: term.weight for term in known_terms(Ask("lamp kx4711", NOW), corpus_of_two)}
    assert weights["kx4711"] == 2 * weights["lamp"]


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Mein Paket mit der Lampe ist kaputt", "Was ist mit den Paketen?"),
        ("Моя лампа сломалась", "что с лампой"),
        ("我的訂單沒有到", "訂單在哪裡"),
        ("注文した商品が届きません", "商品はどこ"),
        ("أين الطلب", "طلب"),
        ("สินค้ายังไม่มาถึง", "สินค้าอยู่ที่ไหน"),
        ("주문이 아직 안 왔어요", "주문 확인"),
        ("मेरा ऑर्डर कहाँ है", "ऑर्डर"),
    ],
)
def test_it_is_found_in_many_languages(said: str, asked: str) -> None:
    assert found(asked, one=talk(WEATHER, WEATHER, WEATHER), two=talk(said))[0] == "two/1"


def test_the_answer_behind_a_question_is_found_though_it_repeats_no_word() -> None:
    said = talk("Hello", WEATHER, "What is the serial number of your bicycle?", "WTU-7741", WEATHER, WEATHER)
    line = corpus(one=said)
    (hit,) = [hit for hit in search(line, Ask("bicycle serial number", NOW)).hits if hit.seq == 4]
    assert {"nearby", "answer"} <= set(hit.why)
    assert hit.parts.answer > 0


def test_a_day_that_is_spoken_of_is_found_without_words() -> None:
    then = NOW - timedelta(days=100)
    hits = search(
        corpus(one=talk(WEATHER, days=100), two=talk(WEATHER, days=10)), Ask(f"on {then:%d %B %Y}?", NOW)
    ).hits
    assert [hit.session_id for hit in hits] == ["one"]
    assert "date" in hits[0].why


def test_of_two_alike_the_later_is_found_first() -> None:
    assert found("lamp", old=talk("The lamp hums", days=300), new=talk("The lamp hums", days=3))[0] == "new/1"


def test_a_follow_up_leans_on_the_message_before() -> None:
    broken, weather = talk("The zither is broken"), talk(WEATHER)
    assert found("And what about it?", one=broken, two=weather) == []
    assert found("And what about it?", "Is the zither repaired?", one=broken, two=weather) == ["one/1"]


def test_an_unknown_word_stands_for_known_ones_that_begin_alike() -> None:
    line = corpus(one=talk("subscription"), two=talk(WEATHER))
    assert line.alike("subsx") == ["subscr"]
    assert line.alike("sub") == []
    (term,) = known_terms(Ask("subsx", NOW), line)
    assert (term.text, term.weight) == ("subscr", 0.5)


def test_a_hit_brings_its_neighbours_each_worth_less_and_none_of_another_session() -> None:
    said = [WEATHER] * 6 + ["The zither is broken"] + [WEATHER] * 6
    places = search(corpus(one=talk(*said), two=talk(WEATHER)), Ask("zither", NOW), most_places=99).places
    worths = {place.seq: place.worth for place in places if place.session_id == "one" and place.hit_seq == 7}
    assert set(worths) >= {7}
    nearer = [worths[seq] for seq in range(7, 7 + REACH + 1) if seq in worths]
    assert nearer == sorted(nearer, reverse=True)
    assert all(place.session_id == "one" for place in places)


def test_what_the_context_holds_is_not_wanted() -> None:
    line = corpus(one=talk("The zither", "Which zither?", "My zither"))
    answer = search(line, Ask("zither", NOW, seen={"one": {1, 2}}))
    assert {hit.seq for hit in answer.hits} == {place.seq for place in answer.places} == {3}


def test_bounds_hold_whatever_is_asked() -> None:
    line = corpus(one=talk(*(f"lamp{number} stands at place{number % 90}" for number in range(900))))
    ask = Ask(" ".join(f"lamp{number}" for number in range(900)), NOW)
    assert len(known_terms(ask, line)) <= MOST_SCORED
    answer = search(line, ask)
    assert len(answer.hits) == MOST_HITS
    assert len(shown("word " * 50_000)) == 1


def test_no_more_places_are_looked_at_however_often_the_words_were_said() -> None:
    often = talk(*(f"lamp and door {'of the zither' * (number % 9 == 0)}" for number in range(MOST_POSTINGS + 500)))
    line = corpus(one=often)
    for asked, kept in (("lamp", ["lamp"]), ("lamp door zither", ["zither"])):
        terms = known_terms(Ask(asked, NOW), line)
        assert [term.text for term in terms] == kept
        assert sum(len(term.postings) for term in terms) <= MOST_POSTINGS
    (lamp,) = known_terms(Ask("lamp", NOW), line)
    assert lamp.postings.places[-1] == len(line) - 1, "of a word that is everywhere the latest places"


def test_entries_that_share_rare_words_matter_more() -> None:
    texts = ["language German", "lamp hums", "lamp of order KX-4711", "door creaks"]
    scores = relevance("What about the lamp of order KX-4711?", texts)
    assert scores[2] > scores[1] > scores[0] == scores[3] == 0
