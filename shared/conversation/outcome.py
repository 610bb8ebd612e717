"""How a turn ends, as records: the customer's message always, the reply and its result, or the failure."""

from __future__ import annotations

from typing import Protocol

from shared.clock import Clock
from shared.context.assembly import Context
from shared.context.tokens import TokenCounter
from shared.ids import Ids
from shared.models import Failure, Message, Result
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
        tokens=makers.counter.count(reply.text),
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
    )
    return Outcome(user=_asked(claim, makers), reply=message, result=result, receipt=context.receipt, asked=True)


def failed(claim: Claim, failure: Failure, makers: Makers, *, asked: bool) -> Outcome:
    """Return the outcome of a request that failed; its message is kept, and marked unanswered."""
    return Outcome(user=_asked(claim, makers, unanswered=True), failure=failure, asked=asked)


def _asked(claim: Claim, makers: Makers, *, unanswered: bool = False) -> Message:
    return Message(
        id=f"msg_{claim.request.id[6:]}",
        role="user",
        content=claim.request.message,
        at=claim.request.accepted_at,
        tokens=makers.counter.count(claim.request.message),
        request_id=claim.request.id,
        unanswered=unanswered,
    )
