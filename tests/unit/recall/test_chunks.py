"""Chunks: the same turns give the same ones however they come, and they survive being packed; garbage does not pass."""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.models import Message
from shared.recall.chunk import BYTES, LONGEST_ID, TERMS, TURN_BYTES, TURNS, extend, index, merge, turn_of, without
from shared.recall.codec import MOST_BYTES, VERSION, ChunkCorrupt, ChunkOutdated, pack, unpack

from .said import message, sessions, talk

moderate = settings(max_examples=60, deadline=None)
LONG = " ".join(f"word{chr(97 + number % 26)}{chr(97 + number // 26 % 26)}{number}" for number in range(2_000))


@given(sessions, st.data())
@moderate
def test_it_does_not_matter_how_turns_come(said: list[Message], data: st.DataObject) -> None:
    whole = index("ses_1", said)
    cut = data.draw(st.integers(0, len(said)))
    shuffled = data.draw(st.permutations(said))
    assert index("ses_1", shuffled) == whole
    first = index("ses_1", said[:cut])
    if first:
        grown = (*first[:-1], *extend(first[-1], said[cut:]))
        assert grown == whole
    assert merge(data.draw(st.permutations([*whole, *first]))) == whole


def test_a_session_of_any_length_is_cut_into_sealed_chunks_and_a_last_one() -> None:
    said = talk(*(f"Message {number} about lamp {number % 7}" for number in range(2 * TURNS + 5)))
    chunks = index("ses_1", said)
    assert [len(chunk.seqs) for chunk in chunks] == [TURNS, TURNS, 5]
    assert index("ses_1", said[:-3])[:2] == chunks[:2], "what is sealed stays as it is"


@given(sessions)
@moderate
def test_what_is_packed_is_read_again(said: list[Message]) -> None:
    for chunk in index("ses_1", said):
        packed = pack(chunk)
        assert unpack(packed) == chunk
        assert pack(unpack(packed)) == packed


def test_the_longest_turns_stay_within_the_bounds() -> None:
    chunks = index("s" * LONGEST_ID, talk(*[LONG] * 40))
    for chunk in chunks:
        assert len(pack(chunk)) <= MOST_BYTES
        assert all(len(turn.terms) <= TERMS for turn in chunk.turns)
        assert sum(turn.cost for turn in chunk.turns) <= BYTES
    turn = turn_of(message(1, f"{LONG} KX-4711 {'lamp ' * 99}"))
    assert turn.length > TERMS
    assert sum(len(term) for term in turn.terms) <= TURN_BYTES
    assert "kx4711" in turn_of(message(1, f"{'lamp door ' * 900} KX-4711")).terms, "identifiers go first"


def test_messages_that_are_taken_out_are_gone() -> None:
    (chunk,) = index("ses_1", talk("My lamp", "Yes?", "KX-4711"))
    assert without(chunk, [7]) is chunk
    left = without(chunk, [3])
    assert left is not None
    assert left.seqs == (1, 2)
    assert "kx4711" not in left.postings
    assert without(chunk, [1, 2, 3]) is None


def test_what_cannot_be_is_refused() -> None:
    assert index("ses_1", []) == merge([]) == ()
    with pytest.raises(ValueError, match="several sessions"):
        merge([*index("ses_1", talk("Hello")), *index("ses_2", talk("Hello"))])
    for name in ("", "s" * (LONGEST_ID + 1)):
        with pytest.raises(ValueError, match="id"):
            index(name, talk("Hello"))


def plain() -> dict[str, Any]:
    """Return a chunk before it is compressed."""
    (chunk,) = index("ses_1", talk("My lamp hums", "Which lamp?", "The lamp KX-4711"))
    found: dict[str, Any] = json.loads(zlib.decompress(pack(chunk)[1:]))
    return found


def packed(content: object) -> bytes:
    """Return anything as if it were a chunk."""
    return bytes([VERSION]) + zlib.compress(json.dumps(content).encode())


def test_only_this_version_is_read() -> None:
    assert unpack(packed(plain())).session_id == "ses_1"
    for version in {*range(256)} - {VERSION}:
        with pytest.raises(ChunkOutdated):
            unpack(bytes([version]) + packed(plain())[1:])


@pytest.mark.parametrize(
    "altered",
    [
        {"s": ""},
        {"s": 7},
        {"q": []},
        {"q": [1, 0, 1]},
        {"q": [1, 1]},
        {"q": [1, 1, 2**60]},
        {"q": [1, True, 1]},
        {"t": [0, 0, 10**12]},
        {"t": [0.5, 1, 1]},
        {"r": "uax"},
        {"a": "012"},
        {"n": [1, -1, 1]},
        {"w": "lamp\nhum"},
        {"w": ""},
        {"k": [1]},
        {"k": [0, 1, 1]},
        {"p": [0, 0]},
        {"p": []},
        {"p": "0"},
    ],
    ids=str,
)
def test_what_is_altered_is_not_read(altered: dict[str, Any]) -> None:
    with pytest.raises(ChunkCorrupt):
        unpack(packed({**plain(), **altered}))


def test_every_posting_lies_within_the_chunk() -> None:
    good = plain()
    for place in range(0, len(good["p"]), 2):
        for step in (-9, 9):
            numbers = [*good["p"]]
            numbers[place] += step
            with pytest.raises(ChunkCorrupt):
                unpack(packed({**good, "p": numbers}))


@pytest.mark.parametrize("content", [None, [], {}, "x", 7, [[[]]]], ids=str)
def test_other_json_is_no_chunk(content: object) -> None:
    with pytest.raises(ChunkCorrupt):
        unpack(packed(content))


def test_a_bomb_is_not_unpacked() -> None:
    bomb = bytes([VERSION]) + zlib.compress(b'{"s":"' + b"a" * 50_000_000)
    with pytest.raises(ChunkCorrupt):
        unpack(bomb[:MOST_BYTES])
    deep = bytes([VERSION]) + zlib.compress(b"[" * 100_000)
    with pytest.raises(ChunkCorrupt):
        unpack(deep)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_chunk_are_refused(garbage: bytes) -> None:
    with pytest.raises(ChunkCorrupt):
        unpack(bytes([VERSION]) + garbage)
    with pytest.raises(ChunkCorrupt):
        unpack(garbage)


@given(sessions, st.data())
@moderate
def test_a_byte_altered_is_noticed_or_gives_a_whole_chunk(said: list[Message], data: st.DataObject) -> None:
    whole = index("ses_1", said)[0]
    packed = bytearray(pack(whole))
    packed[data.draw(st.integers(1, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(ChunkCorrupt):  # there are bits in what zlib writes that change nothing of what it reads
        assert unpack(bytes(packed)) == whole
    with pytest.raises(ChunkCorrupt):
        unpack(pack(whole)[:-1])
