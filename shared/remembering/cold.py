"""What nobody has read of a session that has long been silent is left to a batch, at half price.

What is left is one stretch of messages. It counts as read, so that the session is not due for it again and again; a
batch takes it, and strikes it when it has read it. Where messages in between were read meanwhile, what comes behind
them does not join, and is read by itself.
"""

from __future__ import annotations

from datetime import timedelta

from shared.storage.jobs import Cold, SummaryClaim


def is_cold(claim: SummaryClaim, hours: float) -> bool:
    """Return whether nobody has said a word in the claimed session for so many hours; 0: never."""
    last = claim.session.last_message_at
    return hours > 0 and last is not None and claim.now - last >= timedelta(hours=hours)


def left_to_a_batch(claim: SummaryClaim) -> Cold | None:
    """Return the stretch that a batch has to read, with what is unread now; None where that does not join."""
    count = claim.session.message_count
    if claim.read >= count:
        return claim.cold
    if claim.cold is None:
        return Cold(claim.read, count)
    if claim.cold.through != claim.read:
        return None
    return Cold(claim.cold.after, count, claim.cold.batch)
