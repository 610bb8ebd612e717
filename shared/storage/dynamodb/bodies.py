"""Long text in an item of at most 400 KB: what does not fit goes on in items beside it, cut between characters.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from shared.storage.dynamodb.actions import Item

# Bytes of UTF-8 in one item: three such bodies, the largest metadata and what describes them stay below 400 KB.
ROOM: Final = 100_000
# The same for an item that holds one body and little else.
MOST: Final = 380_000
# The bodies of a request's record, and the names under which what is too long for it goes on.
OF_REQUEST: Final = {"message": "text", "result": "outcome", "receipt": "receipt"}


def split(text: str, room: int = ROOM) -> tuple[str, list[str]]:
    """Return the text's beginning of at most `room` bytes, and the rest in pieces of as many."""
    if len(text) * 4 <= room:
        return text, []
    raw = text.encode()
    pieces, start = [], 0
    while start < len(raw):
        end = min(start + room, len(raw))
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # noqa: PLR2004 - UTF-8: a byte inside a character
            end -= 1
        pieces.append(raw[start:end].decode())
        start = end
    return pieces[0], pieces[1:]


def pieces(pk: str, name: str, rest: Sequence[str]) -> list[Item]:
    """Return the items of a text's rest, from 1: `name/001`."""
    return [{"pk": pk, "sk": f"{name}/{number:03d}", "text": text} for number, text in enumerate(rest, 1)]


def joined(first: str, name: str, items: Iterable[Item]) -> str:
    """Return a text whole again, from its beginning and whichever of `items` are its rest."""
    rest = sorted((item for item in items if item["sk"].startswith(f"{name}/")), key=lambda item: item["sk"])
    return first + "".join(item["text"] for item in rest)
