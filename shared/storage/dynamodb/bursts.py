"""Bursts on DynamoDB: what a session's inbox says of its requests that wait for the next message.

Of each it holds, in `waits`, when it was accepted, how long it waits, and how long its message is: so a burst is known,
and when it is due, without reading the requests. Once a claim has fixed it, `burst` names those behind the head.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from shared.storage.dynamodb.actions import Item
from shared.storage.types import BURST_BYTES, BURST_MOST, BURST_WINDOWS, NewRequest

NAMES: Final = ("waits", "burst")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits `ms` for the next message. Times in milliseconds; `most`: the longest its burst may wait."""

    id: str
    accepted: int
    ms: int
    most: int
    bytes: int

    @classmethod
    def of(cls, request: NewRequest, now: int, deadline_ms: int) -> Self:
        """Return what the inbox says of a request that was accepted just now."""
        most = min(BURST_WINDOWS * request.coalesce_ms, deadline_ms // 2)
        return cls(request.request_id, now, request.coalesce_ms, most, len(request.message.encode()))

    @classmethod
    def kept(cls, request_id: str, record: Mapping[str, Any]) -> Self:
        """Return the same from a request's record."""
        accepted, ms = int(record["accepted"]), int(record["coalesce"])
        most = min(BURST_WINDOWS * ms, (int(record["deadline"]) - accepted) // 2)
        return cls(request_id, accepted, ms, most, len(record["message"].encode()))

    @classmethod
    def read(cls, text: str) -> Self:
        """Return it from its text."""
        request_id, *numbers = text.split("/")
        return cls(request_id, *map(int, numbers))

    def __str__(self) -> str:
        return f"{self.id}/{self.accepted}/{self.ms}/{self.most}/{self.bytes}"


def waits_in(inbox: Item) -> dict[str, Waiting]:
    """Return what an inbox says of requests that wait for the next message, by id."""
    return {each.id: each for each in map(Waiting.read, inbox.get("waits", ()))}


def behind(tickets: Sequence[str], waits: Mapping[str, Waiting]) -> list[Waiting]:
    """Return the burst that the tickets begin with, as it stands, the head first; none where that waits for none."""
    found: list[Waiting] = []
    for ticket in tickets[:BURST_MOST]:
        waiting = waits.get(ticket)
        if waiting is None or (found and sum(each.bytes for each in found) + waiting.bytes > BURST_BYTES):
            break
        found.append(waiting)
    return found


def due_of(burst: Sequence[Waiting]) -> int:
    """Return when a burst that no claim has fixed is due; 0 where there is none."""
    if not burst:
        return 0
    first, last = burst[0], burst[-1]
    return min(last.accepted + last.ms, first.accepted + first.most)


def members_of(inbox: Item) -> list[str]:
    """Return the requests that are answered with the head of an inbox."""
    if "burst" in inbox:
        return list(inbox["burst"])
    return [each.id for each in behind(inbox["tickets"], waits_in(inbox))[1:]]


def is_open(inbox: Item) -> bool:
    """Return whether the head of an inbox waits for the next message, and no claim has fixed its burst."""
    return "burst" not in inbox and bool(inbox["tickets"]) and inbox["tickets"][0] in waits_in(inbox)


def kept_of(tickets: Iterable[str], waits: Mapping[str, Waiting]) -> list[str] | None:
    """Return what an inbox of these tickets keeps in `waits`; None where that is nothing."""
    return [str(waits[ticket]) for ticket in tickets if ticket in waits] or None
