"""What is remembered of a conversation, without a model: sentences with a name, a wish, a number or a promise in them.

A request is for that when its system prompt begins with what such a prompt begins with. Every value is a sentence of
the conversation, so none says that it is simulated.
"""

import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import to_json

from simulator.context import SENTENCE_END
from simulator.summary import BLOCK, PROMISE
from simulator.wire import MessagesRequest

ASKED = re.compile(r"You remember a support customer\b")
SAID = re.compile(r"^\[(\d+)\] \S+ (Customer|Agent)\b[^:\n]*: (.*(?:\n  .*)*)", re.MULTILINE)
KNOWN = re.compile(r"^ticket, open ([^:\n]+): ", re.MULTILINE)
NAME = re.compile(r"\b(?:call me|my name is|my name's)\s+[^\W\d_]\w+", re.IGNORECASE)
WISH = re.compile(
    r"\b(?:please|prefer|rather|always|never)\b.*\b(?:write|answer|reply|contact|call|phone|reach|speak|e-?mail)\b",
    re.IGNORECASE,
)
NUMBER = re.compile(
    r"\b(order|account|invoice|customer|booking|reservation|contract|ticket|case|tracking|serial|policy|member(?:ship)?)"
    r"(?: (?:id|number|no\.?|code))?(?: is| was|:)? #?(?=[\w-]*\d)[\w-]{3,}",
    re.IGNORECASE,
)
SETTLED = re.compile(
    r"\b(?:that|it|this)(?:'s| is| has)? (?:work(?:s|ed)|solved|fixed|resolved|arrived|sorted)\b", re.IGNORECASE
)
LONGEST = 300  # characters of a sentence that is remembered
MOST = 20
WORD = re.compile(r"[^\W\d_]{4,20}")
NAMED_BY = 3  # words


def is_extraction(request: MessagesRequest) -> bool:
    """Whether the request asks what to remember of a conversation."""
    system = request.system if isinstance(request.system, str) else "\n".join(block.text for block in request.system)
    return ASKED.match(system) is not None


def remembered(asked: str) -> str:
    """Return JSON: the operations."""
    blocks = {match[1]: match[3] for match in BLOCK.finditer(asked)}
    tickets = KNOWN.findall(blocks.get("known", ""))
    found: list[dict[str, Any]] = []
    for seq, speaker, text in SAID.findall(blocks.get("messages", "")):
        for sentence in (part.strip() for part in SENTENCE_END.split(re.sub(r"\n  ", "\n", text))):
            if 0 < len(sentence) <= LONGEST and "?" not in sentence:
                found += _operations(int(seq), speaker, sentence, tickets)
    return to_json({"operations": found[-MOST:]}).decode()


def _named(promise: str) -> str:
    """Return a promise's key: its longest words, so that another conversation's promise has another."""
    words = list(dict.fromkeys(WORD.findall(promise.casefold())))
    longest = sorted(words, key=len, reverse=True)[:NAMED_BY]
    return " ".join(["promise", *(word for word in words if word in longest)])


def _operations(seq: int, speaker: str, sentence: str, tickets: list[str]) -> Iterator[dict[str, Any]]:
    """Yield what a sentence leads to; a ticket that it opens is added to `tickets`."""

    def operation(op: str, scope: str, key: str) -> dict[str, Any]:
        told = {"op": op, "scope": scope, "key": key, "value": sentence, "message": seq}
        return {**told, "quote": sentence, "confidence": 0.5}

    if speaker == "Agent":
        if PROMISE.search(sentence):
            tickets.append(_named(sentence))
            yield operation("upsert", "ticket", tickets[-1])
        return
    if NAME.search(sentence):
        yield operation("upsert", "preference", "name")
    if WISH.search(sentence):
        yield operation("upsert", "preference", "contact")
    for match in NUMBER.finditer(sentence):
        yield operation("upsert", "note", match[1].casefold())
    if SETTLED.search(sentence) and tickets:
        yield operation("resolve", "ticket", tickets.pop())
