"""How a turn ends, as records: the customer's message always, the reply and its result, or the failure."""

from __future__ import annotations

from typing import Any, Protocol

from shared.clock import Clock
from shared.context.assembly import Context, render
from shared.context.counted import Counted, look_at
from shared.context.tokens import TokenCounter
from shared.ids import Ids
from shared.models import ChatRequest, Failure, Message, Result
from shared.prompt import Reply
from shared.storage.types import Claim, Outcome


class Makers(Protocol):
    """What is needed to make a message."""

    @property
    def counter(self) -> TokenCounter:
        """Counts its tokens, once."""

    @property
    def clock(self) -> Clock:
        """Stamps it."""

    @property
    def ids(self) -> Ids:
        """Names it."""


def succeeded(claim: Claim, context: Context, reply: Reply, makers: Makers, *, simulated: bool) -> Outcome:
    """Return the outcome of an answered request."""
    message = Message(
        id=makers.ids.message(),
        role="assistant",
        content=reply.text,
        at=makers.clock(),
        request_id=claim.request.id,
        truncated=reply.cut,
    )
    result = Result(
        session_id=claim.ref.session_id,
        reply=reply.text,
        token_usage=reply.usage,
        request_id=claim.request.id,
        model=reply.model,
        stop_reason=reply.stop_reason,
        simulated=simulated,
        handoff=reply.handoff,
    )
    user, *more = (
        _asked(request).model_copy(update=_counts(found))
        for request, found in zip(claim.requests, context.newest, strict=True)
    )
    return Outcome(
        user=user,
        more=tuple(more),
        reply=_counted(message, makers),
        result=result,
        receipt=context.receipt,
        asked=True,
        pin=context.pin.model_dump_json(),
        pinned_summary=context.pin.summary,
    )


def failed(claim: Claim, failure: Failure, makers: Makers, context: Context | None, *, asked: bool) -> Outcome:
    """Return the outcome of requests that failed; their messages are kept, and marked unanswered.

    `context`: what Claude was asked, if it was. Its pin is not kept: the next turn begins as the one before.
    """
    asked_for = [_asked(request, unanswered=True) for request in claim.requests]
    if context is None:
        user, *more = (_counted(message, makers) for message in asked_for)
        return Outcome(user=user, more=tuple(more), failure=failure, asked=asked)
    counted = zip(asked_for, context.newest, strict=True)
    user, *more = (message.model_copy(update=_counts(found)) for message, found in counted)
    return Outcome(user=user, more=tuple(more), failure=failure, receipt=context.receipt, asked=asked)


def _asked(request: ChatRequest, *, unanswered: bool = False) -> Message:
    return Message(
        id=f"msg_{request.id[6:]}",
        role="user",
        content=request.message,
        attachments=request.attachments,
        at=request.accepted_at,
        request_id=request.id,
        unanswered=unanswered,
    )


def _counted(message: Message, makers: Makers) -> Message:
    return message.model_copy(update=_counts(look_at(makers.counter, render(message))))


def _counts(found: Counted) -> dict[str, Any]:
    return {"tokens": found.tokens, "text_kind": found.kind}
