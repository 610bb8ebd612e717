"""Merging: an anonymous visitor turns out to be a known customer, and all that was theirs is that one's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from shared.clock import from_ms
from shared.errors import (
    CustomerErasing,
    CustomerMerged,
    MergeRefused,
    SessionClosed,
    UnknownCustomer,
    UnknownMemory,
    UnknownRequest,
    UnknownSession,
)
from shared.ids import SessionRef, bucket_of
from shared.models import Provenance
from shared.storage.deliveries import DeliveryFacts
from shared.storage.jobs import SummaryOutcome
from shared.storage.memory import EntryFacts, IndexPiece
from shared.storage.types import OF_TENANT, Claim, NewRequest, NewSession, NotClaimed, SessionPatch
from tests.contract.erasure import erase
from tests.contract.recall_index import memory_claim
from tests.contract.store import HOUR, MEMORY_LIMITS, MINUTE, Cut, Desk

ANON, MARIA, OTHER = "anon-4711", "maria", "cust-other"
RETENTION_MS = MEMORY_LIMITS.memory_retention_ms + 2 * 24 * HOUR


def beside(desk: Desk, customer: str) -> str:
    """Return a customer who lies in the same bucket as another."""
    names = (f"anon-{number}" for number in range(100_000))
    return next(name for name in names if bucket_of(desk.tenant, name) == bucket_of(desk.tenant, customer))


async def merge(desk: Desk, source: str = ANON, into: str = MARIA) -> None:
    """Merge two customers, however many calls it takes."""
    while await desk.own.merge_customer(source, into):
        pass


async def visited(desk: Desk, customer: str = ANON, conversation: str | None = "chat-1") -> NewRequest:
    """Run a turn in a conversation, and make of it what jobs make."""
    asked = await desk.turn("My order is A-1234", customer=customer, conversation_id=conversation)
    ref = desk.ref(asked)
    job = await memory_claim(desk, ref)
    pieces = [IndexPiece(ref.session_id, number, value) for number, value in enumerate((b"piece", b""))]
    assert await desk.own.put_pieces(job, pieces, 2)
    assert await desk.own.extract_memory(job, "order", "A-1234", "note", said(desk, ref)) == "created"
    made = SummaryOutcome(summary="She told her order.", through=2, tokens=20, digest="Order A-1234.", read=2)
    assert (await desk.own.end_summary(job, made)).verdict == "committed"
    return asked


def said(desk: Desk, ref: SessionRef, ago: int = 0) -> EntryFacts:
    """Return the facts of something said in a session's first message."""
    where = Provenance(session_id=ref.session_id, seq=1, message_id="msg_1", role="user", quote="A-1234")
    return EntryFacts(said_at=from_ms(desk.clock.ms - ago), provenance=where)


async def ids(desk: Desk, customer: str = MARIA) -> list[str]:
    """Return the ids of a customer's sessions, newest first."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await desk.own.sessions(customer, 2, cursor)
        found += [session.id for session in page.items]
        cursor = page.cursor
        if cursor is None:
            return found


async def known(desk: Desk, customer: str = MARIA) -> dict[str, tuple[object, list[object]]]:
    """Return a customer's entries with their earlier values, by key."""
    page = await desk.own.memories(customer, None, None, 50, None)
    return {entry.key: (entry.value, [past.value for past in entry.history]) for entry in page.items}


class MergingContract:
    """The rules, for any store."""

    limits = MEMORY_LIMITS
    cut_every = 1  # commands
    stand_every = 1

    async def test_all_that_is_kept_of_one_is_the_others(self, desk: Desk) -> None:
        asked = await visited(desk)
        desk.clock.pass_(1)
        hers = await desk.turn("Hello, Maria here", customer=MARIA)
        await desk.own.put_memory(ANON, "language", "German", "preference")
        before = await desk.own.session(str(asked.session_id))
        summaries = await desk.own.summaries(str(asked.session_id))
        await merge(desk)
        assert await ids(desk) == [hers.session_id, asked.session_id]
        assert await desk.own.session(str(asked.session_id)) == before.model_copy(update={"customer_id": MARIA})
        assert await desk.transcript(asked) == ["My order is A-1234", "Re: My order is A-1234"]
        assert await desk.own.summaries(str(asked.session_id)) == summaries
        assert (await desk.own.request(asked.request_id)).result is not None
        assert await known(desk) == {"order": ("A-1234", []), "language": ("German", [])}
        assert [each.value for each in await desk.own.digests(MARIA, 5)] == ["Order A-1234."]
        pieces = (await desk.own.index_changes(MARIA, None)).pieces
        assert {(each.session_id, each.number, each.value) for each in pieces} == {
            (asked.session_id, 0, b"piece"),
            (asked.session_id, 1, b""),
        }
        [(_, message)] = await desk.own.turns(MARIA, [(str(asked.session_id), 1)], 100)
        assert message.content == "My order is A-1234"

    async def test_the_next_turn_is_given_what_the_visitor_told(self, desk: Desk) -> None:
        asked = await visited(desk)
        await merge(desk)
        claim = await desk.claim(await desk.accept("Hello again", MARIA))
        assert [entry.value for entry in claim.memory] == ["A-1234"]
        assert [each.session_id for each in claim.digests] == [asked.session_id]
        assert claim.index is not None

    @pytest.mark.parametrize("by", ["conversation", "session"])
    @pytest.mark.parametrize("customer", [ANON, MARIA])
    async def test_the_open_conversation_goes_on(self, desk: Desk, customer: str, by: str) -> None:
        asked = await visited(desk)
        await merge(desk)
        named = {"conversation_id": "chat-1"} if by == "conversation" else {"session_id": asked.session_id}
        again = await desk.accept("And now?", customer, **named)
        assert again.session_id == asked.session_id
        claim = await desk.claim(again)
        assert claim.session.customer_id == MARIA
        assert len(claim.history) == 2
        assert (await desk.answer(claim, "Soon.")).verdict == "committed"
        result = (await desk.own.request(again.request_id)).result
        assert result is not None
        assert result.reply == "Soon."

    async def test_the_old_id_stands_for_the_other(self, desk: Desk) -> None:
        asked = await visited(desk)
        await merge(desk)
        begun = await desk.own.create_session(
            desk.ids.session(bucket_of(desk.tenant, ANON)), NewSession(ANON, "chat-2")
        )
        assert begun.customer_id == MARIA
        assert (await desk.own.session(begun.id)).id == begun.id
        new = await desk.accept("Hello", ANON)
        assert (await desk.own.session(str(new.session_id))).customer_id == MARIA
        await desk.own.put_memory(ANON, "language", "German", "preference")
        assert set(await ids(desk, ANON)) == {asked.session_id, begun.id, new.session_id}
        assert await known(desk, ANON) == await known(desk) == {"order": ("A-1234", []), "language": ("German", [])}
        assert await desk.own.digests(ANON, 5) == await desk.own.digests(MARIA, 5) != ()
        assert await desk.own.index_changes(ANON, None) == await desk.own.index_changes(MARIA, None)
        assert await desk.own.turns(ANON, [(str(asked.session_id), 1)], 100)
        await desk.own.delete_memory(ANON, "language")
        with pytest.raises(UnknownMemory):
            await desk.own.delete_memory(MARIA, "language")

    async def test_a_retry_of_what_was_accepted_before_finds_it(self, desk: Desk) -> None:
        new = desk.new("My order is A-1", ANON, conversation_id="chat-1")
        session = await desk.own.accept(new, desk.ids.session(bucket_of(desk.tenant, ANON)))
        await merge(desk)
        assert await desk.own.accept(new, desk.ids.session(bucket_of(desk.tenant, ANON))) == session
        assert (await desk.own.session(session)).open_requests == 1

    async def test_what_is_open_is_answered_once_and_in_order(self, desk: Desk) -> None:
        first = await desk.accept("one", ANON, conversation_id="chat-1")
        running = await desk.claim(first)
        second = await desk.accept("two", ANON, conversation_id="chat-1")
        await desk.own.record(str(first.session_id), desk.message("by hand", role="assistant"), backdated=False)
        await merge(desk)
        assert await desk.look(second) == NotClaimed("busy")
        assert await desk.own.renew(running) is not None
        ended = await desk.answer(running, "Re: one")
        assert (ended.verdict, ended.more) == ("committed", True)
        assert (await desk.answer(running, "Re: one")).verdict == "committed"
        await desk.answer(await desk.claim(second), "Re: two")
        assert await desk.transcript(first) == ["one", "Re: one", "two", "Re: two", "by hand"]
        for request in (first, second):
            assert (await desk.own.request(request.request_id)).status == "succeeded"
        assert await desk.look(first) == NotClaimed("idle")

    async def test_a_lost_wake_is_made_good(self, desk: Desk) -> None:
        waiting = await desk.accept("one", ANON)
        await merge(desk)
        desk.clock.pass_(MINUTE)
        found = [each for bucket in await desk.store.active_buckets() for each in await desk.store.overdue(bucket, 10)]
        assert found == [(desk.ref(waiting), False)]
        claim = await desk.own.claim(found[0][0], desk.ids.ulid(), 4000, quarantine=False)
        assert isinstance(claim, Claim)

    async def test_a_parked_request_keeps_its_time(self, desk: Desk) -> None:
        waiting = await desk.accept("one", ANON)
        assert await desk.own.park(await desk.claim(waiting), MINUTE, "rate-limited", asked=True)
        await merge(desk)
        assert await desk.look(waiting) == NotClaimed("parked")
        desk.clock.pass_(MINUTE)
        assert (await desk.claim(waiting)).request.attempts == 1

    async def test_a_job_under_way_writes_nothing_beside_the_customer(self, desk: Desk) -> None:
        asked = await desk.turn("My order is A-1234", customer=ANON)
        job = await memory_claim(desk, desk.ref(asked))
        await merge(desk)
        await desk.own.extract_memory(job, "order", "A-1234", "note", said(desk, job.ref))
        await desk.own.put_pieces(job, [IndexPiece(job.ref.session_id, 0, b"piece")], 2)
        await desk.own.end_summary(job, SummaryOutcome(digest="Order A-1234.", read=2))
        desk.clock.pass_(MEMORY_LIMITS.summary_lease_ms)
        again = await memory_claim(desk, desk.ref(asked))
        assert again.session.customer_id == MARIA
        found = await desk.own.extract_memory(again, "order", "A-1234", "note", said(desk, job.ref))
        assert found in {"created", "same"}
        assert await known(desk) == {"order": ("A-1234", [])}

    async def test_what_is_newer_at_its_source_stands_and_both_are_kept(self, desk: Desk) -> None:
        await desk.own.put_memory(MARIA, "city", "Rome", "note")
        await desk.own.put_memory(ANON, "plan", "free", "note")
        desk.clock.pass_(HOUR)
        await desk.own.put_memory(ANON, "city", "Oslo", "note")
        await desk.own.put_memory(MARIA, "plan", "basic", "note")
        desk.clock.pass_(HOUR)
        await desk.own.put_memory(ANON, "city", "Bonn", "note")
        await desk.own.put_memory(MARIA, "plan", "pro", "note")
        for customer in (ANON, MARIA):
            await desk.own.put_memory(customer, "same", 1, "note")
        await merge(desk)
        assert await known(desk) == {
            "city": ("Bonn", ["Oslo", "Rome"]),
            "plan": ("pro", ["basic", "free"]),
            "same": (1, []),
        }
        # And it goes on from there.
        await desk.own.put_memory(MARIA, "city", "Paris", "note")
        assert (await known(desk))["city"] == ("Paris", ["Bonn", "Oslo", "Rome"])

    async def test_what_was_deleted_since_does_not_come_back(self, desk: Desk) -> None:
        await desk.own.put_memory(ANON, "city", "Bonn", "note")
        await desk.own.put_memory(ANON, "plan", "pro", "note")
        desk.clock.pass_(HOUR)
        await desk.own.put_memory(MARIA, "city", "Rome", "note")
        await desk.own.delete_memory(MARIA, "city")
        await desk.own.delete_memory(ANON, "plan")
        asked = await desk.turn("I am on the pro plan", customer=ANON)
        await merge(desk)
        assert await known(desk) == {}
        job = await memory_claim(desk, desk.ref(asked))
        assert await desk.own.extract_memory(job, "plan", "pro", "note", said(desk, job.ref, HOUR // 2)) == "older"

    async def test_nothing_that_a_person_wrote_gives_way(self, desk: Desk) -> None:
        most = MEMORY_LIMITS.memory_max_entries
        asked = await visited(desk)
        for number in range(most - 1):
            await desk.own.put_memory(ANON, f"anon-{number}", number, "note")
            await desk.own.put_memory(MARIA, f"maria-{number}", number, "note")
        await merge(desk)
        entries = await known(desk)
        assert len(entries) == 2 * (most - 1), "the extracted one gave way, and no other"
        await desk.own.delete_session(str(asked.session_id))
        assert await known(desk) == entries

    async def test_a_conversation_the_other_has_open_stays_where_it_is(self, desk: Desk) -> None:
        hers = await desk.turn("Maria here", customer=MARIA, conversation_id="chat-1")
        asked = await visited(desk)
        await merge(desk)
        assert (await desk.accept("Which?", MARIA, conversation_id="chat-1")).session_id == hers.session_id
        assert (await desk.accept("This", MARIA, session_id=asked.session_id)).session_id == asked.session_id

    async def test_a_conversation_that_is_over_gives_way(self, desk: Desk) -> None:
        hers = await desk.turn("Maria here", customer=MARIA, conversation_id="chat-1")
        await desk.own.update_session(str(hers.session_id), SessionPatch(status="closed"))
        asked = await visited(desk)
        await merge(desk)
        assert (await desk.accept("Which?", MARIA, conversation_id="chat-1")).session_id == asked.session_id

    async def test_a_moved_session_is_closed_and_deleted_like_any_other(self, desk: Desk) -> None:
        asked = await visited(desk)
        await merge(desk)
        closed = await desk.own.update_session(str(asked.session_id), SessionPatch(status="closed", title="Order"))
        assert (closed.status, closed.title) == ("closed", "Order")
        with pytest.raises(SessionClosed):
            await desk.accept("Hello?", MARIA, session_id=asked.session_id)
        assert (await desk.own.redact(str(asked.session_id), 1)).redacted
        assert await known(desk) == {}
        await desk.own.delete_session(str(asked.session_id))
        for customer in (ANON, MARIA):
            assert await ids(desk, customer) == []
        with pytest.raises(UnknownSession):
            await desk.own.session(str(asked.session_id))
        with pytest.raises(UnknownRequest):
            await desk.own.request(asked.request_id)
        assert (await desk.own.index_changes(MARIA, None)).pieces == ()
        assert await desk.own.digests(MARIA, 5) == ()

    async def test_an_open_request_of_a_moved_session_fails_when_that_is_deleted(self, desk: Desk) -> None:
        waiting = await desk.accept("one", ANON)
        await merge(desk)
        await desk.own.delete_session(str(waiting.session_id))
        failure = (await desk.own.request(waiting.request_id)).failure
        assert failure is not None
        assert failure.type == "session-deleted"

    async def test_a_callback_to_come_is_found(self, desk: Desk) -> None:
        asked = await desk.turn("Call me", customer=ANON, callback=OF_TENANT)
        now = datetime.fromtimestamp(desk.clock.ms / 1000, UTC)
        facts = DeliveryFacts(status="pending", created_at=now, due_at=now + timedelta(seconds=1))
        assert await desk.own.put_delivery(asked.request_id, "{}", 0, facts)
        await merge(desk)
        desk.clock.pass_(MINUTE)
        buckets = await desk.store.active_buckets()
        due = [each for bucket in buckets for each in await desk.store.due_deliveries(bucket, 10)]
        assert [each.request_id for each in due] == [asked.request_id]
        kept = await desk.own.delivery(asked.request_id)
        assert kept is not None
        assert await desk.own.put_delivery(asked.request_id, "{}", kept.version, facts)

    async def test_a_listener_hears_a_reply_that_begins_after_it(self, desk: Desk) -> None:
        waiting = await desk.accept("one", ANON)
        await merge(desk)
        await desk.own.listen(waiting.request_id)
        claim = await desk.claim(waiting)
        assert claim.listening
        await desk.own.append_delta(claim, 0, "Hel")
        heard = await desk.own.read_deltas(waiting.request_id, 0, 0)
        assert (heard.token, heard.text) == (claim.token.number, "Hel")

    async def test_it_is_announced_once(self, desk: Desk) -> None:
        await visited(desk)
        await merge(desk)
        await merge(desk)
        desk.clock.pass_(MINUTE)
        buckets = await desk.store.active_buckets()
        rows = [row for bucket in buckets for row in await desk.store.take_rows(bucket, 100)]
        [told] = [row for row in rows if row.type == "customer.merged"]
        assert (told.customer_id, told.merged, told.tenant) == (MARIA, ANON, desk.tenant)

    async def test_one_of_the_same_bucket_is_merged_too(self, desk: Desk) -> None:
        neighbour = beside(desk, MARIA)
        asked = await visited(desk, neighbour)
        waiting = await desk.accept("open", neighbour, conversation_id="chat-1")
        await merge(desk, neighbour)
        assert await ids(desk) == await ids(desk, neighbour) == [asked.session_id]
        assert await known(desk) == {"order": ("A-1234", [])}
        assert len((await desk.own.index_changes(MARIA, None)).pieces) == 2
        assert (await desk.answer(await desk.claim(waiting))).verdict == "committed"
        assert (await desk.accept("More", MARIA, conversation_id="chat-1")).session_id == asked.session_id

    async def test_chains_lead_to_the_last(self, desk: Desk) -> None:
        asked = await visited(desk)
        await desk.turn("Hello", customer=OTHER)
        await merge(desk, ANON, OTHER)
        await merge(desk, OTHER, MARIA)
        for customer in (ANON, OTHER, MARIA):
            assert len(await ids(desk, customer)) == 2
            again = await desk.accept("And now?", customer, conversation_id="chat-1")
            assert again.session_id == asked.session_id
            await desk.answer(await desk.claim(again))
        assert await known(desk, ANON) == {"order": ("A-1234", [])}

    async def test_into_one_who_was_merged_is_into_the_other(self, desk: Desk) -> None:
        await desk.turn("Hello", customer=OTHER)
        await merge(desk, OTHER, MARIA)
        asked = await visited(desk)
        await merge(desk, ANON, OTHER)
        assert asked.session_id in await ids(desk)

    async def test_what_cannot_be_is_refused(self, desk: Desk) -> None:
        await visited(desk)
        with pytest.raises(MergeRefused):
            await desk.own.merge_customer(ANON, ANON)
        with pytest.raises(UnknownCustomer):
            await desk.own.merge_customer("nobody", MARIA)
        await merge(desk)
        with pytest.raises(MergeRefused):
            await desk.own.merge_customer(MARIA, ANON)
        await desk.turn("Hello", customer=OTHER)
        with pytest.raises(CustomerMerged):
            await desk.own.merge_customer(ANON, OTHER)
        assert not await desk.own.merge_customer(ANON, MARIA)
        with pytest.raises(CustomerMerged):
            await desk.own.erase_customer(ANON)

    async def test_who_is_being_erased_is_not_merged(self, desk: Desk) -> None:
        for customer in (ANON, MARIA):
            for _ in range(12):
                await desk.turn("Hello", customer=customer)
        assert await desk.own.erase_customer(ANON)
        with pytest.raises(CustomerErasing):
            await desk.own.merge_customer(ANON, MARIA)
        await erase(desk, ANON)
        assert await desk.own.erase_customer(MARIA)
        await desk.turn("Hello", customer=ANON)
        with pytest.raises(CustomerErasing):
            await desk.own.merge_customer(ANON, MARIA)
        await erase(desk, MARIA)
        await merge(desk)

    async def test_who_was_merged_is_erased_with_the_other(self, desk: Desk) -> None:
        asked = await visited(desk)
        await desk.turn("Hello", customer=OTHER)
        await merge(desk, OTHER, ANON)
        await merge(desk)
        waiting = await desk.accept("open", ANON, conversation_id="chat-1")
        await erase(desk, MARIA)
        contents = await desk.inside.contents()
        assert [word for word in (ANON, MARIA, OTHER, "A-1234") if word in contents] == []
        assert (await desk.own.request(waiting.request_id)).status == "failed"
        with pytest.raises(UnknownSession):
            await desk.own.session(str(asked.session_id))
        assert await ids(desk, ANON) == []
        assert (await desk.turn("Hello, I am new", customer=ANON)).session_id

    async def test_another_tenants_customers_are_not_touched(self, desk: Desk) -> None:
        theirs = desk.of("globex")
        asked = await visited(theirs)
        await visited(desk)
        await merge(desk)
        assert await ids(theirs, ANON) == [asked.session_id]
        assert await ids(theirs, MARIA) == []
        with pytest.raises(UnknownSession):
            await theirs.accept("Mine?", MARIA, session_id=asked.session_id)
        with pytest.raises(UnknownCustomer):
            await desk.of("initech").own.merge_customer(ANON, MARIA)

    async def test_many_sessions_go_in_steps_and_the_sweep_goes_on(self, desk: Desk) -> None:
        asked = [(await desk.turn(f"Hello {number}", customer=ANON)).session_id for number in range(23)]
        assert await desk.own.merge_customer(ANON, MARIA)
        new = await desk.accept("Hello", ANON)
        desk.clock.pass_(MINUTE)
        for _ in range(5):
            for customer in (ANON, MARIA):
                await desk.store.sweep(bucket_of(desk.tenant, customer), 100)
        assert sorted(await ids(desk)) == sorted([*map(str, asked), str(new.session_id)])
        assert not await desk.own.merge_customer(ANON, MARIA)

    @pytest.mark.parametrize("neighbours", [False, True])
    async def test_turns_go_on_while_two_merge_at_once(self, desk: Desk, *, neighbours: bool) -> None:
        source = beside(desk, MARIA) if neighbours else ANON
        started = [await desk.turn("begin", customer=source, conversation_id=f"chat-{at}") for at in range(3)]
        for at in range(9):
            await desk.turn("more to move", customer=source, conversation_id=f"other-{at}")
            await desk.own.put_memory(source, f"key-{at % 4}", at, "note")

        async def talk(at: int) -> list[str]:
            told = []
            for turn in range(6):
                by = {"conversation_id": f"chat-{at}"} if turn % 2 else {"session_id": started[at].session_id}
                request = await desk.accept(f"{at}.{turn}", source, **by)
                assert request.session_id == started[at].session_id
                claim = await desk.claim(request)
                await desk.own.renew(claim)
                assert (await desk.answer(claim)).verdict == "committed"
                told.append(request.request_id)
            return told

        *told, _, _ = await asyncio.gather(*(talk(at) for at in range(3)), merge(desk, source), merge(desk, source))
        for at, requests in enumerate(cast("list[list[str]]", told)):
            said = [text for text in await desk.transcript(started[at]) if not text.startswith("Hi")]
            assert said == ["begin", "Re: begin", *(f"{at}.{turn}" for turn in range(6))]
            for request_id in requests:
                assert (await desk.own.request(request_id)).status == "succeeded"
        assert len(await ids(desk)) == 12
        assert {key: value for key, (value, _) in (await known(desk)).items()} == {
            "key-0": 8,
            "key-1": 5,
            "key-2": 6,
            "key-3": 7,
        }

    @pytest.mark.timeout(600)
    @pytest.mark.parametrize("neighbours", [False, True])
    async def test_cut_off_anywhere_and_gone_on_with_it_comes_to_the_same(
        self, desk: Desk, *, neighbours: bool
    ) -> None:
        source = beside(desk, MARIA) if neighbours else ANON
        cut, after = True, 0
        expected = None
        while cut:
            asked = await visited(desk, source)
            waiting = await desk.accept("open", source, conversation_id="chat-1")
            await desk.own.put_memory(source, "city", "Bonn", "note")
            await desk.turn("Hello", customer=MARIA)
            await desk.own.put_memory(MARIA, "city", "Rome", "note")
            cut = await self._cut(desk, source, after)
            # Whoever asks meanwhile finds the session, and changes it.
            again = await desk.accept("meanwhile", source, session_id=asked.session_id)
            assert again.session_id == asked.session_id
            assert (await desk.own.session(str(asked.session_id))).open_requests == 2
            await merge(desk, source)
            found = [await desk.transcript(asked), await known(desk), len(await ids(desk))]
            found.append(len((await desk.own.index_changes(MARIA, None)).pieces))
            found += [(await desk.own.request(each.request_id)).status for each in (waiting, again)]
            found.append([each.value for each in await desk.own.digests(MARIA, 9)])
            expected = expected or found
            assert found == expected, f"cut off after {after} commands"
            for each in (waiting, again):
                await desk.answer(await desk.claim(each))
            await erase(desk, MARIA)
            assert "A-1234" not in await desk.inside.contents(), f"cut off after {after} commands"
            after += self.cut_every
        assert after > 10, "there were steps to be cut"

    @pytest.mark.timeout(600)
    async def test_cut_off_anywhere_and_erased_then_nothing_is_left(self, desk: Desk) -> None:
        cut, after = True, 0
        while cut:
            await visited(desk)
            waiting = await desk.accept("open", ANON, conversation_id="chat-1")
            cut = await self._cut(desk, ANON, after)
            await erase(desk, MARIA)
            if await ids(desk, ANON):  # it had not begun
                await erase(desk, ANON)
            contents = await desk.inside.contents()
            left = [word for word in (ANON, MARIA, "A-1234") if word in contents]
            assert left == [], f"cut off after {after} commands"
            assert (await desk.own.request(waiting.request_id)).status == "failed", after
            after += self.cut_every

    @pytest.mark.timeout(600)
    async def test_who_stood_still_while_the_other_was_erased_leaves_nothing(self, desk: Desk) -> None:
        stood, after = [True], 0

        async def meanwhile() -> None:
            stood.append(True)
            await erase(desk, MARIA)

        while stood:
            await visited(desk)
            await desk.turn("Hello", customer=MARIA)
            stood.clear()
            await self._cut(desk, ANON, after, meanwhile)
            if await ids(desk, ANON):  # it had not begun, or begins anew
                await merge(desk)
                await erase(desk, MARIA)
            elif not stood:
                await erase(desk, MARIA)
            contents = await desk.inside.contents()
            left = [word for word in (ANON, MARIA, "A-1234") if word in contents]
            assert left == [], f"stood still after {after} commands"
            after += self.stand_every

    @pytest.mark.timeout(600)
    async def test_what_is_redacted_on_its_way_is_in_no_index(self, desk: Desk) -> None:
        cut, after = True, 0
        while cut:
            asked = await visited(desk)
            cut = await self._cut(desk, ANON, after)
            await desk.own.redact(str(asked.session_id), 1)
            await merge(desk)
            assert (await desk.own.index_changes(MARIA, None)).pieces == (), f"cut off after {after} commands"
            await erase(desk, MARIA)
            after += self.cut_every

    @pytest.mark.timeout(600)
    async def test_a_session_that_is_deleted_on_its_way_leaves_nothing(self, desk: Desk) -> None:
        cut, after = True, 0
        while cut:
            asked = await visited(desk)
            await desk.turn("Hello", customer=MARIA)
            cut = await self._cut(desk, ANON, after)
            await desk.own.delete_session(str(asked.session_id))
            again = await desk.accept("Is anybody there?", MARIA, conversation_id="chat-1")
            assert again.session_id != asked.session_id, f"cut off after {after} commands"
            with suppress(UnknownCustomer):  # it had not begun
                await merge(desk)
            assert "A-1234" not in await desk.inside.contents(), f"cut off after {after} commands"
            with pytest.raises(UnknownSession):
                await desk.own.session(str(asked.session_id))
            await erase(desk, MARIA)
            assert MARIA not in await desk.inside.contents(), f"cut off after {after} commands"
            after += self.cut_every

    async def test_what_comes_back_to_where_it_began_leads_nowhere_else(self, desk: Desk) -> None:
        asked = await visited(desk)
        await desk.turn("Hello", customer=MARIA)
        back = beside(desk, ANON)
        await desk.turn("Hello", customer=back)
        await merge(desk)
        await merge(desk, MARIA, back)
        assert (await desk.own.session(str(asked.session_id))).customer_id == back
        await desk.own.delete_session(str(asked.session_id))
        with pytest.raises(UnknownSession):
            await desk.own.session(str(asked.session_id))
        with pytest.raises(UnknownRequest):
            await desk.own.request(asked.request_id)

    async def test_an_id_that_leads_nowhere_any_more_is_merged_again(self, desk: Desk) -> None:
        again = await self._named_again_after_long(desk)
        await merge(desk)
        assert (await desk.own.session(str(again.session_id))).customer_id == MARIA
        assert again.session_id in await ids(desk)

    async def test_an_id_that_is_somebody_elses_by_now_is_not_erased_along(self, desk: Desk) -> None:
        again = await self._named_again_after_long(desk)
        owner = (await desk.own.session(str(again.session_id))).customer_id
        await erase(desk, MARIA)
        assert await ids(desk, ANON) == ([again.session_id] if owner == ANON else [])

    async def test_an_erased_customer_of_whom_only_entries_were_written_since_is_led_to_by_nobody(
        self, desk: Desk
    ) -> None:
        await visited(desk)
        await desk.turn("Hello", customer=MARIA)
        await merge(desk)
        for _ in range(3):
            await desk.inside.age(RETENTION_MS // 2)
            await desk.own.put_memory(ANON, "city", "Rome", "note")
        await erase(desk, MARIA)
        assert MARIA not in await desk.inside.contents()

    async def test_an_id_that_was_only_read_by_leads_to_nobody_who_was_erased(self, desk: Desk) -> None:
        await visited(desk)
        await desk.turn("Hello", customer=MARIA)
        await merge(desk)
        for _ in range(3):
            await desk.inside.age(RETENTION_MS // 2)
            await ids(desk, ANON)
        await desk.turn("Hello again", customer=MARIA)
        await erase(desk, MARIA)
        assert MARIA not in await desk.inside.contents()

    async def _named_again_after_long(self, desk: Desk) -> NewRequest:
        """Merge; and name the old id again when only the other was heard of for longer than all is kept."""
        await visited(desk)
        await desk.turn("Hello", customer=MARIA)
        await merge(desk)
        for _ in range(3):
            await desk.inside.age(RETENTION_MS // 2)
            await desk.turn("Hello again", customer=MARIA)
        return await desk.turn("Hello", customer=ANON)

    @pytest.mark.timeout(600)
    async def test_a_merge_that_never_began_is_forgotten(self, desk: Desk) -> None:
        unbegun = 0
        for after in range(0, 8, self.cut_every):
            asked = await visited(desk)
            await desk.turn("Hello", customer=MARIA)
            await self._cut(desk, ANON, after)
            desk.clock.pass_(3 * HOUR)
            for customer in (ANON, MARIA):
                for _ in range(20):
                    await desk.store.sweep(bucket_of(desk.tenant, customer), 100)
            begun = (await desk.own.session(str(asked.session_id))).customer_id == MARIA
            unbegun += not begun
            await desk.turn("Hello", customer=OTHER)
            await merge(desk, MARIA, OTHER)
            await erase(desk, OTHER)
            assert await ids(desk, ANON) == ([] if begun else [asked.session_id]), f"cut off after {after} commands"
            if not begun:
                await erase(desk, ANON)
        assert unbegun > 0

    @pytest.mark.timeout(600)
    async def test_a_conversation_is_found_wherever_its_session_is(self, desk: Desk) -> None:
        cut, after = True, 0
        while cut:
            asked = await visited(desk)
            await desk.turn("Hello", customer=MARIA)
            cut = await self._cut(desk, ANON, after)
            bound = await desk.own.bound_session(ANON, "chat-1")
            assert bound is not None, f"cut off after {after} commands"
            assert bound.id == asked.session_id
            await merge(desk)
            await erase(desk, MARIA)
            after += self.cut_every

    async def _cut(
        self, desk: Desk, source: str, after: int, meanwhile: Callable[[], Awaitable[object]] | None = None
    ) -> bool:
        """Merge until so many commands were sent; return whether it was cut off."""
        desk.inside.cut_after(after, meanwhile)
        try:
            await merge(desk, source)
        except (Cut, CustomerErasing):
            return True
        finally:
            desk.inside.cut_after(None)
            desk.clock.pass_(MINUTE)  # and with it the lease of whoever died
        return False


class MergingForEverContract:
    """The rules where nothing ever ends, for any store."""

    limits = replace(MEMORY_LIMITS, memory_retention_ms=0)

    async def test_an_old_id_leads_on_for_ever_and_until_what_it_leads_to_goes(self, desk: Desk) -> None:
        asked, gone = await visited(desk), await desk.turn("Hello", customer=ANON, conversation_id="chat-2")
        await merge(desk)
        for _ in range(3):
            desk.clock.pass_(RETENTION_MS)
            await desk.inside.age(RETENTION_MS)
        assert set(await ids(desk, ANON)) == {asked.session_id, gone.session_id}
        assert await desk.transcript(asked) == ["My order is A-1234", "Re: My order is A-1234"]
        again = await desk.turn("And now?", customer=ANON)
        assert (await desk.own.session(str(again.session_id))).customer_id == MARIA
        await desk.own.delete_session(str(gone.session_id))
        await erase(desk, MARIA)
        desk.clock.pass_(RETENTION_MS)
        await desk.inside.age(RETENTION_MS)
        left = await desk.inside.names()
        assert [name for name in left if ":at:" in name or ANON in name or MARIA in name] == []
