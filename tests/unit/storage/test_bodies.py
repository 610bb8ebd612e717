"""Long text in several items."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from shared.storage.dynamodb import bodies
from tests.contract.strict import ITEM_BYTES

texts = st.text(st.sampled_from("aé€🙂\n"), max_size=60)
rooms = st.integers(4, 40)


@given(text=texts, room=rooms)
def test_a_text_cut_in_pieces_is_whole_again_when_joined(text: str, room: int) -> None:
    first, rest = bodies.split(text, room)
    kept = bodies.pieces("p", "text", rest)
    random.Random(0).shuffle(kept)
    beside = [{"pk": "p", "sk": "text", "text": "!"}, {"pk": "p", "sk": "texts/001", "text": "!"}]
    assert bodies.joined(first, "text", [*kept, *beside]) == text


@given(text=texts, room=rooms)
def test_no_piece_is_too_long_or_empty_or_cut_through_a_character(text: str, room: int) -> None:
    first, rest = bodies.split(text, room)
    assert all(0 < len(piece.encode()) <= room for piece in rest)
    assert len(first.encode()) <= room
    assert all(len(piece.encode()) > room - 4 for piece in [first, *rest][:-1])


def test_pieces_are_named_in_their_order() -> None:
    _, rest = bodies.split("a" * 50, 4)
    names = [item["sk"] for item in bodies.pieces("p", "m/000000000001", rest)]
    assert names == sorted(names)
    assert names[0] == "m/000000000001/001"


def test_a_short_text_is_one_piece() -> None:
    assert bodies.split("Grüße", 100) == ("Grüße", [])
    assert bodies.split("", 100) == ("", [])


def test_what_an_item_takes_leaves_room_for_what_describes_it() -> None:
    assert 3 * bodies.ROOM < ITEM_BYTES
    assert bodies.MOST + 16_000 < ITEM_BYTES
