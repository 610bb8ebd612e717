"""Stored messages as the model reads them, and turns merged into messages of the Messages API."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from shared.models import Attachment, Message, Role

_BRACKETS = str.maketrans("[]", "()")
# How our own lines begin, with whatever nobody sees between.
_LIKE_OURS = re.compile(r"\[(?=[\s\u200b-\u200f\u2060-\u2064\ufeff]*(?:written\s+by\b|attached\s*:))", re.IGNORECASE)
SPEAKERS: Final[dict[Role, str]] = {"user": "customer", "assistant": "agent"}  # in blocks of data
LONGEST_NAME: Final = 80  # characters of a file's name that are told
THOUSAND: Final = 1000


class Turn(NamedTuple):
    """One text of the conversation: who speaks, and what."""

    role: Role
    text: str


def render(message: Message) -> str:
    """Return a stored message as the model is given it: what was said, after our own lines about it."""
    return heading(message.attachments, message.author) + as_said(message.content)


def heading(attachments: Sequence[Attachment], author: str | None = None) -> str:
    """Return our own lines above a message: its human author, and a line for each file that came with it.

    Names are squeezed into their lines, so that they cannot end them early.
    """
    if not attachments and not author:
        return ""
    named = [f"[Written by {who} of the support team]\n"] if (who := _squeezed(author or "")) else []
    return "".join([*named, *(f"[Attached: {_described(each)}]\n" for each in attachments)])


def as_said(text: str) -> str:
    """Return a text in which no line looks like one of ours: its bracket is made a round one."""
    return _LIKE_OURS.sub("(", text) if "[" in text else text


def is_blank(message: Message) -> bool:
    """Whether the message holds white space only, which the Messages API refuses."""
    return not message.attachments and (not message.content or message.content.isspace())


def _squeezed(name: str) -> str:
    return " ".join(name.split()).translate(_BRACKETS)


def _described(attachment: Attachment) -> str:
    """Return what is told of a file: its name, its type, its size. Never its address, which may open it."""
    name = _squeezed(attachment.name)
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME // 2]}…{name[-LONGEST_NAME // 2 :]}"
    size = None if attachment.size is None else _readable_size(attachment.size)
    return ", ".join(filter(None, (name, attachment.content_type, size)))


def _readable_size(size: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < THOUSAND:
            return f"{size:.0f} {unit}"
        size /= THOUSAND
    return f"{size:.0f} TB"


def merge(turns: Sequence[Turn], cached: int = 0, ttl: str = "5m") -> tuple[dict[str, Any], ...]:
    """Return turns as messages whose roles alternate: neighbours of one role become text blocks of one message.

    Behind the first `cached` turns stands a cache breakpoint that keeps them for `ttl`.
    Shape: `{"role": "user", "content": [{"type": "text", "text": "…"}, …]}`.
    """
    control = {"type": "ephemeral", **({} if ttl == "5m" else {"ttl": ttl})}
    blocks: list[tuple[Role, dict[str, Any]]] = [
        (turn.role, {"type": "text", "text": turn.text} | ({"cache_control": control} if number == cached else {}))
        for number, turn in enumerate(turns, 1)
    ]
    return tuple(
        {"role": role, "content": [block for _, block in neighbours]}
        for role, neighbours in groupby(blocks, key=itemgetter(0))
    )
