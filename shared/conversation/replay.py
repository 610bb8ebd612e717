"""Asking a failed request again."""

from __future__ import annotations

from shared.models import ChatRequest
from shared.storage.types import NewRequest


def replayed(failed: ChatRequest, request_id: str) -> NewRequest:
    """Return the request that asks a failed one again, in its session. Waiting for a further message is over."""
    return NewRequest(
        request_id=request_id,
        customer_id=failed.customer_id,
        message=failed.message,
        session_id=failed.session_id,
        model=failed.model,
        metadata=failed.metadata,
        keyed=True,
        attachments=failed.attachments,
        callback=failed.callback,
        handoff=failed.handoff,
        replay_of=failed.id,
    )
