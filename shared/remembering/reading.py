"""Reading on in a session, from where a summary or a reader of it ended."""

from __future__ import annotations

from collections.abc import Sequence

from shared.models import Message
from shared.storage.contract import TenantStore
from shared.summaries.appendix import Measure
from shared.summaries.material import tokens_of

PAGE = 200


async def unread(
    own: TenantStore, session_id: str, after: int, upto: int, most: int, measure: Measure
) -> list[Message]:
    """Return the messages with a seq above `after`, through `upto`, oldest first, until they have `most` raw tokens.

    Raises:
        UnknownSession

    """
    found: list[Message] = []
    cursor, tokens = after, 0
    while tokens <= most and cursor < upto:
        page = await own.messages(session_id, PAGE, cursor)
        fresh = [message for message in page.items if message.seq <= upto]
        found += fresh
        tokens += tokens_in(fresh, measure)
        if page.cursor is None:
            break
        cursor = int(page.cursor)
    return found


def tokens_in(messages: Sequence[Message], measure: Measure) -> int:
    """Return the raw tokens of messages."""
    return sum(tokens_of(message, measure) for message in messages)


def covered(messages: Sequence[Message], after: int, through: int) -> int:
    """Return the stored tokens that a summary through `through` covers more than one through `after`."""
    return sum(message.tokens for message in messages if after < message.seq <= through)
