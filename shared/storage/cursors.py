"""Cursors: where a page ended, as callers carry it back."""

from __future__ import annotations

import base64
import binascii

from shared.clock import LAST_MS, to_ms
from shared.errors import BadCursor
from shared.models import Session


def session_cursor(last: Session) -> str:
    """Return what leads to the sessions after `last`."""
    return place_cursor(to_ms(last.created_at), last.id)


def place_cursor(milliseconds: int, identifier: str) -> str:
    """Return what leads to what began before this; `read_session_cursor` reads it."""
    return base64.urlsafe_b64encode(f"{milliseconds} {identifier}".encode()).decode().rstrip("=")


def read_session_cursor(cursor: str) -> tuple[int, str]:
    """Return when the last session seen began, in milliseconds, and its id. Raises BadCursor."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        time, identifier = text.split(" ")
        milliseconds = int(time)
    except (binascii.Error, ValueError) as error:
        raise BadCursor from error
    if not 0 <= milliseconds < LAST_MS:
        raise BadCursor
    return milliseconds, identifier


def read_place(cursor: str) -> tuple[int, str]:
    """Return the place that `place_cursor` made, whose identifier may be any text. Raises BadCursor."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        time, space, identifier = text.partition(" ")
        milliseconds = int(time)
    except (binascii.Error, ValueError) as error:
        raise BadCursor from error
    if not space or not 0 <= milliseconds < LAST_MS:
        raise BadCursor
    return milliseconds, identifier
