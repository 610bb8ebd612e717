"""What was left to a batch: kept with the session, named where batches are gathered, and struck by whoever read it."""

from __future__ import annotations

from datetime import timedelta

from shared.ids import SessionRef
from shared.storage.jobs import NOT_COLD, Cold, SummaryOutcome
from tests.contract.store import DAY, MEMORY_LIMITS, MINUTE, Desk
from tests.contract.summaries import claimed, say, spoken


async def cold_sessions(desk: Desk) -> set[SessionRef]:
    """Return the sessions that are named."""
    return {ref async for ref in desk.store.cold_sessions()}


async def left(desk: Desk, cold: Cold | None, *, tokens: int = 50) -> SessionRef:
    """Return a session of one message whose reading was left."""
    ref = await spoken(desk, tokens)
    desk.clock.pass_(DAY // 2)
    claim = await claimed(desk, ref, asked=True)
    assert await desk.own.put_pieces(claim, [], 1)
    ended = SummaryOutcome(left=True, read=1, read_tokens=tokens, cold=cold)
    assert (await desk.own.end_summary(claim, ended)).verdict == "committed"
    return ref


class ColdContract:
    """The rules, for any store."""

    limits = MEMORY_LIMITS

    async def test_what_was_left_counts_as_read_and_is_named(self, desk: Desk) -> None:
        ref = await left(desk, Cold(0, 1))
        assert await cold_sessions(desk) == {ref}
        claim = await desk.own.claim_summary(ref.session_id, desk.ids.ulid(), force=True)
        assert claim is not None
        assert (claim.read, claim.unread, claim.cold) == (1, 0, Cold(0, 1))

    async def test_it_is_due_for_memory_only_when_more_is_said(self, desk: Desk) -> None:
        ref = await left(desk, Cold(0, 1))
        await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome())  # what was asked for
        assert await desk.own.claim_summary(ref.session_id, desk.ids.ulid()) is None
        await say(desk, ref, "More", 10)
        desk.clock.pass_(2 * MINUTE)
        claim = await claimed(desk, ref)
        assert (claim.reason, claim.read, claim.unread) == ("memory", 1, 10)

    async def test_it_stays_as_it_is_until_somebody_says_otherwise(self, desk: Desk) -> None:
        ref = await left(desk, Cold(0, 1))
        for given, kept in ((None, Cold(0, 1)), (Cold(0, 1, "bat_1"), Cold(0, 1, "bat_1")), (NOT_COLD, None)):
            claim = await claimed(desk, ref, asked=True)
            await desk.own.end_summary(claim, SummaryOutcome(left=True, cold=given))
            assert (await claimed(desk, ref, asked=True)).cold == kept
            desk.clock.pass_(DAY)
        assert await cold_sessions(desk) == set()

    async def test_a_job_that_was_overtaken_changes_nothing(self, desk: Desk) -> None:
        ref = await left(desk, Cold(0, 1))
        late = await claimed(desk, ref, asked=True)
        desk.clock.pass_(MEMORY_LIMITS.summary_lease_ms + 1)
        await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome(left=True, cold=Cold(0, 1, "bat_1")))
        assert (await desk.own.end_summary(late, SummaryOutcome(left=True, cold=NOT_COLD))).verdict == "stale"
        assert (await claimed(desk, ref, asked=True)).cold == Cold(0, 1, "bat_1")
        assert await cold_sessions(desk) == {ref}

    async def test_one_that_is_gone_is_forgotten_when_it_is_looked_at(self, desk: Desk) -> None:
        ref = await left(desk, Cold(0, 1))
        await desk.own.delete_session(ref.session_id)
        assert await desk.own.claim_summary(ref.session_id, desk.ids.ulid(), force=True) is None
        assert await cold_sessions(desk) == set()

    async def test_sessions_that_nobody_has_read_are_found_when_they_are_idle(self, desk: Desk) -> None:
        cold, read = await left(desk, Cold(0, 1)), await left(desk, None)
        unread = await spoken(desk, 50)
        since = await desk.store.now()
        desk.clock.pass_(MINUTE)
        fresh = await spoken(desk, 50)
        await spoken(desk.of("globex"), 50)
        assert {each async for each in desk.own.unread(since)} == {cold.session_id, unread.session_id}
        every = {each async for each in desk.own.unread(since + timedelta(minutes=2))}
        assert every == {cold.session_id, unread.session_id, fresh.session_id}
        assert read.session_id not in every
