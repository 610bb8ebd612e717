"""Redaction: the text of a message goes for ever, and with it whatever was made of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.errors import UnknownMessage, UnknownSession
from shared.ids import bucket_of
from shared.storage.jobs import SummaryOutcome
from shared.storage.types import SessionPatch
from tests.contract.records import INVOICE
from tests.contract.store import LIMITS, Desk
from tests.contract.summaries import claimed, due, say, spoken, summary

LONG = "x" * 200_000


class RedactionContract:
    """The rules, for any store."""

    async def test_a_message_loses_its_text_and_keeps_its_place(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        await say(desk, ref, "My card is 4242", 7)
        await say(desk, ref, "Thanks", 2)
        told = await desk.own.redact(ref.session_id, 2)
        assert (told.content, told.redacted, told.seq, told.tokens, told.role) == ("", True, 2, 0, "user")
        kept = (await desk.own.messages(ref.session_id, 10, 0)).items
        assert [(each.seq, each.content, each.redacted) for each in kept] == [
            (1, "Hello", False),
            (2, "", True),
            (3, "Thanks", False),
        ]
        assert kept[1] == told
        assert await desk.own.redact(ref.session_id, 2) == told
        assert (await desk.own.session(ref.session_id)).message_count == 3
        claim = await claimed(desk, ref, asked=True)
        assert claim.behind == 7

    async def test_a_long_message_goes_whole(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        await say(desk, ref, LONG * 3, 9)
        await desk.own.redact(ref.session_id, 2)
        assert [each.content for each in (await desk.own.messages(ref.session_id, 10, 0)).items] == ["Hello", ""]

    async def test_what_is_not_there_is_not_redacted(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        with pytest.raises(UnknownMessage):
            await desk.own.redact(ref.session_id, 2)
        with pytest.raises(UnknownSession):
            await desk.own.redact(desk.ids.session(bucket_of(desk.tenant, "cust-1")), 1)
        with pytest.raises(UnknownSession):
            await desk.of("globex").own.redact(ref.session_id, 1)

    async def test_a_turn_loses_both_its_copies(self, desk: Desk) -> None:
        claim = await desk.claim(await desk.accept("My card is 4242", attachments=(INVOICE,)))
        request = claim.request.id
        await desk.answer(claim, "Card 4242, noted.")
        asked, replied = (await desk.own.messages(claim.ref.session_id, 10, 0)).items
        await desk.own.redact(claim.ref.session_id, asked.seq)
        record = await desk.own.request(request)
        assert (record.message, record.attachments) == ("", ())
        assert (await desk.own.messages(claim.ref.session_id, 10, 0)).items[0].attachments == ()
        assert record.result is not None
        assert record.result.reply == "Card 4242, noted."
        await desk.own.redact(claim.ref.session_id, replied.seq)
        record = await desk.own.request(request)
        assert record.result is not None
        assert (record.result.reply, record.result.token_usage.total > 0, record.status) == ("", True, "succeeded")

    async def test_the_summary_that_covers_it_goes_and_is_due_again(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        await desk.own.end_summary(await claimed(desk, ref), summary("s1", 1, 2001))
        await say(desk, ref, "More", LIMITS.summary_threshold_tokens + 1)
        await desk.own.end_summary(await claimed(desk, ref), summary("s2", 2, 2001))
        assert not await due(desk, ref)
        await desk.own.redact(ref.session_id, 1)
        assert await desk.own.summaries(ref.session_id) == ()
        assert await due(desk, ref)
        claim = await claimed(desk, ref)
        assert (claim.summary, claim.behind) == (None, LIMITS.summary_threshold_tokens + 1)
        await desk.own.end_summary(claim, summary("s3", 2, 2001))
        (kept,) = await desk.own.summaries(ref.session_id)
        assert kept.value == "s3"
        assert kept.version > 2, "no version comes twice"

    async def test_a_summary_that_does_not_cover_it_stays(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        await desk.own.end_summary(await claimed(desk, ref), summary("s1", 1, 2001))
        await say(desk, ref, "More", 5)
        await desk.own.redact(ref.session_id, 2)
        assert [each.value for each in await desk.own.summaries(ref.session_id)] == ["s1"]

    async def test_a_job_that_may_have_read_it_stores_nothing(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        claim = await claimed(desk, ref)
        await desk.own.redact(ref.session_id, 1)
        assert not await desk.own.renew_summary(claim)
        assert (await desk.own.end_summary(claim, summary("s", 1, 2001))).verdict == "stale"
        assert await desk.own.summaries(ref.session_id) == ()

    async def test_the_version_tells_that_something_was_taken_out(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        before = await desk.own.summary_version(ref.session_id)
        await desk.own.redact(ref.session_id, 1)
        assert await desk.own.summary_version(ref.session_id) > before

    async def test_the_digest_goes_and_is_due_again(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
        await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome(digest="d"))
        await desk.own.redact(ref.session_id, 1)
        assert await desk.own.digests("cust-1", 10) == ()
        assert (await claimed(desk, ref)).reason == "ended"

    async def test_the_pin_is_broken(self, desk: Desk) -> None:
        claim = await desk.claim(await desk.accept("My card is 4242"))
        await desk.own.commit(claim, replace(desk.answered(claim, "Noted."), pin="{}"))
        session_id = claim.ref.session_id
        before = await desk.claim(await desk.accept("And?", session_id=session_id))
        assert before.pin == "{}"
        await desk.answer(before)
        await desk.own.redact(session_id, 1)
        assert (await desk.claim(await desk.accept("And?", session_id=session_id))).pin is None
