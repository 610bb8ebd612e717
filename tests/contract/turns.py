"""The path of a request: what every store must promise."""

from __future__ import annotations

import asyncio

import pytest

from shared.errors import (
    ConversationMismatch,
    SessionBusy,
    SessionClosed,
    SessionExpired,
    UnknownSession,
)
from shared.ids import bucket_of
from shared.storage.types import Claim, NotClaimed, SessionPatch
from tests.contract.store import DAY, HOUR, LIMITS, MINUTE, SECOND, Desk


class AcceptContract:
    """Accepting a request."""

    async def test_a_request_without_a_session_begins_one(self, desk: Desk) -> None:
        request = await desk.accept("Where is my parcel?")
        session = await desk.own.session(str(request.session_id))
        assert (session.customer_id, session.status, session.open_requests) == ("cust-1", "open", 1)

    async def test_accepting_again_finds_the_first_acceptance(self, desk: Desk) -> None:
        new = desk.new()
        first = await desk.own.accept(new, desk.ids.session(bucket_of("acme", "cust-1")))
        again = await desk.own.accept(new, desk.ids.session(bucket_of("acme", "cust-1")))
        assert again == first
        assert (await desk.own.session(first)).open_requests == 1

    async def test_a_session_is_unknown_to_another_customer_and_another_tenant(self, desk: Desk) -> None:
        request = await desk.accept()
        with pytest.raises(UnknownSession):
            await desk.accept(customer="cust-2", session_id=request.session_id)
        with pytest.raises(UnknownSession):
            await desk.of("other").accept(session_id=request.session_id)
        with pytest.raises(UnknownSession):
            await desk.accept(session_id=f"{request.session_id}:req")
        with pytest.raises(UnknownSession):
            await desk.of("other").own.session(str(request.session_id))

    async def test_a_closed_session_takes_no_new_request(self, desk: Desk) -> None:
        request = await desk.turn("Hello")
        await desk.own.update_session(str(request.session_id), SessionPatch(status="closed"))
        with pytest.raises(SessionClosed):
            await desk.accept(session_id=request.session_id)

    async def test_a_session_is_over_a_ttl_after_its_last_message(self, desk: Desk) -> None:
        request = await desk.turn("Hello")
        desk.clock.pass_(24 * HOUR + 1)
        with pytest.raises(SessionExpired):
            await desk.accept(session_id=request.session_id)

    async def test_expiry_is_judged_at_the_door_only_so_an_open_ticket_keeps_its_session(self, desk: Desk) -> None:
        request = await desk.accept()
        desk.clock.pass_(3 * DAY)
        later = await desk.accept("And another thing", session_id=request.session_id)
        await desk.answer(await desk.claim(request), "Sorry for the wait")
        assert later.session_id == request.session_id
        assert (await desk.own.session(str(request.session_id))).status == "open"

    async def test_reading_does_not_prolong_a_session(self, desk: Desk) -> None:
        request = await desk.turn("Hello")
        desk.clock.pass_(23 * HOUR)
        await desk.own.session(str(request.session_id))
        await desk.own.messages(str(request.session_id), 10, 0)
        desk.clock.pass_(2 * HOUR)
        assert (await desk.own.session(str(request.session_id))).status == "expired"

    async def test_a_conversation_resumes_its_open_session_and_begins_anew_when_that_is_over(self, desk: Desk) -> None:
        first = await desk.turn("Hello", conversation_id="conv-9")
        resumed = await desk.turn("Me again", conversation_id="conv-9")
        desk.clock.pass_(25 * HOUR)
        anew = await desk.accept("Next day", conversation_id="conv-9")
        assert resumed.session_id == first.session_id
        assert anew.session_id != first.session_id

    async def test_a_session_of_another_conversation_is_refused(self, desk: Desk) -> None:
        request = await desk.turn("Hello", conversation_id="conv-1")
        with pytest.raises(ConversationMismatch):
            await desk.accept(session_id=request.session_id, conversation_id="conv-2")

    async def test_a_session_of_no_conversation_refuses_one_for_the_same_reasons(self, desk: Desk) -> None:
        closed, busy, lapsed = await desk.turn("Hello"), await desk.accept(), await desk.turn("Hello")
        for _ in range(LIMITS.max_open_requests - 1):
            await desk.accept(session_id=busy.session_id)
        await desk.own.update_session(str(closed.session_id), SessionPatch(status="closed"))
        with pytest.raises(SessionClosed):
            await desk.accept(session_id=closed.session_id, conversation_id="conv-1")
        with pytest.raises(SessionBusy):
            await desk.accept(session_id=busy.session_id, conversation_id="conv-1")
        desk.clock.pass_(25 * HOUR)
        with pytest.raises(SessionExpired):
            await desk.accept(session_id=lapsed.session_id, conversation_id="conv-1")

    async def test_too_many_open_requests_are_refused(self, desk: Desk) -> None:
        request = await desk.accept()
        for _ in range(LIMITS.max_open_requests - 1):
            await desk.accept(session_id=request.session_id)
        with pytest.raises(SessionBusy):
            await desk.accept(session_id=request.session_id)

    async def test_an_idempotency_key_stands_for_its_first_request_and_knows_its_body(self, desk: Desk) -> None:
        first = await desk.own.reserve("key", "body-1", "req-1")
        again = await desk.own.reserve("key", "body-1", "req-2")
        other = await desk.own.reserve("key", "body-2", "req-3")
        elsewhere = await desk.of("other").own.reserve("key", "body-2", "req-4")
        assert (first.request_id, first.same_body) == ("req-1", True)
        assert (again.request_id, again.same_body) == ("req-1", True)
        assert (other.request_id, other.same_body) == ("req-1", False)
        assert (elsewhere.request_id, elsewhere.same_body) == ("req-4", True)

    async def test_a_hundred_identical_requests_at_once_are_one(self, desk: Desk) -> None:
        bucket = bucket_of("acme", "cust-1")

        async def post() -> tuple[str, str]:
            reservation = await desk.own.reserve("key", "body", desk.ids.request(bucket))
            new = desk.new().__class__(reservation.request_id, "cust-1", "Hello")
            return reservation.request_id, await desk.own.accept(new, desk.ids.session(bucket))

        answers = await asyncio.gather(*(post() for _ in range(100)))
        assert len(set(answers)) == 1
        assert (await desk.own.session(answers[0][1])).open_requests == 1


class ClaimContract:
    """Taking a session's lease and lowest ticket."""

    async def test_fifty_posts_at_once_are_answered_each_once_in_the_order_accepted(self, desk: Desk) -> None:
        first = await desk.accept("0")
        await asyncio.gather(*(desk.accept(str(n), session_id=first.session_id) for n in range(1, 51)))
        accepted = await desk.inside.tickets(desk.ref(first))
        answered = []
        while isinstance(claim := await desk.look(first), Claim):
            answered.append(claim.request.id)
            await desk.answer(claim, f"Re: {claim.request.message}")
        assert answered == accepted
        assert len(set(answered)) == 51
        texts = await desk.transcript(first)
        assert texts[1::2] == [f"Re: {text}" for text in texts[::2]]

    async def test_one_worker_at_a_time_holds_a_session(self, desk: Desk) -> None:
        request = await desk.accept()
        await desk.claim(request)
        assert await desk.look(request) == NotClaimed("busy")

    async def test_sessions_do_not_wait_for_each_other(self, desk: Desk) -> None:
        one, other = await desk.accept(), await desk.accept()
        await desk.claim(one)
        await desk.claim(other)

    async def test_a_claim_whose_answer_was_lost_is_given_again(self, desk: Desk) -> None:
        request = await desk.accept()
        first = await desk.look(request, nonce="nonce-1")
        again = await desk.look(request, nonce="nonce-1")
        assert isinstance(first, Claim)
        assert isinstance(again, Claim)
        assert again.token == first.token

    async def test_fencing_tokens_only_grow(self, desk: Desk) -> None:
        request = await desk.accept()
        numbers = []
        for _ in range(3):
            claim = await desk.claim(request)
            numbers.append(claim.token.number)
            await desk.own.park(claim, 0, "later", asked=True)
        assert numbers == sorted(set(numbers))

    async def test_a_claim_reads_the_newest_messages_and_says_whether_there_are_more(self, desk: Desk) -> None:
        request = await desk.turn("first")
        for number in range(25):
            await desk.turn(f"message {number}", session_id=request.session_id)
        again = await desk.accept("newest", session_id=request.session_id)
        claim = await desk.claim(again)
        assert [message.seq for message in claim.history] == list(range(13, 53))
        assert claim.history[-1].content == "Re: message 24"
        assert not claim.history_complete

    async def test_a_claim_reads_no_more_tokens_than_asked_for(self, desk: Desk) -> None:
        request = await desk.turn("first")
        for _ in range(10):
            await desk.turn("next", session_id=request.session_id)
        again = await desk.accept("newest", session_id=request.session_id)
        claim = await desk.own.claim(desk.ref(again), "nonce", 55, quarantine=False)
        assert isinstance(claim, Claim)
        assert sum(message.tokens for message in claim.history) == 60

    async def test_a_claim_brings_the_customers_memory_newest_first_and_bounded(self, desk: Desk) -> None:
        for number in range(7):
            desk.clock.pass_(SECOND)
            await desk.own.put_memory("cust-1", f"key-{number}", number, "note")
        await desk.own.put_memory("someone-else", "secret", 1, "note")
        claim = await desk.claim(await desk.accept())
        assert [entry.key for entry in claim.memory] == ["key-6", "key-5", "key-4", "key-3", "key-2"]

    async def test_nothing_to_claim_is_told_apart(self, desk: Desk) -> None:
        request = await desk.turn("Hello")
        assert await desk.look(request) == NotClaimed("idle")
        await desk.own.delete_session(str(request.session_id))
        assert await desk.look(request) == NotClaimed("gone")

    async def test_renewing_keeps_the_lease_and_tells_of_listeners(self, desk: Desk) -> None:
        request = await desk.accept()
        claim = await desk.claim(request)
        desk.clock.pass_(20 * SECOND)
        assert await desk.own.renew(claim) is False
        desk.clock.pass_(20 * SECOND)
        assert await desk.look(request) == NotClaimed("busy")
        await desk.own.listen(request.request_id)
        assert await desk.own.renew(claim) is True


class CommitContract:
    """Ending a turn."""

    async def test_a_commit_stores_the_turn_and_its_result_together(self, desk: Desk) -> None:
        request = await desk.accept("Where is my parcel?", metadata={"channel": "web"})
        done = await desk.answer(await desk.claim(request), "On its way")
        record = await desk.own.request(request.request_id)
        assert await desk.transcript(request) == ["Where is my parcel?", "On its way"]
        assert (record.status, record.attempts) == ("succeeded", 1)
        assert record.result is not None
        assert record.result.reply == "On its way"
        assert done.rows[0].metadata == {"channel": "web"}
        assert (done.verdict, done.more) == ("committed", False)

    async def test_a_commit_whose_answer_was_lost_is_found_done_not_repeated(self, desk: Desk) -> None:
        request = await desk.accept()
        claim = await desk.claim(request)
        first = await desk.answer(claim)
        again = await desk.answer(claim)
        assert again == first
        assert len(await desk.transcript(request)) == 2

    async def test_a_stale_claim_cannot_commit(self, desk: Desk) -> None:
        request = await desk.accept()
        slow = await desk.claim(request)
        desk.clock.pass_(31 * SECOND)
        await desk.look(request)
        quick = await desk.claim(request, quarantine=True)
        assert (await desk.answer(slow, "from the slow one")).verdict == "stale"
        assert (await desk.answer(quick, "from the quick one")).verdict == "committed"
        assert (await desk.answer(slow, "from the slow one")).verdict == "stale"
        assert await desk.transcript(request) == ["Hello", "from the quick one"]

    async def test_a_lapsed_lease_whose_token_is_current_commits(self, desk: Desk) -> None:
        request = await desk.accept()
        claim = await desk.claim(request)
        desk.clock.pass_(HOUR)
        assert (await desk.answer(claim)).verdict == "committed"

    async def test_a_commit_into_a_deleted_session_brings_nothing_back(self, desk: Desk) -> None:
        request = await desk.accept()
        claim = await desk.claim(request)
        await desk.own.delete_session(str(request.session_id))
        before = await desk.inside.names()
        assert (await desk.answer(claim)).verdict == "gone"
        assert await desk.inside.names() == before

    async def test_whoever_lets_go_is_told_of_more_work(self, desk: Desk) -> None:
        request = await desk.accept("one")
        claim = await desk.claim(request)
        await desk.accept("two", session_id=request.session_id)
        assert (await desk.answer(claim)).more

    async def test_a_failed_turn_keeps_the_message_and_says_why(self, desk: Desk) -> None:
        request = await desk.accept("Help!")
        claim = await desk.claim(request)
        done = await desk.own.commit(claim, desk.failed(claim, "deadline"))
        (message,) = (await desk.own.messages(str(request.session_id), 10, 0)).items
        record = await desk.own.request(request.request_id)
        assert (message.content, message.unanswered) == ("Help!", True)
        assert record.failure is not None
        assert record.failure.type == "deadline"
        assert done.rows[0].type == "chat.reply.failed"

    async def test_a_parked_head_sleeps_until_it_is_due_and_blocks_its_own_session_only(self, desk: Desk) -> None:
        request = await desk.accept("one")
        await desk.accept("two", session_id=request.session_id)
        other = await desk.accept("elsewhere")
        claim = await desk.claim(request)
        assert await desk.own.park(claim, 20 * SECOND, "overloaded: busy", asked=True)
        assert await desk.look(request) == NotClaimed("parked")
        await desk.claim(other)
        desk.clock.pass_(20 * SECOND)
        again = await desk.claim(request)
        assert (again.request.message, again.request.attempts) == ("one", 1)

    async def test_a_waiting_request_says_what_for(self, desk: Desk) -> None:
        request = await desk.accept()
        await desk.own.park(await desk.claim(request), MINUTE, "overloaded: busy", asked=True)
        record = await desk.own.request(request.request_id)
        assert (record.status, record.waiting_for) == ("queued", "overloaded: busy")
        assert record.due_at is not None

    async def test_parking_again_after_a_lost_answer_counts_once(self, desk: Desk) -> None:
        request = await desk.accept()
        claim = await desk.claim(request)
        assert await desk.own.park(claim, SECOND, "later", asked=True)
        assert await desk.own.park(claim, SECOND, "later", asked=True)
        assert (await desk.own.request(request.request_id)).attempts == 1

    async def test_a_claim_that_committed_cannot_park(self, desk: Desk) -> None:
        request = await desk.accept()
        claim = await desk.claim(request)
        await desk.answer(claim)
        assert not await desk.own.park(claim, SECOND, "later", asked=True)

    async def test_a_claim_that_parked_and_that_another_followed_is_no_longer_current(self, desk: Desk) -> None:
        request = await desk.accept()
        first = await desk.claim(request)
        await desk.own.park(first, 0, "later", asked=True)
        await desk.claim(request)
        assert not await desk.own.park(first, 0, "later", asked=True)

    async def test_a_claim_that_parked_and_that_none_followed_may_commit(self, desk: Desk) -> None:
        request = await desk.accept()
        claim = await desk.claim(request)
        await desk.own.park(claim, MINUTE, "later", asked=False)
        assert (await desk.answer(claim)).verdict == "committed"
        record = await desk.own.request(request.request_id)
        assert (record.status, record.attempts, record.waiting_for) == ("succeeded", 1, None)

    async def test_a_stale_claim_cannot_park_nor_renew(self, desk: Desk) -> None:
        request = await desk.accept()
        slow = await desk.claim(request)
        desk.clock.pass_(31 * SECOND)
        await desk.look(request)
        await desk.claim(request, quarantine=True)
        assert not await desk.own.park(slow, SECOND, "later", asked=True)
        assert await desk.own.renew(slow) is None


class HealingContract:
    """What is found again after a step was lost."""

    async def test_an_accepted_session_nobody_woke_becomes_overdue_and_is_backed_off(self, desk: Desk) -> None:
        request = await desk.accept()
        bucket = desk.ref(request).bucket
        assert await desk.store.overdue(bucket, 10) == []
        desk.clock.pass_(6 * SECOND)
        assert await desk.store.overdue(bucket, 10) == [(desk.ref(request), False)]
        assert await desk.store.overdue(bucket, 10) == []
        desk.clock.pass_(11 * SECOND)
        assert await desk.store.overdue(bucket, 10) == [(desk.ref(request), False)]
        desk.clock.pass_(11 * SECOND)
        assert await desk.store.overdue(bucket, 10) == []

    async def test_a_held_session_is_overdue_when_its_lease_has_ended_and_goes_to_quarantine(self, desk: Desk) -> None:
        request = await desk.accept()
        await desk.claim(request)
        desk.clock.pass_(29 * SECOND)
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == []
        desk.clock.pass_(2 * SECOND)
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == [(desk.ref(request), True)]

    async def test_a_lease_that_was_renewed_after_all_is_backed_off_anew(self, desk: Desk) -> None:
        request = await desk.accept()
        bucket = desk.ref(request).bucket
        claim = await desk.claim(request)
        desk.clock.pass_(31 * SECOND)
        assert await desk.store.overdue(bucket, 10) == [(desk.ref(request), True)]
        await desk.own.renew(claim)
        for ms in (31 * SECOND, 11 * SECOND):
            desk.clock.pass_(ms)
            assert await desk.store.overdue(bucket, 10) == [(desk.ref(request), True)]

    async def test_a_parked_session_is_overdue_only_when_it_is_due(self, desk: Desk) -> None:
        request = await desk.accept()
        await desk.own.park(await desk.claim(request), MINUTE, "later", asked=True)
        desk.clock.pass_(59 * SECOND)
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == []
        desk.clock.pass_(2 * SECOND)
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == [(desk.ref(request), False)]

    async def test_a_finished_session_is_not_woken(self, desk: Desk) -> None:
        request = await desk.turn("Hello")
        desk.clock.pass_(DAY)
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == []

    async def test_buckets_with_work_are_known(self, desk: Desk) -> None:
        request = await desk.accept()
        desk.clock.pass_(6 * SECOND)
        found = [ref for bucket in await desk.store.active_buckets() for ref, _ in await desk.store.overdue(bucket, 10)]
        assert found == [desk.ref(request)]
        desk.clock.pass_(HOUR)
        every = await desk.store.active_buckets(every=True)
        assert [ref for bucket in every for ref, _ in await desk.store.overdue(bucket, 10)] == found

    async def test_a_row_lives_until_it_is_struck(self, desk: Desk) -> None:
        request = await desk.accept()
        done = await desk.answer(await desk.claim(request))
        bucket = desk.ref(request).bucket
        assert await desk.store.take_rows(bucket, 10) == []
        desk.clock.pass_(11 * SECOND)
        assert await desk.store.take_rows(bucket, 10) == list(done.rows)
        assert await desk.store.take_rows(bucket, 10) == []
        desk.clock.pass_(11 * SECOND)
        assert await desk.store.take_rows(bucket, 10) == list(done.rows)
        await desk.store.strike(bucket, [done.rows[0].id])
        desk.clock.pass_(DAY)
        assert await desk.store.take_rows(bucket, 10) == []

    async def test_an_unexplained_claim_runs_next_in_quarantine(self, desk: Desk) -> None:
        request = await desk.accept()
        await desk.claim(request)
        desk.clock.pass_(31 * SECOND)
        assert await desk.look(request) == NotClaimed("quarantine")
        desk.clock.pass_(6 * SECOND)
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == [(desk.ref(request), True)]
        assert not (await desk.claim(request, quarantine=True)).condemned

    async def test_a_suspect_past_its_deadline_needs_no_quarantine_to_be_told_so(self, desk: Desk) -> None:
        request = await desk.accept()
        await desk.claim(request)
        desk.clock.pass_(16 * MINUTE)
        assert (await desk.claim(request)).request.id == request.request_id

    async def test_a_late_copy_of_a_claim_takes_nothing(self, desk: Desk) -> None:
        request = await desk.accept("one")
        await desk.accept("two", session_id=request.session_id)
        claim = await desk.look(request, nonce="nonce-1")
        assert isinstance(claim, Claim)
        await desk.answer(claim)
        late = await desk.look(request, nonce="nonce-1")
        assert isinstance(late, Claim)
        assert (late.request.message, late.token.number) == ("two", 2)

    async def test_only_deaths_in_quarantine_condemn(self, desk: Desk) -> None:
        request = await desk.accept()
        await desk.claim(request)
        condemned = []
        for _ in range(LIMITS.poison_limit + 1):
            desk.clock.pass_(31 * SECOND)
            condemned.append((await desk.claim(request, quarantine=True)).condemned)
        assert condemned == [False, False, False, True]

    async def test_a_request_that_was_parked_needs_no_quarantine(self, desk: Desk) -> None:
        request = await desk.accept()
        await desk.own.park(await desk.claim(request), 0, "later", asked=True)
        assert await desk.look(request, quarantine=True) == NotClaimed("ordinary")
        await desk.claim(request)

    async def test_the_next_request_of_a_quarantined_session_runs_as_usual(self, desk: Desk) -> None:
        request = await desk.accept("one")
        await desk.accept("two", session_id=request.session_id)
        await desk.claim(request)
        desk.clock.pass_(31 * SECOND)
        await desk.answer(await desk.claim(request, quarantine=True))
        assert await desk.look(request, quarantine=True) == NotClaimed("ordinary")
        assert (await desk.claim(request)).request.message == "two"


class DeltaContract:
    """A reply while it is being written."""

    async def test_listeners_read_from_where_they_are(self, desk: Desk) -> None:
        request = await desk.accept()
        claim = await desk.claim(request)
        after = await desk.own.append_delta(claim, 0, "Grüße")
        await desk.own.append_delta(claim, after, " aus Köln")
        number = claim.token.number
        assert (await desk.own.read_deltas(request.request_id, 0, 0)).text == "Grüße aus Köln"
        assert (await desk.own.read_deltas(request.request_id, number, after)).text == " aus Köln"

    async def test_a_piece_sent_twice_is_kept_once(self, desk: Desk) -> None:
        request = await desk.accept()
        claim = await desk.claim(request)
        for _ in range(2):
            assert await desk.own.append_delta(claim, 0, "Hello") == 5
        assert (await desk.own.read_deltas(request.request_id, 0, 0)).text == "Hello"

    async def test_a_later_attempt_begins_again_and_an_earlier_one_is_refused(self, desk: Desk) -> None:
        request = await desk.accept()
        slow = await desk.claim(request)
        await desk.own.append_delta(slow, 0, "from the slow one")
        desk.clock.pass_(31 * SECOND)
        await desk.look(request)
        quick = await desk.claim(request, quarantine=True)
        await desk.own.append_delta(quick, 0, "anew")
        await desk.own.append_delta(slow, 17, ", still going")
        deltas = await desk.own.read_deltas(request.request_id, slow.token.number, 17)
        assert (deltas.token, deltas.offset, deltas.text) == (quick.token.number, 0, "anew")

    async def test_nothing_beyond_a_piece_that_was_lost_is_told(self, desk: Desk) -> None:
        request = await desk.accept()
        claim = await desk.claim(request)
        await desk.own.append_delta(claim, 0, "One")
        await desk.own.append_delta(claim, 8, ", three")
        deltas = await desk.own.read_deltas(request.request_id, 0, 0)
        assert (deltas.token, deltas.offset, deltas.text) == (claim.token.number, 0, "One")
        assert (await desk.own.read_deltas(request.request_id, claim.token.number, 3)).text == ""

    async def test_a_stale_claim_is_told_that_its_piece_was_not_kept(self, desk: Desk) -> None:
        request = await desk.accept()
        slow = await desk.claim(request)
        await desk.own.append_delta(slow, 0, "from the slow one")
        desk.clock.pass_(31 * SECOND)
        await desk.look(request)
        await desk.claim(request, quarantine=True)
        assert await desk.own.append_delta(slow, 0, "from the slow one") == 0

    async def test_a_claim_knows_whether_anyone_listens(self, desk: Desk) -> None:
        quiet = await desk.accept()
        heard = await desk.accept()
        await desk.own.listen(heard.request_id)
        assert not (await desk.claim(quiet)).listening
        assert (await desk.claim(heard)).listening


class TurnContract(AcceptContract, ClaimContract, CommitContract, HealingContract, DeltaContract):
    """All of the path of a request."""
