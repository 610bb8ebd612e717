"""What a summary is made of: how far it reaches, and the messages as the summariser reads them, in chunks.

A message is one line, `Customer: …` or `Agent: …`, and the lines after its first are indented: stored text cannot
play a message that nobody wrote. A line with the day stands where the day changes, so that "tomorrow" means something.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Final

from shared.models import Message
from shared.summaries.appendix import Measure
from shared.summaries.ledger import reaches
from shared.summaries.sentences import sentences

SPEAKERS: Final = {"user": "Customer", "assistant": "Agent"}
LONGEST_NAME: Final = 40


@dataclass(frozen=True, slots=True)
class Chunk:
    """Messages for one call. `through`: the last seq that has been read whole when this chunk has."""

    text: str
    messages: tuple[Message, ...]
    through: int


def boundary(messages: Sequence[Message], keep: int, measure: Measure) -> int:
    """Return how many of the messages a summary takes in: all before the newest turns of at most `keep` tokens.

    What stays begins with a customer's message, and with `keep` above 0 holds the newest turn whole, however long;
    with 0 nothing stays: the session is over.
    """
    if keep <= 0:
        return len(messages)
    starts = [
        index
        for index, message in enumerate(messages)
        if message.role == "user" and (index == 0 or messages[index - 1].role == "assistant")
    ]
    if starts == [0]:  # all of it is one turn, such as messages that were recorded and never answered
        starts = [index for index, message in enumerate(messages) if message.role == "user"]
    cut, spent, end = starts[-1] if starts else 0, 0, len(messages)
    for start in reversed(starts):
        spent += sum(tokens_of(message, measure) for message in messages[start:end])
        if spent > keep:
            break
        cut, end = start, start
    return cut


def tokens_of(message: Message, measure: Measure) -> int:
    """Return the message's raw tokens, counted where nobody has."""
    return message.tokens or measure(message.content)


def chunks(messages: Sequence[Message], most: int, measure: Measure) -> list[Chunk]:
    """Return the messages, of which there is one at least, in chunks of at most `most` tokens each.

    A message longer than that is read in parts, cut between sentences where it has any, and never inside a fact.
    """
    made: list[Chunk] = []
    lines: list[str] = []
    held: list[Message] = []
    spent, day, whole = 0, None, messages[0].seq - 1
    for message in messages:
        said = message.at.astimezone(UTC).date()
        for piece in _pieces(message, most, measure):
            line = _line(message, piece, said if said != day else None)
            cost = measure(line) + 1  # the line's end
            if lines and spent + cost > most:
                made.append(Chunk("\n".join(lines), tuple(held), whole))
                lines, held, spent = [], [], 0
                line = _line(message, piece, said)
                cost = measure(line) + 1
            lines.append(line)
            held.append(message if piece == message.content else message.model_copy(update={"content": piece}))
            spent, day = spent + cost, said
        whole = message.seq
    made.append(Chunk("\n".join(lines), tuple(held), whole))
    return made


def newest(messages: Sequence[Message], most: int, measure: Measure) -> str:
    """Return the newest of the messages that make `most` tokens together; of one that is longer alone, its end."""
    first, spent, day = len(messages), 0, None
    while first > 0:
        message = messages[first - 1]
        said = message.at.astimezone(UTC).date()
        spent += measure(_line(message, message.content, said if said != day else None)) + 1
        if spent > most:
            break
        first, day = first - 1, said
    return chunks(messages[first:] or messages[-1:], most, measure)[-1].text if messages else ""


def _line(message: Message, text: str, day: date | None) -> str:
    name = " ".join((message.author or "").replace(":", " ").split())[:LONGEST_NAME]
    speaker = f"{SPEAKERS[message.role]} {name}".rstrip()
    said = "\n  ".join(line for line in text.strip().splitlines() if line.strip())
    return f"{f'[{day.isoformat()}]{chr(10)}' if day else ''}{speaker}: {said}"


def _pieces(message: Message, most: int, measure: Measure) -> list[str]:
    """Return the message's text, in parts where its line is longer than `most`."""

    def cost(piece: str) -> int:
        return measure(_line(message, piece, message.at.astimezone(UTC).date())) + 1

    if cost(message.content) <= most:
        return [message.content]
    return _parts(message.content, most, cost)


def _parts(text: str, most: int, cost: Callable[[str], int]) -> list[str]:
    """Return a text that is too long in parts of about the same length; where one is still too long, in more."""
    count = max(2, -(-cost(text) * 5 // (most * 4)))  # a fifth less than fits: tokens are not spread evenly
    size = -(-len(text) // count)
    ends, facts = [end for _, end in sentences(text)], reaches(text)
    parts, start = [], 0
    while start < len(text):
        end = _cut(text, start, start + size, ends, facts) if start + size < len(text) else len(text)
        part, start = text[start:end], end
        parts += _parts(part, most, cost) if 1 < len(part) < len(text) and cost(part) > most else [part]
    return parts


def _cut(text: str, start: int, end: int, ends: Sequence[int], facts: Sequence[tuple[int, int]]) -> int:
    """Return where to cut at `end` or before it: after a sentence, else after a word, else where no fact is cut."""
    earliest = start + (end - start) // 2
    sentence = bisect_right(ends, end) - 1
    if sentence >= 0 and ends[sentence] > earliest:
        return ends[sentence]
    cut = next((at for at in range(end, earliest, -1) if text[at - 1].isspace()), end)
    while cut > start + 1 and unicodedata.combining(text[cut]):
        cut -= 1
    # Facts may overlap: of those that would be cut, the one that begins first is the one to stop before.
    return next((first for first, last in facts if start < first < cut < last), cut)
