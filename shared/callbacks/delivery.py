"""A delivery: one result on its way to one place, what was tried, and what becomes of it. Pure; the store keeps it.

pending ──2xx──▶ delivered
   │  ▲
   │  └── replayed, from any end
   ├──▶ dead: its attempts failed, the receiver said 410, there is nowhere to send it, or it grew too old
   └──▶ withheld: a reply that is not posted to its platform any more, for a person has the conversation
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Self

from pydantic import Field

from shared.callbacks.schedule import CALLBACKS, REPLIES, Random, Schedule, wait_after
from shared.clock import to_ms
from shared.models import Model
from shared.storage.deliveries import DeliveryFacts, DeliveryStatus, KeptDelivery
from shared.storage.types import OF_TENANT, OutboxRow, hook_of

ATTEMPTS_TOLD: Final = 20


class Attempt(Model):
    """One attempt: when, with which status or error, and how long it took."""

    at: datetime
    status: int | None = None
    error: str | None = None
    duration_ms: int


class Delivery(Model):
    """A delivery as kept, beside its request.

    `hook_id`: it is posted to the platform of this hook; else to `url`, or to the tenant's address, as it is by then.
    """

    request_id: str
    session_id: str
    type: str
    at: datetime = Field(description="when the request ended")
    url: str | None = None
    hook_id: str | None = None
    after: str | None = Field(None, description="the request whose reply goes before it into the conversation")
    done: tuple[str, ...] = Field((), description="the steps that the platform took: reply, hand-off, note")
    doubt: str | None = Field(None, description="the step that it may have taken, for all that is known")
    unsaid: str | None = Field(None, description="why the platform will not take the reply: then a person is called")
    calls: bool = Field(False, description="whether a person is to be called to the conversation")
    status: DeliveryStatus = "pending"
    created_at: datetime
    began_at: datetime = Field(description="when it began, or was last replayed")
    due_at: datetime | None = None
    leased_until: datetime | None = None
    holder: str | None = Field(None, description="whose lease it was last: two that lease in one moment differ")
    tries: int = Field(0, description="attempts since it began, or was last replayed")
    attempts: tuple[Attempt, ...] = Field((), description="the last ones, oldest first")
    reason: str | None = Field(None, description="why it was given up")

    @classmethod
    def begun(cls, row: OutboxRow, now: datetime) -> Self:
        """Return the delivery of a row that says where it is posted."""
        hook = hook_of(row.callback)
        return cls(
            request_id=str(row.request_id),
            session_id=row.session_id,
            type=row.type,
            at=row.at,
            url=None if hook or row.callback == OF_TENANT else row.callback,
            hook_id=hook,
            after=row.after,
            created_at=now,
            began_at=now,
            due_at=now,
        )

    @classmethod
    def read(cls, kept: KeptDelivery) -> Self:
        """Return a delivery from what the store keeps."""
        return cls.model_validate_json(kept.value)

    @property
    def id(self) -> str:
        """Its name, and the `webhook-id` of all its attempts: the event's own."""
        return f"evt_{self.request_id}"

    @property
    def missed(self) -> bool:
        """Whether a person was to be called, and it was given up before the platform took that."""
        wanted = self.calls or self.unsaid is not None
        return self.status == "dead" and wanted and "hand-off" not in self.done

    @property
    def facts(self) -> DeliveryFacts:
        """What the store reads of it."""
        due = max(self.due_at, self.leased_until or self.due_at) if self.due_at else None
        return DeliveryFacts(self.status, self.created_at, due)

    @property
    def schedule(self) -> Schedule:
        """When it is tried."""
        return CALLBACKS if self.hook_id is None else REPLIES

    @property
    def too_old_at(self) -> datetime:
        """When it is given up, however few attempts were made."""
        return self.began_at + self.schedule.oldest

    @property
    def too_old(self) -> str:
        """Why it is given up then, in words."""
        return self.schedule.too_old

    def waits(self, now: datetime) -> bool:
        """Return whether there is nothing to do for it now: it has ended, is not due, or another is at it."""
        if self.status != "pending" or self.due_at is None:
            return True
        # In the store's milliseconds: what it finds to be due must not wait here for a part of one, and be passed over.
        return any(to_ms(until) > to_ms(now) for until in (self.due_at, self.leased_until) if until is not None)

    def leased(self, now: datetime, seconds: float, holder: str) -> Self:
        """Return it as it is while somebody makes an attempt; `holder` is a name nobody else has."""
        return self.model_copy(update={"leased_until": now + timedelta(seconds=seconds), "holder": holder})

    def taking(self, step: str, now: datetime, seconds: float) -> Self:
        """Return it as it is just before a step: from then on the platform may have taken it."""
        return self.model_copy(update={"doubt": step, "leased_until": now + timedelta(seconds=seconds)})

    def took(self, step: str) -> Self:
        """Return it after a step that the platform took."""
        return self.model_copy(update={"done": (*self.done, step), "doubt": None})

    def refused(self) -> Self:
        """Return it after a step that the platform surely did not take."""
        return self.model_copy(update={"doubt": None})

    def calling(self, *, calls: bool) -> Self:
        """Return it as known whether a person is to be called."""
        return self.model_copy(update={"calls": calls})

    def unsayable(self, reason: str) -> Self:
        """Return it after a reply that the platform will never take."""
        return self.model_copy(update={"doubt": None, "unsaid": reason})

    def postponed(self, now: datetime, seconds: float) -> Self:
        """Return it as due later, with no attempt made."""
        return self.model_copy(update={"due_at": now + timedelta(seconds=seconds), "leased_until": None})

    def tried(self, attempt: Attempt, now: datetime, asked: float | None, random: Random) -> Self:
        """Return it after an attempt; `asked`: the seconds that the receiver asked for."""
        told = (*self.attempts, attempt)[-ATTEMPTS_TOLD:]
        after = self.model_copy(update={"tries": self.tries + 1, "attempts": told})
        if attempt.error is None:
            return after.ended("delivered", None)
        wait = wait_after(after.tries, asked, random, self.schedule)
        if wait is None:
            return after.given_up(f"{after.tries} attempts failed; the last: {attempt.error}")
        return after.postponed(now, wait)

    def given_up(self, reason: str) -> Self:
        """Return it as a dead letter."""
        return self.ended("dead", reason)

    def replayed(self, now: datetime) -> Self:
        """Return it as begun anew, with the same id, and what was tried so far.

        Of one that was given up half-way only the rest is done; one that was delivered is posted once more, whole.
        """
        done = () if self.status == "delivered" else self.done
        anew = {
            "done": done,
            "unsaid": None,
            "status": "pending",
            "began_at": now,
            "due_at": now,
            "leased_until": None,
            "tries": 0,
            "reason": None,
        }
        return self.model_copy(update=anew)

    def ended(self, status: DeliveryStatus, reason: str | None) -> Self:
        """Return it with nothing more to do."""
        ended = {"status": status, "due_at": None, "leased_until": None, "reason": reason}
        return self.model_copy(update=ended)
