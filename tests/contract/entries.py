"""Memory entries that are extracted: by the job that is current, the newer source wins, and they go as they came."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.errors import MemoryFull, UnknownMemory
from shared.ids import SessionRef
from shared.models import MemoryEntry, Provenance, Scope, TicketStatus
from shared.storage.jobs import SummaryClaim, SummaryOutcome
from shared.storage.memory import EntryFacts
from tests.contract.recall_index import memory_claim
from tests.contract.store import HOUR, LIMITS, MINUTE, Desk
from tests.contract.summaries import say, spoken


def facts(
    desk: Desk,
    ref: SessionRef,
    seq: int = 1,
    *,
    ago: int = 0,
    status: TicketStatus | None = None,
    quarantined: bool = False,
    expires_at: datetime | None = None,
) -> EntryFacts:
    """Return the facts of something said in a message, `ago` milliseconds before now."""
    return EntryFacts(
        status=status,
        said_at=datetime.fromtimestamp((desk.clock.ms - ago) / 1000, UTC),
        provenance=Provenance(session_id=ref.session_id, seq=seq, message_id=f"msg_{seq}", role="user", quote="Hello"),
        confidence=0.9,
        quarantined=quarantined,
        expires_at=expires_at,
    )


async def entries(desk: Desk) -> dict[str, MemoryEntry]:
    """Return the customer's entries by key, in their order."""
    return {entry.key: entry for entry in (await desk.own.memories("cust-1", None, None, 100, None)).items}


async def extracted(desk: Desk, claim: SummaryClaim, key: str, value: object, given: EntryFacts, scope: Scope) -> str:
    """Extract an entry; return what became of it."""
    return await desk.own.extract_memory(claim, key, value, scope, given)


class EntryContract:
    """The rules, for any store."""

    async def test_an_entry_says_where_it_comes_from(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await memory_claim(desk, ref)
        given = facts(desk, ref, ago=HOUR)
        assert await extracted(desk, claim, "language", "German", given, "preference") == "created"
        entry = (await entries(desk))["language"]
        assert (entry.source, entry.confidence, entry.provenance) == ("extraction", 0.9, given.provenance)
        assert (entry.version, entry.supersedes, entry.valid_from) == (1, None, given.said_at)

    async def test_what_is_said_later_supersedes_and_what_was_said_is_kept(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await memory_claim(desk, ref)
        await extracted(desk, claim, "language", "German", facts(desk, ref, 1, ago=HOUR), "preference")
        assert await extracted(desk, claim, "language", "Dutch", facts(desk, ref, 2), "preference") == "replaced"
        entry = (await entries(desk))["language"]
        assert (entry.value, entry.version, entry.supersedes) == ("Dutch", 2, 1)
        (before,) = entry.history
        assert (before.value, before.version, before.valid_until) == ("German", 1, entry.valid_from)
        assert before.provenance is not None
        assert before.provenance.seq == 1

    async def test_what_is_newer_at_its_source_wins(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await memory_claim(desk, ref)
        await desk.own.put_memory("cust-1", "language", "English", "preference")
        late = facts(desk, ref, ago=MINUTE)
        assert await extracted(desk, claim, "language", "German", late, "preference") == "older"
        await desk.own.delete_memory("cust-1", "language")
        assert await extracted(desk, claim, "language", "German", late, "preference") == "older"
        assert await entries(desk) == {}
        desk.clock.pass_(MINUTE)
        assert await extracted(desk, claim, "language", "German", facts(desk, ref), "preference") == "created"

    async def test_a_caller_may_write_again_what_was_deleted(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        await desk.own.put_memory("cust-1", "language", "English", "preference")
        await desk.own.delete_memory("cust-1", "language")
        await desk.own.put_memory("cust-1", "language", "German", "preference")
        desk.clock.pass_(MINUTE)
        claim = await memory_claim(desk, ref)
        assert await extracted(desk, claim, "language", "Dutch", facts(desk, ref), "preference") == "replaced"
        entry = (await entries(desk))["language"]
        assert (entry.history[0].source, entry.history[0].provenance) == ("api", None)

    async def test_the_same_again_changes_nothing(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await memory_claim(desk, ref)
        given = facts(desk, ref)
        await extracted(desk, claim, "language", "German", given, "preference")
        before = await entries(desk)
        assert await extracted(desk, claim, "language", "German", given, "preference") == "same"
        assert await entries(desk) == before
        resolved = facts(desk, ref, status="resolved")
        await extracted(desk, claim, "refund", "of 4711", facts(desk, ref, status="open"), "ticket")
        assert await extracted(desk, claim, "refund", "of 4711", resolved, "ticket") == "replaced"
        assert (await entries(desk))["refund"].status == "resolved"

    async def test_only_the_current_job_extracts(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        late = await memory_claim(desk, ref)
        desk.clock.pass_(LIMITS.summary_lease_ms)
        claim = await memory_claim(desk, ref)
        assert await extracted(desk, late, "language", "German", facts(desk, ref), "preference") == "stale"
        await desk.own.delete_session(ref.session_id)
        assert await extracted(desk, claim, "language", "German", facts(desk, ref), "preference") == "stale"
        assert await entries(desk) == {}

    async def test_entries_come_by_rank(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await memory_claim(desk, ref)
        for key, scope, status, quarantined in (
            ("ticket", "ticket", "open", False),
            ("old", "ticket", "resolved", False),
            ("wish", "preference", None, False),
            ("odd", "preference", None, True),
            ("note", "note", None, False),
            ("later", "note", None, False),
        ):
            given = facts(desk, ref, status=status, quarantined=quarantined)  # type: ignore[arg-type]  # as they are
            await desk.own.extract_memory(claim, key, 1, scope, given)  # type: ignore[arg-type]  # as they are
            desk.clock.pass_(1)
        assert list(await entries(desk)) == ["ticket", "wish", "later", "note", "odd", "old"]
        turn = await desk.claim(await desk.accept("Hello again", session_id=ref.session_id))
        assert [entry.key for entry in turn.memory] == ["ticket", "wish", "later", "note", "odd"][: LIMITS.read_memory]

    async def test_extracted_entries_give_way_and_written_ones_do_not(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await memory_claim(desk, ref)
        for number in range(LIMITS.memory_max_entries - 2):
            await desk.own.put_memory("cust-1", f"k{number}", number, "note")
        await extracted(desk, claim, "wish", 1, facts(desk, ref, ago=HOUR), "preference")
        await extracted(desk, claim, "note", 1, facts(desk, ref), "note")
        assert await extracted(desk, claim, "second", 1, facts(desk, ref), "note") == "created"
        assert "note" not in await entries(desk)
        await desk.own.put_memory("cust-1", "third", 1, "note")
        await desk.own.put_memory("cust-1", "fourth", 1, "note")
        assert {"second", "wish"}.isdisjoint(await entries(desk))
        assert await extracted(desk, claim, "fifth", 1, facts(desk, ref), "ticket") == "full"
        with pytest.raises(MemoryFull):
            await desk.own.put_memory("cust-1", "fifth", 1, "note")

    async def test_what_holds_no_more_gives_way_first(self, desk: Desk) -> None:
        soon = datetime.fromtimestamp((desk.clock.ms + MINUTE) / 1000, UTC)
        await desk.own.put_memory("cust-1", "expired", 1, "note", EntryFacts(expires_at=soon))
        await desk.own.put_memory("cust-1", "resolved", 1, "ticket", EntryFacts(status="resolved"))
        for number in range(LIMITS.memory_max_entries - 2):
            await desk.own.put_memory("cust-1", f"k{number}", number, "note")
        desk.clock.pass_(2 * MINUTE)
        await desk.own.put_memory("cust-1", "new", 1, "note")
        await desk.own.put_memory("cust-1", "newer", 1, "note")
        assert {"expired", "resolved"}.isdisjoint(await entries(desk))
        with pytest.raises(MemoryFull):
            await desk.own.put_memory("cust-1", "newest", 1, "note")

    async def test_a_deleted_session_takes_back_what_was_extracted_from_it_alone(self, desk: Desk) -> None:
        one, other = await spoken(desk, 5), await spoken(desk, 5)
        first, second = await memory_claim(desk, one), await memory_claim(desk, other)
        await extracted(desk, first, "alone", 1, facts(desk, one), "note")
        await desk.own.put_memory("cust-1", "written", "by us", "note")
        desk.clock.pass_(MINUTE)
        await extracted(desk, first, "written", "by her", facts(desk, one), "note")
        await extracted(desk, first, "both", "one", facts(desk, one), "note")
        desk.clock.pass_(MINUTE)
        await extracted(desk, second, "both", "other", facts(desk, other), "note")
        before = await entries(desk)
        await desk.own.delete_session(one.session_id)
        after = await entries(desk)
        assert set(after) == {"written", "both"}
        assert (after["written"].value, after["written"].source, after["written"].history) == ("by us", "api", [])
        assert after["written"].version > before["written"].version, "whoever knew it must see that it changed"
        assert (after["both"].value, after["both"].history) == ("other", [])

    async def test_a_redacted_message_takes_back_what_was_extracted_from_it(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        await say(desk, ref, "And?", 5)
        claim = await memory_claim(desk, ref)
        await extracted(desk, claim, "first", 1, facts(desk, ref, 1), "note")
        await extracted(desk, claim, "second", 1, facts(desk, ref, 2), "note")
        await desk.own.redact(ref.session_id, 2)
        assert set(await entries(desk)) == {"first"}

    async def test_what_was_remembered_is_announced_once(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await memory_claim(desk, ref)
        done = await desk.own.end_summary(claim, SummaryOutcome(read=1, remembered=True))
        assert [row.type for row in done.rows] == ["memory.updated"]
        assert (done.rows[0].session_id, done.rows[0].customer_id) == (ref.session_id, "cust-1")
        assert await desk.own.end_summary(claim, SummaryOutcome(read=1, remembered=True)) == done
        silent = await desk.own.end_summary(await memory_claim(desk, ref), SummaryOutcome(read=1))
        assert silent.rows == ()

    async def test_an_answer_that_is_lost_while_extracting_is_asked_for_again(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await memory_claim(desk, ref)
        desk.inside.lose_the_next_answer("extract_memory")
        assert await extracted(desk, claim, "language", "German", facts(desk, ref), "preference") in {"created", "same"}
        assert (await entries(desk))["language"].version == 1

    async def test_deletions_are_remembered_up_to_a_bound(self, desk: Desk) -> None:
        with pytest.raises(UnknownMemory):
            await desk.own.delete_memory("cust-1", "never there")
        ref = await spoken(desk, 5)
        claim = await memory_claim(desk, ref)
        late = facts(desk, ref)
        desk.clock.pass_(MINUTE)
        for number in range(5):
            await desk.own.put_memory("cust-1", f"k{number}", 1, "note")
            await desk.own.delete_memory("cust-1", f"k{number}")
        assert await extracted(desk, claim, "k0", 1, late, "note") == "older"
        assert await extracted(desk, claim, "never there", 1, late, "note") == "created"
