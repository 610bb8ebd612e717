"""Messages in quick succession, answered at once: which belong together, when they are due, and how they end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.storage.types import BURST_BYTES, BURST_MOST, Claim, NewRequest, NotClaimed
from tests.contract.store import LIMITS, MINUTE, SECOND, Desk, receipt_of

WINDOW = 3 * SECOND
HOOK = "hook:hook_01"


async def said(desk: Desk, *messages: str, every: int = SECOND, **more: Any) -> list[NewRequest]:
    """Accept messages that wait for the next one, a second apart, all in one session."""
    found: list[NewRequest] = []
    for number, message in enumerate(messages):
        desk.clock.pass_(every if number else 0)
        session = {"session_id": found[0].session_id} if found else {}
        found.append(await desk.accept(message, coalesce_ms=WINDOW, **{**session, **more}))
    return found


class BurstContract:
    """The rules, for any store."""

    async def test_messages_of_one_burst_are_claimed_together_in_order(self, desk: Desk) -> None:
        one, two, three = await said(desk, "one", "two", "three")
        desk.clock.pass_(WINDOW)
        claim = await desk.claim(one)
        assert [each.message for each in claim.requests] == ["one", "two", "three"]
        assert claim.request.burst == (two.request_id, three.request_id)
        assert claim.request.id == one.request_id

    async def test_a_burst_is_due_its_time_after_its_last_message(self, desk: Desk) -> None:
        one, *_ = await said(desk, "one", "two", "three")
        desk.clock.pass_(WINDOW - 1)
        waits = await desk.look(one)
        assert waits == NotClaimed("parked")
        assert isinstance(waits, NotClaimed)
        assert waits.due_in_ms == 1
        desk.clock.pass_(1)
        assert isinstance(await desk.look(one), Claim)

    async def test_one_message_alone_waits_too(self, desk: Desk) -> None:
        (one,) = await said(desk, "one")
        assert await desk.look(one) == NotClaimed("parked")
        desk.clock.pass_(WINDOW)
        assert (await desk.claim(one)).burst == ()

    async def test_who_never_stops_writing_is_answered_after_five_times_as_long(self, desk: Desk) -> None:
        requests = await said(desk, *map(str, range(8)), every=2 * SECOND)
        desk.clock.pass_(SECOND - 1)
        assert await desk.look(requests[0]) == NotClaimed("parked")
        desk.clock.pass_(1)
        assert len((await desk.claim(requests[0])).requests) == 8

    async def test_a_burst_waits_no_longer_than_half_the_time_it_has(self, desk: Desk) -> None:
        one = await desk.accept("one", coalesce_ms=60 * MINUTE)
        desk.clock.pass_(LIMITS.request_deadline_ms // 2 - 1)
        assert await desk.look(one) == NotClaimed("parked")
        desk.clock.pass_(1)
        assert isinstance(await desk.look(one), Claim)

    async def test_ten_are_one_burst_and_the_rest_are_the_next(self, desk: Desk) -> None:
        requests = await said(desk, *map(str, range(BURST_MOST + 2)), every=0)
        desk.clock.pass_(WINDOW)
        await desk.answer(claim := await desk.claim(requests[0]))
        rest = await desk.claim(requests[0])
        assert [each.message for each in claim.requests] == list(map(str, range(BURST_MOST)))
        assert [each.message for each in rest.requests] == ["10", "11"]

    async def test_a_burst_holds_no_more_bytes_than_one_transaction_can(self, desk: Desk) -> None:
        long = "x" * 120_000
        requests = await said(desk, *[long] * 5)
        desk.clock.pass_(WINDOW)
        await desk.answer(claim := await desk.claim(requests[0]))
        rest = await desk.claim(requests[0])
        assert [len(claim.requests), len(rest.requests)] == [BURST_BYTES // len(long.encode()), 2]
        await desk.answer(rest)
        assert (await desk.transcript(requests[0])).count(long) == 5

    async def test_a_recorded_message_ends_the_burst(self, desk: Desk) -> None:
        one, two = await said(desk, "one", "two")
        await desk.own.record(str(one.session_id), desk.message("a person", role="assistant"), backdated=False)
        three = await desk.accept("three", session_id=one.session_id, coalesce_ms=WINDOW)
        desk.clock.pass_(WINDOW)
        claim = await desk.claim(one)
        await desk.answer(claim, "both")
        rest = await desk.claim(one)
        await desk.answer(rest, "third")
        assert ([each.id for each in claim.requests], [each.id for each in rest.requests]) == (
            [one.request_id, two.request_id],
            [three.request_id],
        )
        assert await desk.transcript(one) == ["one", "two", "both", "a person", "three", "third"]

    async def test_a_request_that_waits_for_nothing_ends_the_burst_and_is_claimed_by_itself(self, desk: Desk) -> None:
        one, two = await said(desk, "one", "two")
        plain = await desk.accept("plain", session_id=one.session_id)
        await desk.accept("late", session_id=one.session_id, coalesce_ms=WINDOW)
        desk.clock.pass_(WINDOW)
        await desk.answer(claim := await desk.claim(one))
        second = await desk.claim(one)
        assert [each.id for each in claim.requests] == [one.request_id, two.request_id]
        assert [each.id for each in second.requests] == [plain.request_id]

    async def test_a_burst_behind_a_turn_that_runs_is_due_when_its_own_time_is_over(self, desk: Desk) -> None:
        running = await desk.accept("plain")
        claim = await desk.claim(running)
        two, three = [
            await desk.accept(text, session_id=running.session_id, coalesce_ms=WINDOW) for text in ("two", "three")
        ]
        desk.clock.pass_(SECOND)
        assert (await desk.answer(claim)).more
        assert await desk.look(running) == NotClaimed("parked")
        assert await desk.store.overdue(desk.ref(running).bucket, 10) == []
        desk.clock.pass_(2 * SECOND)
        assert await desk.store.overdue(desk.ref(running).bucket, 10) == [(desk.ref(running), False)]
        assert [each.id for each in (await desk.claim(running)).requests] == [two.request_id, three.request_id]

    async def test_the_reconciler_finds_a_burst_when_it_is_due_not_before(self, desk: Desk) -> None:
        one, *_ = await said(desk, "one", "two", "three", every=2 * SECOND)
        desk.clock.pass_(WINDOW)
        # The newest was accepted three seconds ago; whoever accepts says so itself, and is given five.
        assert await desk.store.overdue(desk.ref(one).bucket, 10) == []
        desk.clock.pass_(2 * SECOND)
        assert await desk.store.overdue(desk.ref(one).bucket, 10) == [(desk.ref(one), False)]

    async def test_what_comes_after_the_first_claim_is_the_next_burst_whatever_happens_to_it(self, desk: Desk) -> None:
        one, two = await said(desk, "one", "two")
        desk.clock.pass_(WINDOW)
        first = await desk.claim(one)
        await desk.accept("three", session_id=one.session_id, coalesce_ms=WINDOW)
        desk.clock.pass_(LIMITS.lease_ms + 1)
        assert await desk.look(one) == NotClaimed("quarantine")
        again = await desk.claim(one, quarantine=True)
        assert [each.id for each in first.requests] == [each.id for each in again.requests]
        assert (await desk.answer(first)).verdict == "stale"
        assert (await desk.answer(again)).verdict == "committed"
        assert [each.message for each in (await desk.claim(one)).requests] == ["three"]
        assert again.request.burst == (two.request_id,)

    async def test_a_claim_whose_answer_was_lost_brings_the_same_burst(self, desk: Desk) -> None:
        one, *_ = await said(desk, "one", "two")
        desk.clock.pass_(WINDOW)
        claim = await desk.look(one, nonce="n")
        await desk.accept("three", session_id=one.session_id, coalesce_ms=WINDOW)
        again = await desk.look(one, nonce="n")
        assert isinstance(claim, Claim)
        assert isinstance(again, Claim)
        assert [each.id for each in again.requests] == [each.id for each in claim.requests]

    async def test_a_claim_says_of_each_request_with_which_one_it_is_answered(self, desk: Desk) -> None:
        requests = await said(desk, "one", "two", "three")
        desk.clock.pass_(WINDOW)
        before = [(await desk.own.request(request.request_id)).answered_with for request in requests]
        claim = await desk.claim(requests[0])
        after = [(await desk.own.request(request.request_id)).answered_with for request in requests]
        first = requests[0].request_id
        assert (before, after) == ([None] * 3, [None, first, first])
        assert [each.answered_with for each in claim.requests] == after

    async def test_a_parked_burst_stays_one(self, desk: Desk) -> None:
        one, two = await said(desk, "one", "two")
        desk.clock.pass_(WINDOW)
        assert await desk.own.park(await desk.claim(one), MINUTE, "overloaded", asked=True)
        await desk.accept("three", session_id=one.session_id, coalesce_ms=WINDOW)
        assert await desk.look(one) == NotClaimed("parked")
        desk.clock.pass_(MINUTE)
        claim = await desk.claim(one)
        assert [each.id for each in claim.requests] == [one.request_id, two.request_id]
        assert claim.request.attempts == 1

    async def test_each_request_of_a_burst_gets_the_one_result_and_a_row_of_its_own(self, desk: Desk) -> None:
        requests = [
            await desk.accept("one", coalesce_ms=WINDOW, callback=HOOK, metadata={"n": 1}),
        ]
        session = requests[0].session_id
        requests.append(await desk.accept("two", session_id=session, coalesce_ms=WINDOW, callback=HOOK))
        callback = "https://receiver.example/"
        requests.append(await desk.accept("three", session_id=session, coalesce_ms=WINDOW, callback=callback))
        desk.clock.pass_(WINDOW)
        claim = await desk.claim(requests[0])
        outcome = replace(desk.answered(claim, "All three"), receipt=receipt_of(3))
        done = await desk.own.commit(claim, outcome)
        kept = [await desk.own.request(request.request_id) for request in requests]
        assert [each.result for each in kept] == [outcome.result] * 3
        assert [(each.status, each.attempts) for each in kept] == [("succeeded", 1)] * 3
        assert [each.answered_with for each in kept] == [None, requests[0].request_id, requests[0].request_id]
        assert [each.receipt is not None for each in kept] == [True, False, False]
        assert [(row.id, row.callback) for row in done.rows] == [
            (f"evt_{requests[0].request_id}", HOOK),
            (f"evt_{requests[1].request_id}", None),
            (f"evt_{requests[2].request_id}", callback),
        ]
        assert done.rows[0].metadata == {"n": 1}
        assert await desk.transcript(requests[0]) == ["one", "two", "three", "All three"]
        assert {row.id for row in await desk.due_rows(requests[0])} == {row.id for row in done.rows}
        later = await desk.turn("later", session_id=session, callback=HOOK)
        after = {row.request_id: row.after for row in await desk.due_rows(later)}
        assert after[later.request_id] == requests[0].request_id

    async def test_a_burst_that_an_api_request_began_is_posted_through_its_hook_once(self, desk: Desk) -> None:
        plain = await desk.accept("one", coalesce_ms=WINDOW)
        more: dict[str, Any] = {"session_id": plain.session_id, "coalesce_ms": WINDOW, "callback": HOOK}
        two, three = await desk.accept("two", **more), await desk.accept("three", **more)
        desk.clock.pass_(WINDOW)
        claim = await desk.claim(plain)
        done = await desk.own.commit(claim, desk.answered(claim, "all"))
        assert [row.callback for row in done.rows] == [None, HOOK, None]
        later = await desk.turn("later", session_id=plain.session_id, callback=HOOK)
        after = {row.request_id: row.after for row in await desk.due_rows(later)}
        assert (after[later.request_id], after[three.request_id]) == (two.request_id, None)

    @pytest.mark.parametrize("lost", [False, True])
    async def test_a_commit_asked_twice_ends_a_burst_once(self, desk: Desk, *, lost: bool) -> None:
        one, two = await said(desk, "one", "two", metadata={"channel": "web"})
        desk.clock.pass_(WINDOW)
        claim = await desk.claim(one)
        outcome = desk.answered(claim, "both")
        if lost:
            desk.inside.lose_the_next_answer("commit")
        first = await desk.own.commit(claim, outcome)
        again = await desk.own.commit(claim, outcome)
        assert first == again
        assert [row.request_id for row in first.rows] == [one.request_id, two.request_id]
        assert await desk.transcript(one) == ["one", "two", "both"]

    async def test_a_burst_fails_as_one(self, desk: Desk) -> None:
        requests = await said(desk, "one", "two")
        desk.clock.pass_(WINDOW)
        claim = await desk.claim(requests[0])
        done = await desk.own.commit(claim, desk.failed(claim))
        kept = [await desk.own.request(request.request_id) for request in requests]
        assert [each.failure.type for each in kept if each.failure] == ["deadline", "deadline"]
        assert [row.type for row in done.rows] == ["chat.reply.failed"] * 2
        page = await desk.own.messages(str(requests[0].session_id), 10, 0)
        assert [(each.content, each.unanswered) for each in page.items] == [("one", True), ("two", True)]

    async def test_a_reply_taken_back_is_gone_for_every_request_of_its_burst(self, desk: Desk) -> None:
        requests = await said(desk, "one", "two")
        desk.clock.pass_(WINDOW)
        await desk.answer(await desk.claim(requests[0]), "secret")
        await desk.own.redact(str(requests[0].session_id), 3)
        kept = [await desk.own.request(request.request_id) for request in requests]
        assert [each.result.reply for each in kept if each.result] == ["", ""]
        assert "secret" not in await desk.inside.contents()

    async def test_a_deleted_session_fails_each_request_of_its_burst(self, desk: Desk) -> None:
        requests = await said(desk, "one", "two")
        desk.clock.pass_(WINDOW)
        claim = await desk.claim(requests[0])
        await desk.own.delete_session(str(requests[0].session_id))
        kept = [await desk.own.request(request.request_id) for request in requests]
        assert [each.failure.type for each in kept if each.failure] == ["session-deleted"] * 2
        assert (await desk.answer(claim)).verdict == "gone"

    async def test_long_messages_of_a_burst_are_kept_whole(self, desk: Desk) -> None:
        long = "".join(chr(97 + number % 26) for number in range(150_000))
        requests = await said(desk, "short", long)
        desk.clock.pass_(WINDOW)
        claim = await desk.claim(requests[0])
        assert [each.message for each in claim.requests] == ["short", long]
        await desk.answer(claim)
        assert (await desk.transcript(requests[0]))[:2] == ["short", long]
        assert (await desk.own.request(requests[1].request_id)).message == long
