"""Who handles a session, how it is found by its conversation, and what a hook's requests are kept with."""

from __future__ import annotations

from dataclasses import replace

from shared.ids import bucket_of
from shared.models import Handler
from shared.storage.types import Changer, NewRequest, NewSession, NotClaimed, SessionPatch, hook_of
from tests.contract.store import HOUR, MINUTE, SECOND, Desk

HOOK = "hook:hook_01"


class HandlingContract:
    """Sessions that people take over, and conversations that hooks lead to them."""

    async def test_a_session_is_the_agent_s_until_a_person_takes_it(self, desk: Desk) -> None:
        made = await desk.own.create_session(desk.ids.session(bucket_of("acme", "cust-1")), NewSession("cust-1"))
        taken = await desk.own.update_session(made.id, SessionPatch(handler="human"))
        listed = await desk.own.sessions("cust-1", 1, None)
        back = await desk.own.update_session(made.id, SessionPatch(handler="agent"))
        assert (made.handler, taken.handler, listed.items[0].handler, back.handler) == (
            "agent",
            "human",
            "human",
            "agent",
        )

    async def test_each_change_of_who_handles_it_is_told_once_with_who_said_so(self, desk: Desk) -> None:
        request = await desk.accept()
        steps: list[tuple[Handler, Changer]] = [
            ("agent", "api"),
            ("human", "platform"),
            ("human", "api"),
            ("agent", "api"),
            ("human", "agent"),
        ]
        for handler, by in steps:
            desk.clock.pass_(1)
            desk.inside.lose_the_next_answer("update_session")
            await desk.own.update_session(str(request.session_id), SessionPatch(handler=handler, by=by))
        await desk.own.update_session(str(request.session_id), SessionPatch(title="Parcel"))
        rows = [row for row in await desk.due_rows(request) if row.type == "session.assigned"]
        told = sorted(rows, key=lambda row: row.at)
        assert [(row.handler, row.by) for row in told] == [("human", "platform"), ("agent", "api"), ("human", "agent")]
        assert {(row.session_id, row.customer_id) for row in told} == {(request.session_id, "cust-1")}
        assert [row.id.split("_")[3] for row in told] == ["human", "agent", "human"]

    async def test_what_else_is_changed_leaves_the_handler_alone(self, desk: Desk) -> None:
        made = await desk.own.create_session(desk.ids.session(bucket_of("acme", "cust-1")), NewSession("cust-1"))
        await desk.own.update_session(made.id, SessionPatch(handler="human"))
        titled = await desk.own.update_session(made.id, SessionPatch(title="Parcel"))
        assert (titled.handler, titled.title) == ("human", "Parcel")

    async def test_the_session_of_a_conversation_is_found_over_or_not(self, desk: Desk) -> None:
        request = await desk.turn("Hello", conversation_id="hook_01/2/15")
        found = await desk.own.bound_session("cust-1", "hook_01/2/15")
        desk.clock.pass_(25 * HOUR)
        over = await desk.own.bound_session("cust-1", "hook_01/2/15")
        assert found is not None
        assert over is not None
        assert (found.id, found.status) == (request.session_id, "open")
        assert (over.id, over.status) == (request.session_id, "expired")

    async def test_a_conversation_of_nobody_s_leads_nowhere(self, desk: Desk) -> None:
        request = await desk.turn("Hello", conversation_id="conv-1")
        assert await desk.own.bound_session("cust-1", "conv-2") is None
        assert await desk.own.bound_session("cust-2", "conv-1") is None
        assert await desk.of("other").own.bound_session("cust-1", "conv-1") is None
        await desk.own.delete_session(str(request.session_id))
        assert await desk.own.bound_session("cust-1", "conv-1") is None

    async def test_a_conversation_of_an_erased_customer_leads_nowhere(self, desk: Desk) -> None:
        await desk.turn("Hello", conversation_id="conv-1")
        while await desk.own.erase_customer("cust-1"):
            pass
        assert await desk.own.bound_session("cust-1", "conv-1") is None

    async def test_a_request_keeps_what_its_hook_asked_for(self, desk: Desk) -> None:
        request = await desk.accept(handoff=True, coalesce_ms=3000, callback=HOOK)
        kept = await desk.own.request(request.request_id)
        plain = await desk.own.request((await desk.accept(customer="cust-2")).request_id)
        assert (kept.handoff, kept.coalesce_ms, hook_of(kept.callback)) == (True, 3000, "hook_01")
        assert (plain.handoff, plain.coalesce_ms, hook_of(plain.callback)) == (False, 0, None)

    async def test_a_hook_s_row_names_the_one_of_its_session_before_it(self, desk: Desk) -> None:
        first = await desk.accept("one", callback=HOOK)
        session = first.session_id
        others = [
            await desk.accept("two", session_id=session),
            await desk.accept("three", session_id=session, callback="https://receiver.example/"),
            await desk.accept("four", session_id=session, callback=HOOK),
            await desk.accept("five", session_id=session, callback=HOOK),
        ]
        told = []
        for number in range(5):
            claim = await desk.claim(first)
            outcome = desk.failed(claim) if number == 3 else desk.answered(claim, "Hi")
            (row,) = (await desk.own.commit(claim, outcome)).rows
            told.append(row.after)
        due = {row.request_id: row.after for row in await desk.due_rows(first)}
        assert told == [None, None, None, first.request_id, others[2].request_id]
        assert list(due.values()).count(None) == 3
        assert due[others[3].request_id] == others[2].request_id

    async def test_rows_of_a_deleted_session_keep_the_hook_s_order(self, desk: Desk) -> None:
        answered = await desk.turn("one", callback=HOOK)
        session = answered.session_id
        opened = [await desk.accept(str(n), session_id=session, callback=HOOK) for n in range(2)]
        opened.append(await desk.accept("plain", session_id=session))
        opened.append(await desk.accept("last", session_id=session, callback=HOOK))
        await desk.own.delete_session(str(session))
        after = {row.request_id: row.after for row in await desk.due_rows(answered)}
        assert [after[request.request_id] for request in opened] == [
            answered.request_id,
            opened[0].request_id,
            None,
            opened[1].request_id,
        ]

    async def test_a_reply_is_refused_once_a_person_has_taken_over_and_a_failure_is_not(self, desk: Desk) -> None:
        request = await desk.accept("Where is it?")
        claim = await desk.claim(request)
        await _hand(desk, request, "human")
        refused = await desk.answer(claim, "Late")
        again = await desk.answer(claim, "Late")
        kept = await desk.own.request(request.request_id)
        ended = await desk.own.commit(claim, desk.failed(claim, "taken-over"))
        assert (refused.verdict, refused.rows, again.verdict, kept.status) == ("taken", (), "taken", "running")
        assert (ended.verdict, [row.type for row in ended.rows]) == ("committed", ["chat.reply.failed"])
        assert await desk.transcript(request) == ["Where is it?"]

    async def test_a_session_handed_back_in_time_is_answered(self, desk: Desk) -> None:
        request = await desk.accept("Where is it?")
        claim = await desk.claim(request)
        await _hand(desk, request, "human")
        await _hand(desk, request, "agent")
        assert (await desk.answer(claim, "Here")).verdict == "committed"

    async def test_what_waits_is_looked_at_when_a_person_takes_over(self, desk: Desk) -> None:
        request = await desk.accept()
        await desk.own.park(await desk.claim(request), 5 * MINUTE, "overloaded", asked=True)
        assert await desk.look(request) == NotClaimed("parked")
        await _hand(desk, request, "human")
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == [(desk.ref(request), False)]
        claim = await desk.claim(request)
        assert claim.session.handler == "human"

    async def test_what_is_parked_after_a_person_took_over_waits_for_nothing(self, desk: Desk) -> None:
        request = await desk.accept()
        claim = await desk.claim(request)
        await _hand(desk, request, "human")
        assert await desk.own.park(claim, 5 * MINUTE, "overloaded", asked=True)
        assert await desk.own.park(claim, 5 * MINUTE, "overloaded", asked=True)
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == [(desk.ref(request), False)]
        assert (await desk.claim(request)).request.attempts == 1

    async def test_what_waits_waits_again_when_it_is_handed_back(self, desk: Desk) -> None:
        request = await desk.accept()
        await desk.own.park(await desk.claim(request), 5 * MINUTE, "overloaded", asked=True)
        await _hand(desk, request, "human")
        await _hand(desk, request, "agent")
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == []
        assert await desk.look(request) == NotClaimed("parked")
        desk.clock.pass_(5 * MINUTE)
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == [(desk.ref(request), False)]

    async def test_taking_over_a_session_that_a_worker_holds_leaves_it_to_its_lease(self, desk: Desk) -> None:
        request = await desk.accept()
        await desk.claim(request)
        await _hand(desk, request, "human")
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == []
        desk.clock.pass_(31 * SECOND)
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == [(desk.ref(request), True)]

    async def test_a_suspect_that_will_only_be_told_needs_no_quarantine(self, desk: Desk) -> None:
        request = await desk.accept()
        await desk.claim(request)
        desk.clock.pass_(31 * SECOND)
        await _hand(desk, request, "human")
        assert (await desk.claim(request)).token.number == 2

    async def test_a_session_is_taken_and_closed_in_one_step(self, desk: Desk) -> None:
        request = await desk.accept()
        await desk.own.park(await desk.claim(request), 5 * MINUTE, "overloaded", asked=True)
        patch = SessionPatch(status="closed", handler="human", title="Done")
        changed = await desk.own.update_session(str(request.session_id), patch)
        assert (changed.status, changed.handler, changed.title) == ("closed", "human", "Done")
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == [(desk.ref(request), False)]

    async def test_a_reply_that_hands_off_leaves_the_session_to_a_person(self, desk: Desk) -> None:
        request = await desk.accept("Let me speak to a human")
        later = await desk.accept("Hello?", session_id=request.session_id)
        outcome = desk.answered(claim := await desk.claim(request), "Of course")
        assert outcome.result is not None
        result = outcome.result.model_copy(update={"handoff": "asked for a person"})
        ended = await desk.own.commit(claim, replace(outcome, result=result))
        again = await desk.own.commit(claim, replace(outcome, result=result))
        kept = await desk.own.request(request.request_id)
        rows = {row.type: row for row in await desk.due_rows(request)}
        assert rows.keys() == {"chat.reply.completed", "session.assigned"}
        assert (rows["session.assigned"].handler, rows["session.assigned"].by) == ("human", "agent")
        assert (ended.verdict, again.rows) == ("committed", ended.rows)
        assert kept.result is not None
        assert kept.result.handoff == "asked for a person"
        next_claim = await desk.claim(later)
        assert next_claim.session.handler == "human"
        assert (await desk.answer(next_claim)).verdict == "taken"


async def _hand(desk: Desk, request: NewRequest, handler: Handler) -> None:
    await desk.own.update_session(str(request.session_id), SessionPatch(handler=handler))
