"""How a conversation began, so that people know it again in a list: few have a title."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from pydantic import Field

from shared.errors import UnknownSession
from shared.models import Session
from shared.storage.contract import TenantStore

LONGEST: Final = 100  # characters
LOOKED_AT: Final = 1000


class ListedSession(Session):
    """A session as lists show it."""

    opening: str | None = Field(
        None, description=f"how its first message begins, at most {LONGEST} characters; told where it is asked for"
    )


async def with_openings(own: TenantStore, sessions: Sequence[Session]) -> list[ListedSession]:
    """Return sessions with their openings. Each takes a look at its first message."""
    openings = await asyncio.gather(*(_opening(own, session) for session in sessions))
    return [
        ListedSession(**dict(session), opening=opening) for session, opening in zip(sessions, openings, strict=True)
    ]


async def _opening(own: TenantStore, session: Session) -> str | None:
    if session.message_count == 0:
        return None
    try:
        first = await own.messages(session.id, 1, 0)
    except UnknownSession:  # deleted since it was listed
        return None
    said = " ".join(first.items[0].content[:LOOKED_AT].split()) if first.items else ""
    return (said if len(said) <= LONGEST else f"{said[: LONGEST - 1].rstrip()}…") or None
