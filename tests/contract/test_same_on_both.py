"""One trace on both real stores, Valkey and DynamoDB: what they tell and what they then hold is the same at each step.

What may differ, by design, and is therefore not compared:

- The order among memory entries of the very same millisecond: here a millisecond passes before each is written.
- Which bucket overdue sessions and rows are found by: DynamoDB keeps them in fewer shards.
- A cursor that leads to an empty page: Redis gives one where the entries left are all of another scope.
- When a finished request's id is accepted anew: never within its retention, and after it DynamoDB may still know it.
- The answer to a piece of a reply sent beyond a gap: Redis refuses it, DynamoDB keeps it and never tells it. After ten
  minutes of silence nothing is left of a reply, and any further piece would be such a one.
- Which sessions are found whose summary is not due: Redis may name some. One that is due, DynamoDB may find a turn's
  lease late, where the session was changed during the turn.
- What is read of a buffered reply where there is nothing to read: the place asked for, or the beginning.
- The moment within a day in which a customer's entries go, once the last session is past its retention; and, on
  DynamoDB, never while a ticket is open, which on Redis writing an entry sets a time to.

`make test-same` runs it longer; SAME_EXAMPLES and SAME_STEPS say how long.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from shared.ids import SessionRef, bucket_of
from shared.models import Failure, Message, Receipt, Result, Scope, Strategy, TokenBudget, TokenUsage
from shared.storage.contract import TenantStore
from shared.storage.dynamodb.deltas import BUFFER_MS
from shared.storage.jobs import SummaryClaim, SummaryOutcome
from shared.storage.portable import Claimed
from shared.storage.types import Claim, NewRequest, NewSession, Outcome, SessionPatch, Token
from tests.contract.both import CUSTOMERS, LIMITS, TENANT, Both
from tests.contract.listed import (
    digests_of,
    erased,
    heard,
    memories_of,
    messages_of,
    request_of,
    sessions_of,
    summaries_of,
)
from tests.contract.store import DAY, HOUR, SECOND
from tests.support.moto import Moto
from tests.support.valkey import Valkey

EXAMPLES = int(os.environ.get("SAME_EXAMPLES", "60"))
STEPS = int(os.environ.get("SAME_STEPS", "30"))
SHRINK = not os.environ.get("SAME_UNSHRUNK")

WINDOW = 2 * SECOND
PASSES = (
    1,
    500,
    WINDOW,
    LIMITS.grace_ms,
    LIMITS.grace_ms + 1,
    2 * LIMITS.grace_ms,
    LIMITS.lease_ms,
    LIMITS.lease_ms + 1,
    61 * SECOND,
    LIMITS.request_deadline_ms + 1,
    HOUR,
    LIMITS.session_ttl_ms,
    LIMITS.session_ttl_ms + 1,
    LIMITS.request_retention_ms + 1,
    200 * DAY,
)
TEXTS = ("Hello", "Wo ist mein Päckchen?", "", "🙂" * 3)

which = st.integers(0, 5)
latest = st.integers(0, 2)


class SameOnBoth(RuleBasedStateMachine):
    """Everything a store can be asked, in any order."""

    both: ClassVar[Both]

    @initialize(talking=st.sampled_from([True, True, False]))
    def begin(self, *, talking: bool) -> None:
        self.both.begin()
        self.sessions: list[tuple[str, str]] = []
        self.requests: list[tuple[NewRequest, int]] = []
        self.claims: list[Claim] = []
        self.jobs: list[SummaryClaim] = []
        self.outcomes: dict[int, Outcome] = {}
        self.streamed: dict[tuple[str, Token], list[int]] = {}
        self.silent: set[tuple[str, Token]] = set()
        if talking:  # most traces begin in the middle: two messages wait, and a worker has taken the first
            for text in TEXTS[:2]:
                self.accept(CUSTOMERS[0], "c/1", None, text, keyed=False)
            self.claim(0, quarantine=False, again=False)

    # What may be asked about: the newest are the likeliest.

    def _session(self, back: int) -> tuple[str, str]:
        return self.sessions[-1 - back % len(self.sessions)]

    def _claim(self, back: int) -> Claim:
        return self.claims[-1 - back % len(self.claims)]

    def _at(self) -> datetime:
        return datetime.fromtimestamp(self.both.now / 1000, UTC)

    def _message(self, content: str, **more: Any) -> Message:
        return Message(
            id=self.both.ids.message(), **{"role": "user", "content": content, "at": self._at(), "tokens": 7, **more}
        )

    # Accepting.

    @rule(
        customer=st.sampled_from(CUSTOMERS),
        conversation=st.sampled_from([None, "c/1", "c/2"]),
        into=st.none() | which,
        text=st.sampled_from(TEXTS),
        keyed=st.booleans(),
        waits=st.sampled_from([0, 0, WINDOW, 4 * WINDOW, HOUR]),
        hook=st.booleans(),
    )
    def accept(
        self,
        customer: str,
        conversation: str | None,
        into: int | None,
        text: str,
        waits: int = 0,
        *,
        keyed: bool,
        hook: bool = False,
    ) -> None:
        bucket = bucket_of(TENANT, customer)
        session = self._session(into)[0] if into is not None and self.sessions else None
        new = NewRequest(
            self.both.ids.request(bucket), customer, text, session, conversation, None, {"a": [1.5, {}]}, keyed
        )
        self._accept(replace(new, coalesce_ms=waits, callback="hook:hook_1" if hook else None))

    def _accept(self, new: NewRequest) -> None:
        fresh = self.both.ids.session(bucket_of(TENANT, new.customer_id))
        told = self.both.same("accept", lambda store: store.accept(new, fresh))
        if told.startswith("ses_"):
            if (told, new.customer_id) not in self.sessions:
                self.sessions.append((told, new.customer_id))
            self.requests.append((new, self.both.now))
            self._look(told, new.customer_id, new.request_id)

    @precondition(lambda self: self.requests)
    @rule(back=which)
    def accept_again(self, back: int) -> None:
        new, at = self.requests[-1 - back % len(self.requests)]
        if self.both.now - at < LIMITS.request_retention_ms:
            self._accept(new)

    @rule(key=st.sampled_from("ab"), body=st.sampled_from("xy"))
    def reserve(self, key: str, body: str) -> None:
        request = self.both.ids.request("00")
        self.both.same("reserve", lambda store: store.reserve(key, body, request))
        # Asked with yet another body, a reservation says what it is, and stays so.
        self.both.same("reservation", lambda store: store.reserve(key, "z", request))

    # The turn.

    @precondition(lambda self: self.sessions)
    @rule(back=latest, quarantine=st.booleans(), again=st.booleans())
    def claim(self, back: int, *, quarantine: bool, again: bool) -> None:
        session, customer = self._session(back)
        earlier = [claim.token.nonce for claim in self.claims if claim.ref.session_id == session]
        nonce = earlier[-1] if again and earlier else self.both.ids.ulid()
        told = self.both.same(
            "claim", lambda store: store.claim(SessionRef(TENANT, session), nonce, 20, quarantine=quarantine)
        )
        if isinstance(told, Claim):
            self.claims.append(told)
            self._look(session, customer, told.request.id)

    @precondition(lambda self: self.claims)
    @rule(back=latest)
    def renew(self, back: int) -> None:
        claim = self._claim(back)
        self.both.same("renew", lambda store: store.renew(claim))
        self._look_at_lease(claim.ref.session_id, claim.request.id)

    @precondition(lambda self: self.claims)
    @rule(back=latest, due=st.sampled_from([0, 1, 20 * SECOND, HOUR]), asked=st.booleans())
    def park(self, back: int, due: int, *, asked: bool) -> None:
        claim = self._claim(back)
        self.both.same("park", lambda store: store.park(claim, due, "overloaded", asked=asked))
        self._look(claim.ref.session_id, claim.session.customer_id, claim.request.id)

    @precondition(lambda self: self.claims)
    @rule(back=latest, good=st.booleans(), handoff=st.sampled_from([None, None, None, "asked for a person"]))
    def commit(self, back: int, handoff: str | None, *, good: bool) -> None:
        claim = self._claim(back)
        if self._at() - claim.now >= timedelta(milliseconds=LIMITS.request_retention_ms):
            return  # nobody asks again so late whether it was done, and the stores do not remember it alike
        outcome = self.outcomes.setdefault(id(claim), self._outcome(claim, handoff, good=good))
        self.both.same("commit", lambda store: store.commit(claim, outcome))
        for request in claim.requests:
            self._look(claim.ref.session_id, claim.session.customer_id, request.id)
        self.both.inbox(claim.ref.session_id)

    def _outcome(self, claim: Claim, handoff: str | None, *, good: bool) -> Outcome:
        user, *more = (self._message(each.message, request_id=each.id, unanswered=not good) for each in claim.requests)
        receipt = Receipt(
            strategy="sliding_window",
            model="m",
            counter="c",
            budget=TokenBudget(max=900, reserve=100),
            tokens=1,
            parts=[],
            request_hash="h",
        )
        if not good:
            return Outcome(user, failure=Failure(type="deadline", detail="late"), receipt=receipt, more=tuple(more))
        result = Result(
            session_id=claim.ref.session_id,
            reply="Hi!",
            token_usage=TokenUsage(input=1, output=1, total=2),
            request_id=claim.request.id,
            model="m",
            stop_reason="end_turn",
            handoff=handoff,
        )
        reply = self._message("Hi!", role="assistant", request_id=claim.request.id)
        return Outcome(user, reply, result, receipt=receipt, asked=True, more=tuple(more))

    @precondition(lambda self: self.claims)
    @rule(
        back=latest, text=st.sampled_from(["Grüße", " aus ", "Köln"]), twist=st.sampled_from(["", "", "again", "gap"])
    )
    def stream(self, back: int, text: str, twist: str) -> None:
        claim = self._claim(back)
        attempt = (claim.request.id, claim.token)
        if attempt in self.silent:
            return
        if twist == "gap":  # one store keeps such a piece until what is missing comes, the other does not
            self.silent.add(attempt)
        places = self.streamed.setdefault(attempt, [0])
        place = {"": places[-1], "again": places[-2] if len(places) > 1 else 0, "gap": places[-1] + 3}[twist]

        async def append(store: TenantStore) -> int | None:
            after = await store.append_delta(claim, place, text)
            return None if twist == "gap" else after

        after = self.both.same("append_delta", append)
        known = places[-1]  # as far as a listener can have heard
        if isinstance(after, int) and after > places[-1]:
            places.append(after)
        self.both.same_each(
            ("read_deltas", lambda store: heard(store, claim.request.id, 0, 0)),
            ("read_deltas from there", lambda store: heard(store, claim.request.id, claim.token.number, known)),
        )

    @precondition(lambda self: self.requests)
    @rule(back=latest)
    def listen(self, back: int) -> None:
        request = self.requests[-1 - back % len(self.requests)][0].request_id
        self.both.same("listen", lambda store: store.listen(request))
        self.both.same("request", lambda store: store.request(request))

    # Sessions.

    @rule(
        customer=st.sampled_from(CUSTOMERS),
        conversation=st.sampled_from([None, "c/1", "c/2"]),
        strategy=st.sampled_from([None, "sliding_window", "hybrid"]),
    )
    def create(self, customer: str, conversation: str | None, strategy: Strategy | None) -> None:
        session = self.both.ids.session(bucket_of(TENANT, customer))
        new = NewSession(customer, conversation, {"plan": "gold"}, "m", strategy, TokenBudget(max=512, reserve=490))
        self.both.same("create_session", lambda store: store.create_session(session, new))
        self.sessions.append((session, customer))
        self._look(session, customer)

    @precondition(lambda self: self.sessions)
    @rule(back=which, days=st.none() | st.sampled_from([0, 2, 40, -1]), tokens=st.sampled_from([1, 9]))
    def record(self, back: int, days: int | None, tokens: int) -> None:
        session, customer = self._session(back)
        message = self._message("by hand", author="Maria", tokens=tokens, at=self._at() - timedelta(days=days or 0))
        self.both.same("record", lambda store: store.record(session, message, backdated=days is not None))
        self._look(session, customer)

    @precondition(lambda self: self.sessions)
    @rule(
        back=which,
        status=st.sampled_from([None, "open", "closed"]),
        title=st.none() | st.just("Parcel"),
        handler=st.sampled_from([None, "human", "agent"]),
    )
    def update(self, back: int, status: Any, title: str | None, handler: Any) -> None:
        session, customer = self._session(back)
        patch = SessionPatch(status, title, ["late"] if title else None, handler)
        self.both.same("update_session", lambda store: store.update_session(session, patch))
        self._look(session, customer)
        if handler:
            self.both.inbox(session)

    @precondition(lambda self: self.sessions)
    @rule(conversation=st.sampled_from(["c/1", "c/2"]), customer=st.sampled_from(CUSTOMERS))
    def find(self, conversation: str, customer: str) -> None:
        self.both.same("bound_session", lambda store: store.bound_session(customer, conversation))

    @precondition(lambda self: self.sessions)
    @rule(back=which)
    def delete(self, back: int) -> None:
        session, customer = self._session(back)
        self.both.same("delete_session", lambda store: store.delete_session(session))
        self._look(session, customer)

    @precondition(lambda self: self.sessions)
    @rule(back=which, seq=st.integers(1, 4))
    def redact(self, back: int, seq: int) -> None:
        session, customer = self._session(back)
        self.both.same("redact", lambda store: store.redact(session, seq))
        self._look(session, customer)

    # Summaries.

    @precondition(lambda self: self.sessions)
    @rule(back=which)
    def ask_summary(self, back: int) -> None:
        session = self._session(back)[0]
        self.both.same("ask_summary", lambda store: store.ask_summary(session))

    @precondition(lambda self: self.sessions)
    @rule(back=which, force=st.booleans(), again=st.booleans())
    def claim_summary(self, back: int, *, force: bool, again: bool) -> None:
        self._claim_summary(self._session(back)[0], force=force, again=again)

    def _claim_summary(self, session: str, *, force: bool = False, again: bool = False) -> SummaryClaim | None:
        earlier = [job.token.nonce for job in self.jobs if job.ref.session_id == session]
        nonce = earlier[-1] if again and earlier else self.both.ids.ulid()
        told = self.both.same("claim_summary", lambda store: store.claim_summary(session, nonce, force=force))
        if not isinstance(told, SummaryClaim):
            return None
        self.jobs.append(told)
        return told

    @precondition(lambda self: self.jobs)
    @rule(
        back=latest,
        summary=st.sampled_from([None, "So far.", "Bisher: 订单 4711."]),
        part=st.sampled_from([0.5, 1]),
        digest=st.sampled_from([None, '{"topic":"parcel"}']),
        again_in_ms=st.sampled_from([None, None, 1, HOUR]),
        left=st.booleans(),
    )
    def end_summary(self, back: int, part: float, **given: Any) -> None:
        job = self.jobs[-1 - back % len(self.jobs)]
        tokens = int(job.behind * part) if given["summary"] else 0
        outcome = SummaryOutcome(through=job.session.message_count, tokens=tokens, **given)
        self.both.same("end_summary", lambda store: store.end_summary(job, outcome))
        self._look(job.ref.session_id, job.session.customer_id)

    @precondition(lambda self: self.jobs)
    @rule(back=latest)
    def renew_summary(self, back: int) -> None:
        job = self.jobs[-1 - back % len(self.jobs)]
        self.both.same("renew_summary", lambda store: store.renew_summary(job))

    @rule()
    def summarise_what_is_due(self) -> None:
        self.both.pass_(LIMITS.lease_ms + 1)
        on_redis, on_dynamo = self.both.summaries_due()
        assert on_dynamo <= on_redis
        due = {ref for ref in on_redis if self._claim_summary(ref.session_id)}
        assert due == on_dynamo

    # Memory.

    @rule(
        customer=st.sampled_from(CUSTOMERS),
        key=st.sampled_from(["k/1", "k2", "ключ", "k4"]),
        value=st.sampled_from([1, "text", {"a": [1.5, None]}]),
        scope=st.sampled_from(["note", "ticket"]),
    )
    def remember(self, customer: str, key: str, value: Any, scope: Scope) -> None:
        self.both.pass_(1)
        self.both.same("put_memory", lambda store: store.put_memory(customer, key, value, scope))
        self.both.same_each(
            ("memories", lambda store: memories_of(store, customer)),
            ("memories of a scope", lambda store: memories_of(store, customer, scope)),
            ("memories of a key", lambda store: store.memories(customer, scope, key, 5, None)),
        )

    @rule(customer=st.sampled_from(CUSTOMERS), key=st.sampled_from(["k/1", "k2", "ключ"]))
    def forget(self, customer: str, key: str) -> None:
        self.both.same("delete_memory", lambda store: store.delete_memory(customer, key))
        self._entries(customer)

    @rule(text=st.sampled_from(["Be brief.", ""]), extraction=st.sampled_from([None, True, False]))
    def instruct(self, text: str, *, extraction: bool | None) -> None:
        self.both.same(
            "put_instructions", lambda store: store.put_instructions(text, extraction=extraction, handoff=extraction)
        )
        self.both.same("instructions", lambda store: store.instructions())

    @rule(customer=st.sampled_from(CUSTOMERS))
    def erase(self, customer: str) -> None:
        self.both.same("erase_customer", lambda store: erased(store, customer))
        self._look_at_everything()

    # Time, and what comes due with it.

    @rule(ms=st.sampled_from(PASSES))
    def time_passes(self, ms: int) -> None:
        if ms > LIMITS.request_retention_ms + 1 and self._waits():
            ms = LIMITS.request_retention_ms
        self.both.pass_(ms)
        if ms >= BUFFER_MS:
            self.silent |= self.streamed.keys()
        if ms >= HOUR:
            self._look_at_everything()
        elif self.sessions:
            self._look_at_lease(self._session(0)[0], self.requests[-1][0].request_id if self.requests else None)

    def _waits(self) -> bool:
        """Return whether any ticket is open: years may pass only without."""
        found = self.both.same_each(
            *(("sessions", partial(sessions_of, customer=customer, limit=50)) for customer in CUSTOMERS)
        )
        return any(session.open_requests for sessions in found for session in sessions)

    @rule()
    def wake(self) -> None:
        self.both.due()
        assert self.both.due() == []  # each was put off

    @rule(struck=st.integers(0, 7))
    def announce(self, struck: int) -> None:
        rows = self.both.rows()
        self.both.strike([row for number, row in enumerate(rows) if struck >> number % 3 & 1])
        self.both.outbox()

    # What they hold.

    def _look(self, session: str | None, customer: str, request: str | None = None) -> None:
        """Compare what a step may have touched."""
        self.both.same_each(
            ("sessions", lambda store: sessions_of(store, customer, 50)),
            session and ("messages", lambda store: messages_of(store, session, 50)),
            session and ("summaries", lambda store: store.summaries(session)),
            ("digests", lambda store: store.digests(customer, 3)),
            request and ("request", lambda store: store.request(request)),
        )

    def _look_at_lease(self, session: str, request: str | None) -> None:
        """Compare what renewing a lease, or some seconds, may change: the session, the request, and who holds it."""
        self.both.same_each(
            ("session", lambda store: store.session(session)),
            request and ("request", lambda store: store.request(request)),
        )
        self.both.inbox(session)

    def _entries(self, customer: str) -> None:
        self.both.same("memories", lambda store: memories_of(store, customer))

    def _look_at_everything(self, page: int = 50) -> None:
        """Compare all there is, in pages of so many."""
        self.both.same_each(
            *(("sessions", partial(sessions_of, customer=customer, limit=page)) for customer in CUSTOMERS),
            *(("memories", partial(memories_of, customer=customer, limit=page)) for customer in CUSTOMERS),
            *(("digests", partial(digests_of, customer=customer)) for customer in CUSTOMERS),
            *(("messages", partial(messages_of, session_id=session, limit=page)) for session, _ in self.sessions),
            *(("summaries", partial(summaries_of, session_id=session)) for session, _ in self.sessions),
            *(("request", partial(request_of, request_id=new.request_id)) for new, _ in self.requests),
        )

    def teardown(self) -> None:
        if hasattr(self, "sessions"):
            self._look_at_everything(page=2)
            self.both.pass_(HOUR)
            self.both.due()
            self.both.rows()


@pytest.fixture(scope="module")
def both(valkey: Valkey, moto: Moto) -> Iterator[Both]:
    both = Both(valkey, moto)
    yield both
    both.close()


def test_a_session_that_was_reopened_is_kept_for_as_long_as_any(both: Both) -> None:
    both.begin()
    session = both.ids.session(bucket_of(TENANT, "cust-1"))
    both.same("create_session", lambda store: store.create_session(session, NewSession("cust-1")))
    both.pass_(200 * DAY)
    both.same("update_session", lambda store: store.update_session(session, SessionPatch(status="open")))
    both.pass_(200 * DAY)
    assert both.same("messages", lambda store: messages_of(store, session)) == []
    both.pass_(200 * DAY)
    assert both.same("messages", lambda store: messages_of(store, session)) == "refused: UnknownSession"


def test_a_claim_that_parked_is_not_current_once_its_session_was_deleted(both: Both) -> None:
    both.begin()
    new = NewRequest(both.ids.request(bucket_of(TENANT, "cust-1")), "cust-1", "Hello")
    fresh = both.ids.session(bucket_of(TENANT, "cust-1"))
    session = both.same("accept", lambda store: store.accept(new, fresh))
    ref, nonce = SessionRef(TENANT, session), both.ids.ulid()
    claim = both.same("claim", lambda store: store.claim(ref, nonce, 20, quarantine=False))
    assert isinstance(claim, Claim)
    for _ in range(2):  # the second time, as if an answer had been lost
        assert both.same("park", lambda store: store.park(claim, SECOND, "overloaded", asked=True)) is True
    both.same("delete_session", lambda store: store.delete_session(session))
    assert both.same("park", lambda store: store.park(claim, SECOND, "overloaded", asked=True)) is False


def test_a_claim_asked_again_from_quarantine_stays_what_it_was(both: Both) -> None:
    both.begin()
    new = NewRequest(both.ids.request(bucket_of(TENANT, "cust-1")), "cust-1", "Hello")
    fresh = both.ids.session(bucket_of(TENANT, "cust-1"))
    session = both.same("accept", lambda store: store.accept(new, fresh))
    ref, nonce = SessionRef(TENANT, session), both.ids.ulid()

    async def claim(store: TenantStore, *, quarantine: bool) -> Any:
        return await store.claim(ref, nonce, 20, quarantine=quarantine)

    for quarantine in (False, True):  # the second time, as if an answer had been lost
        both.same("claim", partial(claim, quarantine=quarantine))
        inbox, _ = both.inbox(session)
        assert inbox.claimed == Claimed(running=True)


@pytest.mark.timeout(7200)
def test_both_stores_tell_and_hold_the_same(both: Both) -> None:
    SameOnBoth.both = both
    run_state_machine_as_test(
        SameOnBoth,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            phases=[phase for phase in Phase if SHRINK or phase is not Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
