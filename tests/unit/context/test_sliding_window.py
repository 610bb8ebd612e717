"""The window: the newest turns that fit, without a gap, begun by the customer."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.context.budget import Meter
from shared.context.strategies.sliding_window import choose

from .drafts import CL100K, conversation, message

METER = Meter(CL100K, 1.4)


@dataclass(frozen=True)
class Listening:
    """Counts with cl100k_base and remembers what it was asked to count."""

    heard: list[str] = field(default_factory=list)
    name: str = "listening"

    def count(self, text: str) -> int:
        """Return the raw tokens of `text`."""
        self.heard.append(text)
        return CL100K.count(text)


def test_all_of_a_short_history_goes_in() -> None:
    """Nothing is left out, so nothing is explained."""
    history = conversation("Hello", "Hello, how can I help?", "My bill is wrong", "Which one?")

    window = choose(history, 1000, METER)

    assert window.included == ["msg_0", "msg_1", "msg_2", "msg_3"]
    assert [turn.text for turn in window.turns] == [stored.content for stored in history]
    assert (window.omitted, window.reasons) == ((), ())


def test_the_oldest_turns_are_left_out_first() -> None:
    """The receipt is told how many and why."""
    history = conversation(*["word " * 20] * 40)

    window = choose(history, 400, METER)

    assert window.included == [stored.id for stored in history[-len(window.chosen) :]]
    assert window.omitted[0] == history[-len(window.chosen) - 1].id
    assert window.reasons[0] == f"left out {40 - len(window.chosen)} older, the window is full"


@given(st.lists(st.integers(1, 25), max_size=30), st.integers(0, 600))
@settings(max_examples=200, deadline=None)
def test_as_many_turns_as_fit_go_in(words: list[int], room: int) -> None:
    """One turn more, customer and agent, would exceed the room."""
    history = conversation(*("word " * count for count in words))
    costs = [METER.block(stored.content) for stored in history]

    window = choose(history, room, METER)

    begin = len(history) - len(window.chosen)
    assert window.tokens == sum(costs[begin:]) <= room
    assert begin % 2 == 0 or not window.chosen
    if begin:
        assert window.tokens + sum(costs[max(begin - 2, 0) : begin]) > room


def test_an_answer_without_its_question_is_left_out() -> None:
    """A history that was cut by the store may start with one."""
    history = [message(0, "We refunded you.", role="assistant"), message(1, "Thanks, when does it arrive?")]

    window = choose(history, 1000, METER)

    assert window.included == ["msg_1"]
    assert window.reasons == ("left out 1, the window begins with the customer's turn",)


def test_only_answers_make_no_window() -> None:
    """There is no customer's turn to begin with."""
    window = choose([message(0, "Hello?", role="assistant")], 1000, METER)

    assert window.chosen == ()
    assert window.omitted == ("msg_0",)


def test_blank_messages_are_skipped_and_leave_no_gap() -> None:
    """Claude refuses them; what was before them still goes in."""
    history = [message(0, "Hello"), message(1, " \n", role="assistant"), message(2, "Anyone?")]

    window = choose(history, 1000, METER)

    assert window.included == ["msg_0", "msg_2"]
    assert window.reasons == ("left out 1 blank",)


def test_a_message_above_a_quarter_of_the_room_is_clipped_to_it() -> None:
    """Head and tail of it stay."""
    history = conversation("Hi", "Hello, what do you see?", "first line " + "noise " * 5000 + "last line", "I see.")

    window = choose(history, 800, METER)

    assert window.included == ["msg_0", "msg_1", "msg_2", "msg_3"]
    long = window.chosen[2]
    assert long.clipped
    assert 100 < long.cost <= 200
    assert long.text.startswith("first line")
    assert long.text.endswith("last line")
    assert window.reasons == ("clipped 1 above a quarter of the window",)


def test_in_a_small_room_short_messages_stay_whole() -> None:
    """A quarter of it would hold little more than the marker."""
    history = conversation("My order number is 4711 and I live in Berlin, at the old address", "Thank you")

    window = choose(history, 100, METER)

    assert [item.clipped for item in window.chosen] == [False, False]


def test_a_persons_answer_says_who_wrote_it() -> None:
    """So that the agent does not take it for its own."""
    history = [message(0, "Hello"), message(1, "I took care of it.", role="assistant", author="Anna\n Berg]")]

    window = choose(history, 1000, METER)

    assert window.turns[1].text == "[Written by Anna Berg) of the support team]\nI took care of it."


def test_stored_counts_are_believed() -> None:
    """Messages with a stored count that stay whole are not counted again."""
    listening = Listening()
    history = [message(number, f"message {number}", known=3) for number in range(200)]

    window = choose(history, 600, Meter(listening, 1.4))

    assert listening.heard == []
    assert window.tokens == len(window.chosen) * 13


def test_only_messages_that_may_fit_are_counted() -> None:
    """The work follows the room, not the length of the history."""
    listening = Listening()
    history = conversation(*["word " * 20] * 1000)

    window = choose(history, 400, Meter(listening, 1.4))

    assert len(listening.heard) <= len(window.chosen) + 2
