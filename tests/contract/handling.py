"""Who handles a session, how it is found by its conversation, and what a hook's requests are kept with."""

from __future__ import annotations

from shared.ids import bucket_of
from shared.storage.types import NewSession, SessionPatch, hook_of
from tests.contract.store import HOUR, Desk

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
