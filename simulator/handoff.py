"""Calling the tool `handoff`, where it is offered and the customer asks for a person. Pure and deterministic."""

import re
from typing import NamedTuple

from pydantic_core import to_json

from simulator.answer import clip
from simulator.context import MARK, read
from simulator.schema import Fault, FaultKind
from simulator.wire import MessagesRequest
from simulator.words import fold

TOOL = "handoff"
SAID = f"{MARK}I am handing this conversation over to a person."
LONGEST_REASON = 200

_SOMEBODY = r"(?:human|person|people|agent|representative|colleague|someone|somebody|advisor|supervisor|manager)"
# Ways to ask for a person, in folded text.
ASKING = re.compile(
    rf"\b(?:speak|talk|chat)(?:ing)?\s+(?:to|with)\s+(?:(?:a|an|the|your|some|any)\s+)?(?:(?:real|live|actual)\s+)?{_SOMEBODY}\b"
    rf"|\b(?:want|need|get|give|connect|transfer)\b[^.!?]{{0,40}}\b(?:human|(?:real|live|actual)\s+{_SOMEBODY})\b"
    r"|\b(?:human|real person|live agent)\s*,?\s*please\b"
    r"|\bmit einem?r?\s+(?:echten\s+|richtigen\s+)?(?:menschen|mitarbeiter(?:in)?|person)\s+(?:sprechen|reden)\b"
)
# Faults that leave the call alone: they bend how it comes, or leave out the words before it.
LEAVING: frozenset[FaultKind] = frozenset({"slow", "empty", "hang", "cut", "stream_error"})


class ToolCall(NamedTuple):
    """A call of a tool: its name, and its input as JSON."""

    name: str
    input: str


def called(request: MessagesRequest, fault: Fault | None) -> ToolCall | None:
    """Return the call that a request leads to, if it does."""
    if not any(tool.get("name") == TOOL for tool in request.tools) or (fault and fault.kind not in LEAVING):
        return None
    asked = read(request).question
    if ASKING.search(fold(asked)) is None:
        return None
    reason = f'The customer asked for a person: "{clip(" ".join(asked.split()), LONGEST_REASON)}"'
    return ToolCall(TOOL, to_json({"reason": reason}).decode())
