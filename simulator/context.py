"""A request read as a question and the passages an answer may be quoted from."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from simulator.wire import Message, MessagesRequest, TextBlock
from simulator.words import fold

MARK = "[simulated] "
REMEMBERED = "From what I remember: "  # also what separates the two quotes of an earlier reply

Source = Literal["memory", "user", "assistant"]

TAG_LINE = re.compile(r"^[ \t]*<(/?)([A-Za-z][\w.:-]*)(?:[ \t][^<>\n]*)?>[ \t]*$", re.MULTILINE)
MEMORY_NOISE = re.compile(r"^[ \t]*(?:#[^\n]*|</?[A-Za-z][^<>\n]*>[ \t]*)$", re.MULTILINE)
TURN_NOISE = re.compile(r"^[ \t]*(?:#{1,6}[ \t][^\n]*|</?[A-Za-z][^<>\n]*>[ \t]*)$", re.MULTILINE)
INLINE_TAG = re.compile(r"</?[A-Za-z][^<>\n]*>")
BULLET = re.compile(r"^(?:[-*•][ \t]+)+")
LEAD = re.compile(r"[ \t]*(?:[-*•][ \t]+)*")
JSON_START = re.compile(r"^[ \t]*(?:[-*•][ \t]+)?[\[{]", re.MULTILINE)
JSON_PIECE = ('"', "{", "}", "[", "]")
JSON = json.JSONDecoder()
KEPT_CHARS = 8_000
WORDY = re.compile(r"\w")
QUESTION_MARKS = ("?", "\uff1f", "\u061f", "\u037e")  # and those of Chinese, Arabic, Greek
# A line end, or the end of a sentence ("No. 5" and "e.g. this" are none); Chinese and Japanese need no space after it.
SENTENCE_END = re.compile("\n|(?<=[.!?\u2026\u061f\u0964])[ \t]++(?=[^\\sa-z0-9])|(?<=[\u3002\uff01\uff1f])(?=\\S)")


class Passage(NamedTuple):
    """Some text and whose it is: memory (a data block), user or assistant (an earlier turn)."""

    text: str
    source: Source


@dataclass(frozen=True, slots=True)
class Context:
    """The question is the last text block of the last user message, without data blocks standing in it."""

    question: str
    passages: list[Passage]


def read(request: MessagesRequest) -> Context:
    """Sort the request's text. The system prompt is instructions: it is counted, never quoted."""
    *earlier, last = request.messages
    passages: list[Passage] = []
    for message in earlier:
        for text in _texts(message):
            _sort(text, message.role, passages)
    *others, asked = _texts(last) or [""]
    for text in others:
        _sort(text, last.role, passages)
    stored, question = split_data(asked)
    passages.extend(Passage(text, "memory") for text in stored)
    return Context(question, passages)


def _sort(text: str, role: Source, passages: list[Passage]) -> None:
    if "</" not in text:
        passages.append(Passage(text, role))
        return
    stored, said = split_data(text)
    # Words around data blocks introduce them: nobody said them.
    passages.extend([Passage(each, "memory") for each in stored] or [Passage(said, role)])


def last_text(request: MessagesRequest) -> str:
    """Return the last text block of the last message; empty when it has none."""
    texts = _texts(request.messages[-1])
    return texts[-1] if texts else ""


def _texts(message: Message) -> list[str]:
    if isinstance(message.content, str):
        return [message.content]
    return [block.text for block in message.content if isinstance(block, TextBlock)]


def split_data(text: str) -> tuple[list[str], str]:
    """Split into what stands between `<name …>` and `</name>` lines, and the rest. A tag never closed is plain text."""
    tags = list(TAG_LINE.finditer(text))
    closed_at = {tag[2]: tag.start() for tag in tags if tag[1]}
    data: list[str] = []
    around: list[str] = []
    opened: re.Match[str] | None = None
    copied = 0
    for tag in tags:
        if opened is None and not tag[1] and closed_at.get(tag[2], -1) > tag.end():
            opened = tag
            around.append(text[copied : tag.start()])
        elif opened is not None and tag[1] and tag[2] == opened[2]:
            data.append(text[opened.end() : tag.start()])
            copied = tag.end()
            opened = None
    around.append(text[copied:])
    return data, "".join(around).strip()


def sentences(passage: Passage) -> list[str]:
    """Return what may be quoted: no tag lines or headings, JSON as `key: value`, old replies as they quoted."""
    text = passage.text
    if passage.source == "memory":
        if JSON_START.search(text):
            text = "\n".join(_readable(text))
        text = INLINE_TAG.sub("", MEMORY_NOISE.sub("", text)) if "<" in text or "#" in text else text
    elif "<" in text or "#" in text:
        text = TURN_NOISE.sub("", text)
    if MARK in text:
        text = "\n".join(piece for line in text.split("\n") for piece in _unwrap(line))
    stripped = (BULLET.sub("", sentence.strip()) for sentence in SENTENCE_END.split(text))
    return [sentence for sentence in stripped if WORDY.search(sentence)]


def quotable(passage: Passage) -> tuple[tuple[str, str], ...]:
    """Return the sentences with their folded forms; a conversation's turns come again and again, so they are kept."""
    return _kept(passage) if len(passage.text) <= KEPT_CHARS else _quotable(passage)


def _quotable(passage: Passage) -> tuple[tuple[str, str], ...]:
    return tuple((sentence, fold(sentence)) for sentence in sentences(passage))


_kept = lru_cache(maxsize=4_096)(_quotable)  # a memo of a pure function: at most some 100 MB, usually 2


def _unwrap(line: str) -> list[str]:
    """What an earlier simulated reply quoted; a reply that quoted nothing says nothing."""
    before, mark, reply = line.partition(MARK)
    if not mark:
        return [before]
    first, last = reply.find('"'), reply.rfind('"')
    return reply[first + 1 : last].split(f'" {REMEMBERED}"') if first < last else []


def _readable(text: str) -> Iterator[str]:
    """Yield the lines of a data block, every JSON object or list among them as lines of `key: value, key: value`."""
    at = 0
    multiline = True  # until one try has failed: broken JSON must not be read again from each of its lines
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        lead = LEAD.match(text, at, end)
        start = lead.end() if lead else at
        if text.startswith(("{", "["), start):
            found = _decode(text, start, end, multiline=multiline)
            if found is not None:
                yield from _rows(found[0])
                at = found[1]
                continue
            multiline = False
        line = text[start:end].strip()
        yield line.strip('"{}[],').replace('": ', ": ").replace('"', "") if line.startswith(JSON_PIECE) else line
        at = end + 1


def _decode(text: str, start: int, end: int, *, multiline: bool) -> tuple[object, int] | None:
    """Read the JSON value at `start`, or on that line alone; return it and where it ends."""
    try:
        return JSON.raw_decode(text, start) if multiline else (json.loads(text[start:end]), end)
    except (ValueError, RecursionError):
        return None


def _rows(value: object) -> Iterator[str]:
    """Yield one line per object that holds plain values; nested keys are joined by a dot."""
    todo: list[tuple[str, object]] = [("", value)]
    while todo:
        name, node = todo.pop()
        if isinstance(node, dict):
            plain = [f"{key}: {_plain(item)}" for key, item in node.items() if not isinstance(item, dict | list)]
            if plain:
                yield f"{name}: {', '.join(plain)}" if name else ", ".join(plain)
            nested = [(f"{name}.{key}" if name else key, item) for key, item in node.items()]
            todo.extend(pair for pair in reversed(nested) if isinstance(pair[1], dict | list))
        elif isinstance(node, list):
            todo.extend((name, item) for item in reversed(node))
        else:
            yield f"{name}: {_plain(node)}" if name else _plain(node)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
