"""Sessions, messages, memory, instructions, keys: what every store must promise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import (
    ConversationMoved,
    MemoryFull,
    SessionClosed,
    SessionExpired,
    UnknownMemory,
    UnknownRequest,
    UnknownSession,
)
from shared.ids import bucket_of
from shared.models import Attachment, TokenBudget
from shared.storage.memory import EntryFacts
from shared.storage.types import NewSession, SessionPatch
from tests.contract.store import HOUR, LIMITS, SECOND, Desk

INVOICE = Attachment(
    name="Rechnung\u2028 [1].pdf", content_type="application/pdf", size=182_344, url="https://files.example/1?x=ü"
)
BARE = Attachment(name="log")


class SessionContract:
    """Sessions and their messages."""

    async def test_a_created_session_keeps_what_it_was_given(self, desk: Desk) -> None:
        new = NewSession(
            "cust-1",
            "conv-1",
            {"plan": "gold"},
            "claude-sonnet-4-6",
            "sliding_window",
            TokenBudget(max=900, reserve=100),
        )
        made = await desk.own.create_session(desk.ids.session(bucket_of("acme", "cust-1")), new)
        read = await desk.own.session(made.id)
        assert read == made
        assert (read.metadata, read.model, read.token_budget) == ({"plan": "gold"}, new.model, new.token_budget)

    async def test_sessions_are_listed_newest_first_in_pages_without_gaps_or_repeats(self, desk: Desk) -> None:
        made = []
        for number in range(7):
            desk.clock.pass_(SECOND if number % 2 else 0)
            made.append(str((await desk.accept(customer="cust-1")).session_id))
        await desk.accept(customer="cust-2")
        listed: list[str] = []
        cursor = None
        while True:
            page = await desk.own.sessions("cust-1", 3, cursor)
            listed += [session.id for session in page.items]
            cursor = page.cursor
            if cursor is None:
                break
        assert sorted(listed) == sorted(made)
        assert listed[0] in made[-2:]
        times = [(await desk.own.session(identifier)).created_at for identifier in listed]
        assert times == sorted(times, reverse=True)

    async def test_messages_are_listed_oldest_first_in_pages(self, desk: Desk) -> None:
        request = await desk.turn("one")
        await desk.turn("two", session_id=request.session_id)
        first = await desk.own.messages(str(request.session_id), 3, 0)
        rest = await desk.own.messages(str(request.session_id), 3, int(first.cursor or 0))
        assert [message.content for message in (*first.items, *rest.items)] == ["one", "Re: one", "two", "Re: two"]
        assert rest.cursor is None

    async def test_a_recorded_message_is_stored_at_once_when_nothing_is_open(self, desk: Desk) -> None:
        request = await desk.turn("Hello")
        recorded = await desk.own.record(
            str(request.session_id), desk.message("I took over", role="assistant", author="Maria"), backdated=False
        )
        page = await desk.own.messages(str(request.session_id), 10, 0)
        assert recorded.seq == 3
        assert (page.items[-1].content, page.items[-1].author) == ("I took over", "Maria")

    async def test_what_is_known_of_attachments_stays_with_the_request_and_its_message(self, desk: Desk) -> None:
        request = await desk.accept("Here it is", attachments=(INVOICE, BARE))
        assert (await desk.own.request(request.request_id)).attachments == (INVOICE, BARE)
        claim = await desk.claim(request)
        assert claim.request.attachments == (INVOICE, BARE)
        session_id = str(request.session_id)
        await desk.own.record(session_id, desk.message("And this", attachments=(BARE,)), backdated=False)
        outcome = desk.answered(claim, "Thank you")
        asked = outcome.user.model_copy(update={"attachments": claim.request.attachments})
        await desk.own.commit(claim, replace(outcome, user=asked))
        page = await desk.own.messages(session_id, 10, 0)
        assert [message.attachments for message in page.items] == [(INVOICE, BARE), (), (BARE,)]

    async def test_a_recorded_message_takes_its_turn_behind_open_requests(self, desk: Desk) -> None:
        request = await desk.accept("question")
        claim = await desk.claim(request)
        recorded = await desk.own.record(str(request.session_id), desk.message("in between"), backdated=False)
        await desk.accept("another question", session_id=request.session_id)
        assert recorded.seq == 0
        await desk.answer(claim, "answer")
        await desk.answer(await desk.claim(request), "another answer")
        assert await desk.transcript(request) == [
            "question",
            "answer",
            "in between",
            "another question",
            "another answer",
        ]

    async def test_imported_history_is_judged_at_its_own_time(self, desk: Desk) -> None:
        session = await desk.own.create_session(desk.ids.session(bucket_of("acme", "cust-1")), NewSession("cust-1"))
        long_ago = datetime.fromtimestamp(desk.clock.ms / 1000, UTC) - timedelta(days=90)
        for days in (0, 3, 40):
            message = desk.message(f"day {days}", at=long_ago + timedelta(days=days))
            await desk.own.record(session.id, message, backdated=True)
        read = await desk.own.session(session.id)
        assert (read.status, read.message_count) == ("expired", 3)
        assert abs(read.created_at - long_ago) < timedelta(seconds=1)
        with pytest.raises(SessionExpired):
            await desk.own.record(session.id, desk.message("today"), backdated=False)

    async def test_a_closed_session_drains_but_takes_nothing_new(self, desk: Desk) -> None:
        request = await desk.accept("question")
        session = await desk.own.update_session(str(request.session_id), SessionPatch(status="closed"))
        assert session.status == "closed"
        with pytest.raises(SessionClosed):
            await desk.own.record(str(request.session_id), desk.message("too late"), backdated=False)
        await desk.answer(await desk.claim(request), "answer")
        assert await desk.transcript(request) == ["question", "answer"]

    async def test_closing_twice_tells_once(self, desk: Desk) -> None:
        request = await desk.turn("Hello")
        await desk.own.update_session(str(request.session_id), SessionPatch(status="closed"))
        await desk.own.update_session(str(request.session_id), SessionPatch(status="closed"))
        assert [row.type for row in await desk.due_rows(request)].count("session.closed") == 1

    async def test_an_expired_or_closed_session_can_be_reopened(self, desk: Desk) -> None:
        request = await desk.turn("Hello", conversation_id="conv-1")
        desk.clock.pass_(25 * HOUR)
        session = await desk.own.update_session(str(request.session_id), SessionPatch(status="open"))
        assert session.status == "open"
        await desk.own.update_session(str(request.session_id), SessionPatch(status="closed"))
        session = await desk.own.update_session(str(request.session_id), SessionPatch(status="open"))
        assert session.closed_at is None
        await desk.turn("Again", session_id=request.session_id)

    async def test_a_session_whose_conversation_moved_on_cannot_be_reopened(self, desk: Desk) -> None:
        old = await desk.turn("Hello", conversation_id="conv-1")
        desk.clock.pass_(25 * HOUR)
        await desk.turn("A new day", conversation_id="conv-1")
        with pytest.raises(ConversationMoved):
            await desk.own.update_session(str(old.session_id), SessionPatch(status="open"))

    async def test_title_and_tags_are_kept(self, desk: Desk) -> None:
        request = await desk.turn("Hello")
        await desk.own.update_session(str(request.session_id), SessionPatch(title="Parcel", tags=["late", "vip"]))
        session = await desk.own.session(str(request.session_id))
        assert (session.title, session.tags, session.status) == ("Parcel", ["late", "vip"], "open")

    async def test_deleting_a_session_leaves_no_key_of_it(self, desk: Desk) -> None:
        before = await desk.inside.names()
        request = await desk.turn("secret words", conversation_id="conv-1")
        claim = await desk.claim(await desk.accept("more", session_id=request.session_id))
        await desk.own.append_delta(claim, 0, "a reply")
        await desk.own.commit(claim, desk.answered(claim, "a reply"))
        await desk.own.delete_session(str(request.session_id))
        desk.clock.pass_(HOUR)
        bucket = desk.ref(request).bucket
        await desk.store.strike(bucket, [row.id for row in await desk.store.take_rows(bucket, 10)])
        assert await desk.inside.names() <= before
        with pytest.raises(UnknownSession):
            await desk.own.session(str(request.session_id))
        with pytest.raises(UnknownRequest):
            await desk.own.request(request.request_id)
        with pytest.raises(UnknownSession):
            await desk.own.delete_session(str(request.session_id))

    async def test_a_retry_after_the_session_was_deleted_runs_nothing_again(self, desk: Desk) -> None:
        new = desk.new("secret words", keyed=True)
        session = await desk.own.accept(new, desk.ids.session(bucket_of("acme", "cust-1")))
        await desk.answer(await desk.claim(replace(new, session_id=session)))
        await desk.own.delete_session(session)
        assert await desk.own.accept(new, desk.ids.session(bucket_of("acme", "cust-1"))) == session
        assert (await desk.own.sessions("cust-1", 10, None)).items == ()
        with pytest.raises(UnknownRequest):
            await desk.own.request(new.request_id)

    async def test_a_stale_worker_writes_nothing_of_a_deleted_session(self, desk: Desk) -> None:
        request = await desk.accept()
        claim = await desk.claim(request)
        await desk.own.delete_session(str(request.session_id))
        await desk.own.append_delta(claim, 0, "secret reply")
        assert (await desk.own.read_deltas(request.request_id, 0, 0)).text == ""

    async def test_open_requests_of_a_deleted_session_fail_as_deleted(self, desk: Desk) -> None:
        request = await desk.accept("secret words")
        await desk.claim(request)
        await desk.own.delete_session(str(request.session_id))
        record = await desk.own.request(request.request_id)
        assert record.failure is not None
        assert (record.status, record.failure.type, record.message) == ("failed", "session-deleted", "")
        assert [row.type for row in await desk.due_rows(request)] == ["chat.reply.failed"]
        desk.clock.pass_(HOUR)
        assert await desk.store.overdue(desk.ref(request).bucket, 10) == []


class MemoryContract:
    """Memory entries, instructions, API keys."""

    async def test_the_same_key_is_replaced_and_its_history_kept(self, desk: Desk) -> None:
        first, new = await desk.own.put_memory("cust-1", "language", "English", "preference")
        desk.clock.pass_(SECOND)
        second, again = await desk.own.put_memory("cust-1", "language", {"code": "de", "odd": [1.0, [], {}]}, "note")
        assert (new, again, first.version, second.version) == (True, False, 1, 2)
        (entry,) = (await desk.own.memories("cust-1", None, "language", 10, None)).items
        assert entry.value == {"code": "de", "odd": [1.0, [], {}]}
        assert (entry.history[0].value, entry.history[0].valid_until) == ("English", entry.updated_at)

    async def test_an_entry_keeps_how_long_it_holds(self, desk: Desk) -> None:
        until = datetime(2030, 1, 1, tzinfo=UTC)
        open_ticket = EntryFacts(status="open", expires_at=until)
        await desk.own.put_memory("cust-1", "refund", "of 4711", "ticket", open_ticket)
        (entry,) = (await desk.own.memories("cust-1", None, "refund", 10, None)).items
        assert (entry.status, entry.expires_at) == ("open", until)
        assert entry.holds_at(until - timedelta(seconds=1))
        assert not entry.holds_at(until)
        await desk.own.put_memory("cust-1", "refund", "of 4711", "ticket", EntryFacts(status="resolved"))
        (entry,) = (await desk.own.memories("cust-1", None, None, 10, None)).items
        assert (entry.status, entry.expires_at) == ("resolved", None)
        assert not entry.holds_at(until - timedelta(days=9000))

    async def test_history_is_bounded(self, desk: Desk) -> None:
        for number in range(25):
            await desk.own.put_memory("cust-1", "key", number, "note")
        (entry,) = (await desk.own.memories("cust-1", None, "key", 10, None)).items
        assert [version.value for version in entry.history] == list(range(23, 3, -1))

    async def test_entries_are_listed_last_written_first_by_scope_in_pages(self, desk: Desk) -> None:
        for number in range(6):
            desk.clock.pass_(SECOND)
            await desk.own.put_memory("cust-1", f"k{number}", number, "ticket" if number % 2 else "note")
        first = await desk.own.memories("cust-1", "ticket", None, 2, None)
        rest = await desk.own.memories("cust-1", "ticket", None, 2, first.cursor)
        assert [entry.key for entry in (*first.items, *rest.items)] == ["k5", "k3", "k1"]
        assert rest.cursor is None

    async def test_an_entry_can_be_forgotten_once(self, desk: Desk) -> None:
        await desk.own.put_memory("cust-1", "key", 1, "note")
        await desk.own.delete_memory("cust-1", "key")
        assert (await desk.own.memories("cust-1", None, None, 10, None)).items == ()
        with pytest.raises(UnknownMemory):
            await desk.own.delete_memory("cust-1", "key")

    async def test_a_customers_entries_are_bounded(self, desk: Desk) -> None:
        for number in range(LIMITS.memory_max_entries):
            await desk.own.put_memory("cust-1", f"k{number}", number, "note")
        with pytest.raises(MemoryFull):
            await desk.own.put_memory("cust-1", "one more", 1, "note")
        await desk.own.put_memory("cust-1", "k0", "replaced", "note")

    async def test_customers_and_tenants_do_not_see_each_other(self, desk: Desk) -> None:
        await desk.own.put_memory("cust-1", "key", "mine", "note")
        assert (await desk.own.memories("cust-2", None, None, 10, None)).items == ()
        assert (await desk.of("other").own.memories("cust-1", None, None, 10, None)).items == ()

    async def test_instructions_are_versioned_by_tenant(self, desk: Desk) -> None:
        assert await desk.own.instructions() is None
        first = await desk.own.put_instructions("Be brief.", extraction=False, handoff=True)
        assert (await desk.own.instructions(), first.extraction, first.handoff) == (first, False, True)
        second = await desk.own.put_instructions("Be very brief.")
        assert (second.version, second.instructions) == (2, "Be very brief.")
        assert (second.extraction, second.handoff) == (None, None)
        assert await desk.own.instructions() == second
        assert await desk.of("other").own.instructions() is None

    async def test_a_key_opens_until_it_is_revoked_and_only_its_hash_is_kept(self, desk: Desk) -> None:
        keys = desk.store.access
        assert not await keys.any()
        record, text = await keys.create("acme", "tenant", "laptop")
        assert await keys.any()
        found = await keys.find(text)
        assert found is not None
        assert (found.tenant, found.role) == ("acme", "tenant")
        assert text.split("_", 2)[2] not in await desk.inside.access_keys()
        assert await keys.find(text[:-1] + ("A" if text[-1] != "A" else "B")) is None
        assert await keys.find("cmk_nonsense") is None
        await keys.revoke(record.key_id)
        assert await keys.find(text) is None
        assert [key.key_id for key in await keys.list()] == [record.key_id]

    async def test_a_tenants_name_is_checked(self, desk: Desk) -> None:
        for name in ("", "Acme", "a.b", "a:b", "-a", "a" * 64, "a/b", "ä"):
            with pytest.raises(ValueError, match="a tenant is"):
                await desk.store.access.create(name, "tenant", None)


class RecordContract(SessionContract, MemoryContract):
    """All but the path of a request."""
