"""Stored messages as the model reads them, and turns merged into messages of the Messages API."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, NamedTuple

from shared.models import Message, Role

_BRACKETS = str.maketrans("[]", "()")


class Turn(NamedTuple):
    """One text of the conversation: who speaks, and what."""

    role: Role
    text: str


def render(message: Message) -> str:
    """Return a stored message as the model is given it: its content, after a line that names a human author.

    The name is squeezed into that line, so that it cannot end it early.
    """
    author = " ".join((message.author or "").split()).translate(_BRACKETS)
    return f"[Written by {author} of the support team]\n{message.content}" if author else message.content


def is_blank(message: Message) -> bool:
    """Whether the message holds white space only, which the Messages API refuses."""
    return not message.content.strip()


def merge(turns: Iterable[Turn]) -> tuple[dict[str, Any], ...]:
    """Return turns as messages whose roles alternate: neighbours of one role become text blocks of one message.

    Shape: `{"role": "user", "content": [{"type": "text", "text": "…"}, …]}`.
    """
    return tuple(
        {"role": role, "content": [{"type": "text", "text": turn.text} for turn in neighbours]}
        for role, neighbours in groupby(turns, key=lambda turn: turn.role)
    )
