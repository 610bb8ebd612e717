"""Putting what a session has said into its customer's recall index, page by page; cut off, it goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from shared.models import Message
from shared.recall.chunk import Chunk, extend, index
from shared.recall.codec import ChunkCorrupt, pack, unpack
from shared.storage.contract import TenantStore
from shared.storage.jobs import SummaryClaim
from shared.storage.memory import IndexPiece

PAGE: Final = 200

log = structlog.get_logger()


async def index_session(own: TenantStore, claim: SummaryClaim) -> bool:
    """Index the messages that are not; return False when the job is no longer the current one.

    Raises:
        UnknownSession

    """
    through, last = claim.indexed, await _last(own, claim)
    if last is None:
        through = 0
    count = claim.session.message_count
    while through < count:
        page = await own.messages(claim.ref.session_id, PAGE, through)
        said = [message for message in page.items if message.seq <= count]
        if not said:
            return True
        pieces, last = await asyncio.to_thread(_pieces, claim.ref.session_id, last, said)
        through = said[-1].seq
        if not await own.put_pieces(claim, pieces, through):
            return False
    return True


async def _last(own: TenantStore, claim: SummaryClaim) -> tuple[int, Chunk] | None:
    """Return the session's last chunk with its number; None where there is none that can be read."""
    kept = await own.last_piece(claim.ref.session_id) if claim.indexed else None
    if kept is None:
        return None
    try:
        return kept.number, unpack(kept.value)
    except ChunkCorrupt as error:  # of another version, too: the session is indexed anew
        log.warning("index.unreadable", session=claim.ref.session_id, error=str(error))
        return None


def _pieces(
    session_id: str, last: tuple[int, Chunk] | None, said: Sequence[Message]
) -> tuple[list[IndexPiece], tuple[int, Chunk] | None]:
    """Return the pieces that take the place of the last one, and the new last one; blank messages are left out."""
    told = [message for message in said if message.content.strip()]
    if not told:
        return [], last
    first, chunks = (last[0], extend(last[1], told)) if last else (0, index(session_id, told))
    pieces = [IndexPiece(session_id, first + number, pack(chunk)) for number, chunk in enumerate(chunks)]
    return pieces, (pieces[-1].number, chunks[-1])
