"""Erasure: a customer is gone with all that was made of them, and nothing in flight brings it back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.errors import CustomerErasing, UnknownRequest, UnknownSession
from shared.ids import SessionRef, bucket_of
from shared.models import Provenance
from shared.storage.jobs import SummaryClaim, SummaryOutcome
from shared.storage.memory import EntryFacts, IndexPiece
from shared.storage.types import Claim, NewRequest, NewSession, NotClaimed, SessionPatch
from tests.contract.recall_index import memory_claim
from tests.contract.records import INVOICE
from tests.contract.store import HOUR, MEMORY_LIMITS, MINUTE, Desk

ANNA, BERT = "cust-anna-4711", "cust-bert"
CANARY = "CANARY"


async def begun(desk: Desk, customer: str = ANNA, conversation: str | None = None) -> SessionRef:
    """Begin a session."""
    session_id = desk.ids.session(bucket_of(desk.tenant, customer))
    await desk.own.create_session(session_id, NewSession(customer, conversation, metadata={"note": CANARY}))
    return SessionRef(desk.tenant, session_id)


async def talked(desk: Desk, customer: str = ANNA, conversation: str | None = None) -> tuple[SessionRef, NewRequest]:
    """Run a turn in a session of its own, and make of it all that can be made; return the session and the request."""
    ref = await begun(desk, customer, conversation)
    more = {"session_id": ref.session_id, "metadata": {"note": CANARY}, "attachments": (INVOICE,)}
    request = await desk.turn(CANARY, customer=customer, keyed=True, **more)
    await desk.own.record(ref.session_id, desk.message(CANARY, author=CANARY), backdated=False)
    for number in range(2):
        job = await memory_claim(desk, ref)
        await desk.own.put_pieces(job, [IndexPiece(ref.session_id, number, CANARY.encode())], 1)
        await desk.own.extract_memory(job, f"{CANARY}-{number}", CANARY, "note", said(desk, ref))
        made = SummaryOutcome(summary=CANARY, through=1, tokens=1, digest=CANARY, remembered=True)
        assert (await desk.own.end_summary(job, made)).verdict == "committed"
    await desk.own.update_session(ref.session_id, SessionPatch(status="closed", title=CANARY))
    return ref, request


async def remembered(desk: Desk, customer: str = ANNA) -> None:
    """Write entries, one of them twice, and delete one."""
    for value in (CANARY, f"{CANARY}!"):
        await desk.own.put_memory(customer, CANARY, value, "preference")
    await desk.own.put_memory(customer, f"{CANARY}-gone", CANARY, "note")
    await desk.own.delete_memory(customer, f"{CANARY}-gone")


async def erase(desk: Desk, customer: str = ANNA) -> None:
    """Erase a customer, however many calls it takes."""
    while await desk.own.erase_customer(customer):
        pass


async def left_of(desk: Desk, customer: str = ANNA) -> list[str]:
    """Return what in the store still speaks of a customer."""
    contents = await desk.inside.contents()
    return [word for word in (CANARY, customer) if word in contents]


def said(desk: Desk, ref: SessionRef) -> EntryFacts:
    """Return the facts of something said now."""
    where = Provenance(session_id=ref.session_id, seq=1, message_id="msg_1", role="user", quote=CANARY)
    return EntryFacts(said_at=datetime.fromtimestamp(desk.clock.ms / 1000, UTC), provenance=where)


async def running(desk: Desk) -> tuple[Claim, SummaryClaim]:
    """Return a turn that is being answered, and a job on its session."""
    claim = await desk.claim(await desk.accept(CANARY, ANNA, metadata={"note": CANARY}))
    return claim, await memory_claim(desk, claim.ref)


class ErasureContract:
    """The rules, for any store."""

    limits = MEMORY_LIMITS

    async def test_nothing_is_left_of_an_erased_customer(self, desk: Desk) -> None:
        ref, request = await talked(desk)
        _, open_ = await talked(desk, conversation=f"{CANARY}/1"), await desk.accept(CANARY, ANNA)
        await desk.own.record(str(open_.session_id), desk.message(CANARY), backdated=False)
        await remembered(desk)
        assert await left_of(desk) == [CANARY, ANNA]
        await erase(desk)
        assert await left_of(desk) == []
        assert (await desk.own.sessions(ANNA, 10, None)).items == ()
        assert (await desk.own.memories(ANNA, None, None, 10, None)).items == ()
        assert await desk.own.digests(ANNA, 10) == ()
        assert (await desk.own.index_changes(ANNA, None)).pieces == ()
        with pytest.raises(UnknownSession):
            await desk.own.session(ref.session_id)
        with pytest.raises(UnknownRequest):
            await desk.own.request(request.request_id)

    async def test_others_keep_what_is_theirs(self, desk: Desk) -> None:
        await talked(desk)
        ref, request = await talked(desk, BERT, "conv-1")
        await remembered(desk, BERT)
        theirs = desk.of("globex")
        other, _ = await talked(theirs)
        await erase(desk)
        assert (await desk.own.session(ref.session_id)).title == CANARY
        assert (await desk.own.request(request.request_id)).message == CANARY
        assert len((await desk.own.memories(BERT, None, None, 10, None)).items) == 3
        assert [each.session_id for each in await desk.own.digests(BERT, 10)] == [ref.session_id]
        assert len((await desk.own.index_changes(BERT, None)).pieces) == 2
        assert (await theirs.own.session(other.session_id)).customer_id == ANNA

    async def test_the_id_may_be_used_anew(self, desk: Desk) -> None:
        old, _ = await talked(desk, conversation="conv-1")
        await remembered(desk)
        await erase(desk)
        request = await desk.turn("Hello again", customer=ANNA, conversation_id="conv-1")
        assert request.session_id != old.session_id
        claim = await desk.claim(await desk.accept("And?", ANNA, session_id=request.session_id))
        assert (claim.memory, claim.digests, claim.index) == ((), (), None)
        assert [each.content for each in claim.history] == ["Hello again", "Re: Hello again"]
        await desk.own.put_memory(ANNA, "language", "German", "preference")
        assert await left_of(desk) == [ANNA]

    async def test_nothing_in_flight_brings_anything_back(self, desk: Desk) -> None:
        claim, job = await running(desk)
        await erase(desk)
        await desk.own.append_delta(claim, 0, CANARY)
        assert await desk.own.renew(claim) is None
        assert (await desk.answer(claim, CANARY)).verdict == "gone"
        assert not await desk.own.put_pieces(job, [IndexPiece(job.ref.session_id, 0, CANARY.encode())], 1)
        assert await desk.own.extract_memory(job, CANARY, CANARY, "note", said(desk, job.ref)) == "stale"
        assert (
            await desk.own.end_summary(job, SummaryOutcome(summary=CANARY, through=1, digest=CANARY))
        ).verdict == "gone"
        with pytest.raises(UnknownSession):
            await desk.own.record(claim.ref.session_id, desk.message(CANARY), backdated=False)
        assert await left_of(desk) == []

    async def test_open_requests_fail_as_deleted_and_say_not_whose_they_were(self, desk: Desk) -> None:
        claim, _ = await running(desk)
        waiting = await desk.accept(CANARY, ANNA, session_id=claim.ref.session_id)
        await erase(desk)
        for request_id in (claim.request.id, waiting.request_id):
            record = await desk.own.request(request_id)
            assert record.failure is not None
            assert (record.status, record.failure.type, record.message) == ("failed", "session-deleted", "")
            assert (record.customer_id, record.metadata) == ("", {})
        rows = await desk.due_rows(waiting)
        assert {(row.type, row.customer_id, str(row.metadata)) for row in rows} == {("chat.reply.failed", "", "{}")}
        assert {row.request_id for row in rows} == {claim.request.id, waiting.request_id}
        desk.clock.pass_(HOUR)
        assert await desk.store.overdue(claim.ref.bucket, 10) == []
        assert await desk.store.due_summaries(claim.ref.bucket, 10) == []

    async def test_outcomes_are_announced_without_their_customer_and_all_else_is_not(self, desk: Desk) -> None:
        _, request = await talked(desk)
        await erase(desk)
        (row,) = await desk.due_rows(request)
        assert (row.type, row.request_id, row.customer_id) == ("chat.reply.completed", request.request_id, "")

    async def test_a_request_of_a_session_deleted_before_says_not_whose_it_was_either(self, desk: Desk) -> None:
        request = await desk.accept(CANARY, ANNA, metadata={"note": CANARY}, attachments=(INVOICE,))
        await desk.own.delete_session(str(request.session_id))
        await erase(desk)
        assert await left_of(desk) == []
        assert (await desk.own.request(request.request_id)).status == "failed"

    async def test_a_retry_by_its_idempotency_key_finds_that_it_was_accepted_and_runs_nothing(self, desk: Desk) -> None:
        new = desk.new(CANARY, ANNA, keyed=True)
        session = await desk.own.accept(new, desk.ids.session(bucket_of(desk.tenant, ANNA)))
        await erase(desk)
        assert await desk.own.accept(new, desk.ids.session(bucket_of(desk.tenant, ANNA))) == session
        assert (await desk.own.sessions(ANNA, 10, None)).items == ()
        assert await left_of(desk) == []

    async def test_erasing_is_safe_to_ask_again_and_of_nobody(self, desk: Desk) -> None:
        assert not await desk.own.erase_customer("nobody")
        await talked(desk)
        await erase(desk)
        assert not await desk.own.erase_customer(ANNA)

    async def test_until_it_is_done_the_id_takes_nothing_and_shows_nothing(self, desk: Desk) -> None:
        refs = [(await talked(desk))[0] for _ in range(12)]
        await remembered(desk)
        claim, job = await running(desk)
        assert await desk.own.erase_customer(ANNA), "so many sessions are more than one step removes"
        with pytest.raises(CustomerErasing):
            await desk.accept("Hello?", ANNA)
        with pytest.raises(CustomerErasing):
            await begun(desk)
        with pytest.raises(CustomerErasing):
            await desk.own.put_memory(ANNA, "language", "German", "preference")
        for ref in refs:
            with pytest.raises(UnknownSession):
                await desk.accept("Hello?", ANNA, session_id=ref.session_id)
            with pytest.raises(UnknownSession):
                await desk.own.messages(ref.session_id, 10, 0)
            with pytest.raises(UnknownSession):
                await desk.own.session(ref.session_id)
            with pytest.raises(UnknownSession):
                await desk.own.summaries(ref.session_id)
        assert await desk.own.turns(ANNA, [(ref.session_id, 1) for ref in refs], 100) == []
        assert (await desk.own.sessions(ANNA, 20, None)).items == ()
        assert (await desk.own.memories(ANNA, None, None, 10, None)).items == ()
        assert (await desk.answer(claim, CANARY)).verdict == "gone"
        assert await desk.look(NewRequest(claim.request.id, ANNA, "", claim.ref.session_id)) == NotClaimed("gone")
        assert await desk.own.extract_memory(job, CANARY, CANARY, "note", said(desk, job.ref)) == "stale"
        await erase(desk)
        assert await left_of(desk) == []

    async def test_the_sweep_goes_on_with_what_was_cut_off(self, desk: Desk) -> None:
        for _ in range(12):
            await talked(desk)
        assert await desk.own.erase_customer(ANNA)
        desk.clock.pass_(MINUTE)
        bucket = bucket_of(desk.tenant, ANNA)
        while await desk.store.sweep(bucket, 100):
            pass
        assert await left_of(desk) == []
        assert (await desk.turn("Hello again", customer=ANNA)).session_id is not None

    async def test_a_lost_answer_changes_nothing(self, desk: Desk) -> None:
        await talked(desk)
        desk.inside.lose_the_next_answer("erase_customer")
        await erase(desk)
        assert await left_of(desk) == []
