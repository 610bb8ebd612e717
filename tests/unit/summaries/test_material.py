"""Messages as the summariser reads them: in chunks that fit, cut where nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.summaries.ledger import find, find_all
from shared.summaries.material import chunks

from .talks import COUNT, talk

MOST = 200
SENTENCE = "Your refund of 12,50 € for order number {} will be sent by March 7th, 2025 to you."
TEXTS = st.lists(
    st.tuples(
        st.sampled_from(["word ", "a.b-c/", "🦄𒀀", "ไทย", "\n", "$1,200 ", "e\u0301", "订单A1234已发货 "]),
        st.integers(1, 300),
    ),
    min_size=1,
    max_size=4,
).map(lambda runs: "".join(text * times for text, times in runs))


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_no_chunk_is_longer_than_it_may_be_and_nothing_is_left_out(said: list[str]) -> None:
    messages = talk(*said)
    made = chunks(messages, MOST, COUNT)
    assert all(COUNT(chunk.text) <= MOST for chunk in made)
    for message in messages:
        parts = [each.content for chunk in made for each in chunk.messages if each.seq == message.seq]
        assert "".join(parts) == message.content
    through = [chunk.through for chunk in made]
    assert through == sorted(through)
    assert through[-1] == messages[-1].seq


@pytest.mark.parametrize("most", [60, 100, 300, 700])
@pytest.mark.parametrize("separator", [" ", "\n", ""])
def test_a_long_message_is_cut_where_no_fact_is(most: int, separator: str) -> None:
    messages = talk(separator.join(SENTENCE.format(number) for number in range(1000, 1200)))
    parts = [each for chunk in chunks(messages, most, COUNT) for each in chunk.messages]
    assert len(parts) > 5
    assert {entry.text for entry in find_all(parts)} == {entry.text for entry in find(messages[0].content)}


def test_of_many_empty_lines_none_is_read() -> None:
    (chunk,) = chunks(talk("One." + "\n" * 20_000 + "Two."), MOST, COUNT)
    assert chunk.text.endswith("Customer: One.\n  Two.")
    assert COUNT(chunk.text) < 30


def test_a_letter_keeps_its_accent() -> None:
    for chunk in chunks(talk("e\u0301" * 2_000), MOST, COUNT):
        assert chunk.messages[0].content.startswith("e")


def test_a_day_is_told_where_it_changes_and_at_the_head_of_a_chunk() -> None:
    messages = talk(*["It has been a while since anybody wrote to me."] * 40)
    messages[30:] = [each.model_copy(update={"at": each.at.replace(day=9)}) for each in messages[30:]]
    made = chunks(messages, MOST, COUNT)
    assert all(chunk.text.startswith("[2026-11-") for chunk in made)
    assert sum(chunk.text.count("[2026-11-09]") for chunk in made) >= 1
