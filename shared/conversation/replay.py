"""Asking failed requests again: what failed together is asked together, so that one reply answers all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.errors import NotReplayable, UnknownRequest
from shared.ids import Ids, bucket_of
from shared.models import ChatRequest
from shared.storage.contract import TenantStore
from shared.storage.types import NewRequest

TOGETHER_MS: Final = 1_000
"""So long requests that were one burst wait for each other; waiting for a further message is over."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What asks a failed request again: its id, its session, and all that are asked with it, in order."""

    request_id: str
    session_id: str
    requests: tuple[str, ...]


async def replay(own: TenantStore, ids: Ids, failed: ChatRequest) -> Replayed:
    """Ask a failed request again, and those that it was to be answered with. Twice in 24 hours, it is the same.

    Raises:
        NotReplayable, UnknownSession, SessionClosed, SessionExpired, SessionBusy, CustomerErasing

    """
    if not _can_be_asked(failed):
        raise NotReplayable
    members = await _burst_of(own, failed)
    window = TOGETHER_MS if len(members) > 1 else 0
    bucket = bucket_of(own.tenant, failed.customer_id)
    names = {member.id: await _reserved(own, member, ids.request(bucket)) for member in members}
    session_id = failed.session_id
    for member in members:
        session_id = await own.accept(_again(member, names[member.id], window), ids.session(bucket))
    return Replayed(names[failed.id], session_id, tuple(names.values()))


async def _burst_of(own: TenantStore, failed: ChatRequest) -> list[ChatRequest]:
    """Return what is left of the burst that a request failed with, in order."""
    first = failed if failed.answered_with is None else await _found(own, failed.answered_with)
    if first is None:
        return [failed]
    behind = [await _found(own, request_id) for request_id in first.burst]
    return [each for each in (first, *behind) if each is not None and _can_be_asked(each)]


async def _found(own: TenantStore, request_id: str) -> ChatRequest | None:
    try:
        return await own.request(request_id)
    except UnknownRequest:
        return None


def _can_be_asked(request: ChatRequest) -> bool:
    return request.status == "failed" and bool(request.message or request.attachments)


async def _reserved(own: TenantStore, failed: ChatRequest, request_id: str) -> str:
    """Return the id of the request that asks a failed one again: the one proposed, or one that was before."""
    # No caller can send such a key: it holds a line feed.
    return (await own.reserve(f"replay\n{failed.id}", "replay", request_id)).request_id


def _again(failed: ChatRequest, request_id: str, coalesce_ms: int) -> NewRequest:
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
        coalesce_ms=coalesce_ms,
        replay_of=failed.id,
    )
