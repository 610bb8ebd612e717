r"""Chunks as bytes: a version, then JSON in zlib. Columns hold differences, which compress well.

    version + zlib({"s": session, "q": seqs, "t": seconds, "r": "uaua", "a": "0100", "n": lengths,
                    "w": "term\nterm…", "k": [postings of each term, …], "p": [position, count, position, count, …]})

The version is that of the layout and of the terms together: a chunk of another is made anew, not read.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from itertools import accumulate
from sys import intern
from typing import Any, Final

from shared.errors import StoreCorrupt
from shared.models import Role
from shared.recall.chunk import BYTES, LONGEST_ID, TURN_BYTES, TURNS, Chunk
from shared.recall.words import VERSION as TERMS_VERSION

LAYOUT: Final = 1
VERSION: Final = LAYOUT * 16 + TERMS_VERSION  # the first byte
MOST_BYTES: Final = BYTES + TURN_BYTES
"""A packed chunk is never longer."""

_MOST_PLAIN: Final = 2 * MOST_BYTES  # bytes before compression that are read
_LARGEST: Final = 2**53
_END_OF_TIME: Final = 253_402_300_800  # seconds since 1970 at which year 9999 ends
_ROLES: Final[dict[str, Role]] = {"u": "user", "a": "assistant"}


class ChunkCorrupt(StoreCorrupt):
    """What was stored as a chunk of the recall index is none."""


class ChunkOutdated(ChunkCorrupt):
    """The chunk is of another version of the recall index; make it anew from the messages."""


def pack(chunk: Chunk) -> bytes:
    """Return the chunk as bytes, at most MOST_BYTES; the same chunk gives the same bytes."""
    names = {role: letter for letter, role in _ROLES.items()}
    words = sorted(chunk.postings)
    plain = {
        "s": chunk.session_id,
        "q": list(_steps(chunk.seqs)),
        "t": list(_steps(chunk.times)),
        "r": "".join(names[role] for role in chunk.roles),
        "a": "".join("01"[asks] for asks in chunk.asks),
        "n": list(chunk.lengths),
        "w": "\n".join(words),
        "k": [len(chunk.postings[word]) // 2 for word in words],
        "p": [number for word in words for number in _spaced(chunk.postings[word])],
    }
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return bytes([VERSION]) + zlib.compress(text.encode("utf-8", "surrogatepass"), 9)


def unpack(packed: bytes) -> Chunk:
    """Return the chunk that was packed.

    Raises:
        ChunkOutdated: it is of another version.
        ChunkCorrupt: these bytes are no chunk.

    """
    if not packed or len(packed) > MOST_BYTES:
        raise ChunkCorrupt(f"a chunk has 1 to {MOST_BYTES:,} bytes, not {len(packed):,}")
    if packed[0] != VERSION:
        raise ChunkOutdated(f"the chunk is of version {packed[0]}, this is {VERSION}")
    try:
        reader = zlib.decompressobj()
        plain = reader.decompress(packed[1:], _MOST_PLAIN)
        _must(reader.eof and not reader.unused_data, "it does not end where it should")
        return _chunk(json.loads(plain.decode("utf-8", "surrogatepass")))
    except (ValueError, TypeError, KeyError, zlib.error, RecursionError) as error:
        raise ChunkCorrupt(f"the chunk cannot be read: {error}") from error


def _chunk(plain: Any) -> Chunk:
    seqs = tuple(accumulate(_integers(plain["q"])))
    count = len(seqs)
    _must(0 < count <= TURNS and all(step > 0 for step in plain["q"][1:]), "its seqs do not ascend")
    times = tuple(accumulate(_integers(plain["t"])))
    _must(all(abs(at) < _END_OF_TIME for at in times), "a time is beyond all calendars")
    lengths = tuple(_integers(plain["n"]))
    _must(all(length >= 0 for length in lengths), "a length is negative")
    session, roles, asks, words = (_text(plain[name]) for name in "sraw")
    _must(0 < len(session) <= LONGEST_ID, "its session has no id")
    _must(len(times) == len(lengths) == len(roles) == len(asks) == count, "its columns differ in length")
    _must(set(asks) <= {"0", "1"}, "a flag is none")
    names = [intern(word) for word in words.split("\n")] if words else []
    _must(all(map(str.__lt__, names, names[1:])), "its terms are not in order")
    return Chunk(
        session,
        seqs,
        times,
        tuple(_ROLES[letter] for letter in roles),
        tuple(letter == "1" for letter in asks),
        lengths,
        dict(zip(names, _postings(_integers(plain["k"]), _integers(plain["p"]), count), strict=True)),
    )


def _postings(sizes: list[int], numbers: list[int], turns: int) -> Iterator[tuple[int, ...]]:
    _must(min(sizes, default=1) > 0 and 2 * sum(sizes) == len(numbers), "its postings are cut")
    _must(min(numbers[1::2], default=1) > 0, "a count is none")
    start = 0
    for size in sizes:
        if size == 1:  # most terms stand in one turn
            row = numbers[start : start + 2]
        else:
            row = numbers[start : start + 2 * size]
            _must(min(row[2::2]) > 0, "positions do not ascend")
            row[::2] = accumulate(row[::2])
        if row[0] < 0 or row[-2] >= turns:
            raise ValueError("a posting is out of range")
        start += 2 * size
        yield tuple(row)


def _spaced(places: tuple[int, ...]) -> Iterator[int]:
    for step, count in zip(_steps(places[::2]), places[1::2], strict=True):
        yield step
        yield count


def _steps(values: Iterable[int]) -> Iterator[int]:
    before = 0
    for value in values:
        yield value - before
        before = value


def _integers(values: Any) -> list[int]:
    _must(isinstance(values, list) and set(map(type, values)) <= {int}, "no list of numbers")
    _must(min(values, default=0) > -_LARGEST and max(values, default=0) < _LARGEST, "a number is out of range")
    return list(values)


def _text(value: Any) -> str:
    _must(isinstance(value, str), "no text")
    return str(value)


def _must(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads as a sentence
    if not holds:
        raise ValueError(otherwise)
