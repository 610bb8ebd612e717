"""What the routes of callbacks and deliveries take and give, and what a receiver is sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, RootModel, StringConstraints

from api.hook_schemas import HookId
from api.schemas import Asked, Cursor, Limit, Past
from shared.callbacks.account import Account
from shared.callbacks.delivery import Attempt, Delivery
from shared.events import CompletedData, Event, FailedData, ReplyCompleted, ReplyFailed
from shared.models import Failure, Model, Result
from shared.storage.deliveries import DeliveryStatus

Url = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
EventId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class CallbacksBody(Asked):
    """Where results are posted that name no address themselves."""

    url: Url = Field(description="https:// address, reachable from the internet")


class SecretBody(Asked):
    """How a new secret takes over."""

    overlap_hours: float = Field(24, ge=0, le=168, description="how long the secret before signs beside it")


class ResumeBody(Asked):
    """An endpoint that answered 410, and is to be asked again."""

    url: Url = Field(description="its address; what follows `?` does not matter")


class SecretView(Model):
    """A secret, without its text."""

    created_at: datetime
    valid_until: datetime | None = Field(None, description="absent: until another is made")


class StoppedView(Model):
    """An endpoint that answered 410 Gone."""

    url: str = Field(description="its address, without a query")
    since: datetime


class CallbacksView(Model):
    """A tenant's callbacks. `secret` is told once, in the answer to what made it."""

    url: str | None = None
    secrets: list[SecretView] = Field(description="the current one first")
    stopped: list[StoppedView] = Field(description="endpoints that nothing is posted to until they are resumed")
    secret: str | None = None

    @classmethod
    def of(cls, account: Account, secret: str | None = None) -> CallbacksView:
        """Return what callers see of an account."""
        return cls(
            url=account.url,
            secrets=[SecretView(created_at=each.created_at, valid_until=each.valid_until) for each in account.secrets],
            stopped=[StoppedView(url=url, since=since) for url, since in account.stopped.items()],
            secret=secret,
        )


class DeliveriesQuery(Asked):
    """Which deliveries."""

    status: DeliveryStatus | None = None
    request_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    hook_id: HookId | None = Field(None, description="those of replies to this hook's platform")
    limit: Limit = 50
    cursor: Cursor | None = None


class DeliveryPath(BaseModel):
    """A delivery in a path."""

    delivery_id: EventId


class DeliveryView(Model):
    """A delivery: the event's id, and so its `webhook-id`."""

    id: str
    request_id: str
    session_id: str
    type: str
    status: DeliveryStatus
    url: str | None = Field(None, description="absent: the tenant's own, as it is when it is posted, or a hook's")
    hook_id: str | None = Field(None, description="the hook whose platform it is posted to")
    done: list[str] = Field(default_factory=list, description="what that took so far: `reply`, `hand-off`, `note`")
    missed: bool = Field(False, description="given up before a person was called, who was to be; a replay calls them")
    created_at: datetime
    due_at: datetime | None = Field(None, description="when it is tried next")
    tries: int = Field(description="attempts since it began, or was replayed")
    reason: str | None = Field(None, description="why it was given up, or withheld")
    attempts: list[Attempt] = Field(description="the last 20, oldest first")

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryView:
        """Return what callers see of a delivery."""
        told = delivery.model_dump(include=set(cls.model_fields) - {"id", "attempts", "done", "missed"})
        return cls(
            id=delivery.id, missed=delivery.missed, attempts=list(delivery.attempts), done=list(delivery.done), **told
        )


class DeliveryList(RootModel[list[DeliveryView]]):
    """Deliveries."""


class ReplayBody(Asked):
    """Which deliveries to begin anew."""

    since: Past = Field(description="those that began then or later")
    status: DeliveryStatus = "dead"
    cursor: Cursor | None = Field(None, description="where the answer before ended")


class ReplayView(Model):
    """How many were begun anew; `cursor`: there are more, ask again with it."""

    replayed: int
    cursor: str | None = None


class PostedReply(CompletedData):
    """A reply, always with its content: the receiver is the caller itself."""

    result: Result


class PostedFailure(FailedData):
    """Why there is no reply, always in full."""

    failure: Failure


class ReplyCompletedCallback(ReplyCompleted):
    """What is posted when a request has its reply: a CloudEvent, with its content."""

    data: PostedReply


class ReplyFailedCallback(ReplyFailed):
    """What is posted when a request has failed: a CloudEvent that says why."""

    data: PostedFailure


CALLBACKS: dict[str, type[Event]] = {
    "chat.reply.completed": ReplyCompletedCallback,
    "chat.reply.failed": ReplyFailedCallback,
}


def request_id_of(delivery_id: str) -> str:
    """Return the request of a delivery."""
    return delivery_id.removeprefix("evt_")
