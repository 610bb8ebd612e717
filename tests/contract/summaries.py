"""Summaries and digests: due when the rules say so, one job at a time, stored only by the job that is current."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.errors import UnknownSession
from shared.ids import SessionRef, bucket_of
from shared.models import Strategy
from shared.storage.jobs import SummaryClaim, SummaryOutcome
from shared.storage.types import NewSession, SessionPatch
from tests.contract.store import DAY, HOUR, LIMITS, MINUTE, Desk

IDLE = 30 * MINUTE


async def begun(desk: Desk, strategy: Strategy | None = "summarization") -> str:
    """Begin a session; return its id."""
    session_id = desk.ids.session(bucket_of(desk.tenant, "cust-1"))
    await desk.own.create_session(session_id, NewSession("cust-1", compression_strategy=strategy))
    return session_id


async def say(desk: Desk, ref: SessionRef, content: str, tokens: int) -> None:
    """Record a message of so many tokens."""
    await desk.own.record(ref.session_id, desk.message(content, tokens=tokens), backdated=False)


async def spoken(desk: Desk, tokens: int, strategy: Strategy | None = "summarization") -> SessionRef:
    """Return a session in which one message of so many tokens was said."""
    ref = SessionRef(desk.tenant, await begun(desk, strategy))
    await say(desk, ref, "Hello", tokens)
    return ref


async def claimed(desk: Desk, ref: SessionRef, *, asked: bool = False) -> SummaryClaim:
    """Take a summary job, which must be possible; `asked`: ask for it first."""
    if asked:
        await desk.own.ask_summary(ref.session_id)
    claim = await desk.own.claim_summary(ref.session_id, desk.ids.ulid())
    assert claim is not None
    return claim


async def due(desk: Desk, ref: SessionRef) -> bool:
    """Whether a session is found as due."""
    return ref in [each.ref for each in await desk.store.due_summaries(ref.bucket, 100)]


def summary(text: str, through: int, tokens: int, **more: str) -> SummaryOutcome:
    """Return an outcome with a summary."""
    return SummaryOutcome(summary=text, through=through, tokens=tokens, **more)  # type: ignore[arg-type]  # `digest`, where given


class SummaryContract:
    """The rules, for any store."""

    async def test_a_session_above_the_threshold_is_due_at_once(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        assert await due(desk, ref)
        claim = await claimed(desk, ref)
        assert claim.reason == "threshold"
        assert claim.behind == LIMITS.summary_threshold_tokens + 1
        assert claim.summary is None
        assert claim.session.message_count == 1

    async def test_below_it_a_session_is_due_when_it_is_idle(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens)
        assert not await due(desk, ref)
        assert await desk.own.claim_summary(ref.session_id, desk.ids.ulid()) is None
        desk.clock.pass_(IDLE)
        assert await due(desk, ref)
        assert (await claimed(desk, ref)).reason == "idle"

    async def test_the_threshold_is_for_strategies_that_use_summaries(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1, strategy="sliding_window")
        assert await desk.own.claim_summary(ref.session_id, desk.ids.ulid()) is None

    async def test_digests_are_read_page_by_page(self, desk: Desk) -> None:
        refs = []
        for _ in range(3):
            refs.append(await spoken(desk, 5))
            claim = await desk.own.claim_summary(refs[-1].session_id, desk.ids.ulid(), force=True)
            assert claim is not None
            await desk.own.end_summary(claim, SummaryOutcome(digest="d"))
            desk.clock.pass_(1)
        first = await desk.own.digests("cust-1", 2)
        last = await desk.own.digests("cust-1", 2, first[-1])
        assert [each.session_id for each in (*first, *last)] == [ref.session_id for ref in reversed(refs)]
        assert await desk.own.digests("cust-1", 2, last[-1]) == ()
        await desk.own.delete_session(first[-1].session_id)
        assert await desk.own.digests("cust-1", 2, first[-1]) == last

    async def test_turns_make_a_session_due(self, desk: Desk) -> None:
        session_id = await begun(desk, "hybrid")
        request = await desk.accept("Hello", session_id=session_id)
        claim = await desk.claim(request)
        outcome = desk.answered(claim, "Hi!")
        long = outcome.user.model_copy(update={"tokens": LIMITS.summary_threshold_tokens + 1})
        await desk.own.commit(claim, replace(outcome, user=long))
        assert (await claimed(desk, claim.ref)).reason == "threshold"

    async def test_one_job_at_a_time(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        first = await claimed(desk, ref)
        assert await desk.own.claim_summary(ref.session_id, desk.ids.ulid(), force=True) is None
        assert not await due(desk, ref)
        again = await desk.own.claim_summary(ref.session_id, first.token.nonce)
        assert again is not None
        assert (again.token, again.reason) == (first.token, "threshold")
        assert await desk.own.renew_summary(first)

    async def test_a_killed_job_comes_back_and_the_dead_can_store_nothing(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        first = await claimed(desk, ref)
        desk.clock.pass_(LIMITS.summary_lease_ms)
        assert await due(desk, ref)
        second = await claimed(desk, ref)
        assert second.token.number > first.token.number
        assert (await desk.own.end_summary(first, summary("late", 1, 1))).verdict == "stale"
        assert (await desk.own.end_summary(second, summary("right", 1, 2001))).verdict == "committed"
        assert [each.value for each in await desk.own.summaries(ref.session_id)] == ["right"]

    async def test_a_killed_job_that_was_asked_for_comes_back_too(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        await claimed(desk, ref, asked=True)
        desk.clock.pass_(LIMITS.summary_lease_ms)
        assert await due(desk, ref)
        second = await claimed(desk, ref)
        assert second.reason == "asked"
        await desk.own.end_summary(second, summary("s", 1, 5))
        desk.clock.pass_(LIMITS.summary_lease_ms)
        assert not await due(desk, ref)

    async def test_what_was_asked_for_is_due_at_once_until_it_is_made(self, desk: Desk) -> None:
        ref = await spoken(desk, 5, strategy="sliding_window")
        assert not await due(desk, ref)
        await desk.own.ask_summary(ref.session_id)
        assert await due(desk, ref)
        claim = await claimed(desk, ref)
        assert claim.reason == "asked"
        await desk.own.end_summary(claim, SummaryOutcome(again_in_ms=MINUTE))
        assert not await due(desk, ref)
        desk.clock.pass_(MINUTE)
        again = await claimed(desk, ref)
        assert (again.reason, again.tries) == ("asked", 1)
        await desk.own.end_summary(again, summary("s", 1, 5))
        assert not await due(desk, ref)
        with pytest.raises(UnknownSession):
            await desk.own.ask_summary(desk.ids.session(bucket_of(desk.tenant, "cust-1")))

    async def test_what_is_asked_for_goes_before_everything_else(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
        claim = await claimed(desk, ref, asked=True)
        assert claim.reason == "asked"
        await desk.own.end_summary(claim, summary("s", 1, claim.behind))
        assert (await claimed(desk, ref)).reason == "ended"

    async def test_asking_while_a_job_runs_asks_for_another(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        running = await claimed(desk, ref, asked=True)
        desk.clock.pass_(MINUTE)
        await say(desk, ref, "One more thing", 5)
        await desk.own.ask_summary(ref.session_id)
        await desk.own.end_summary(running, summary("s", 1, running.behind))
        assert (await claimed(desk, ref)).reason == "asked"

    async def test_a_job_taken_by_force_comes_back_for_no_other_reason(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        claim = await desk.own.claim_summary(ref.session_id, desk.ids.ulid(), force=True)
        assert claim is not None
        assert claim.reason == "forced"
        desk.clock.pass_(LIMITS.summary_lease_ms)
        assert not await due(desk, ref)

    async def test_a_session_whose_newest_turn_is_all_there_is_waits_for_more(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome())
        assert not await due(desk, ref)
        await say(desk, ref, "And now?", 5)
        assert (await claimed(desk, ref)).reason == "threshold"

    async def test_what_is_left_is_due_at_once(self, desk: Desk) -> None:
        ref = await spoken(desk, 3 * LIMITS.summary_threshold_tokens)
        await desk.own.end_summary(await claimed(desk, ref), replace(summary("s", 1, 10), left=True))
        assert (await claimed(desk, ref)).reason == "threshold"

    async def test_tries_are_counted_until_one_succeeds(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        for number in range(3):
            claim = await claimed(desk, ref)
            assert claim.tries == number
            await desk.own.end_summary(claim, SummaryOutcome(again_in_ms=MINUTE))
            desk.clock.pass_(MINUTE)
        await desk.own.end_summary(await claimed(desk, ref), summary("s", 1, 2001))
        assert (await claimed(desk, ref, asked=True)).tries == 0

    async def test_a_renewed_job_stays_in_flight(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        await desk.store.launch_summary(ref)
        claim = await claimed(desk, ref)
        desk.clock.pass_(LIMITS.summary_lease_ms // 2)
        assert await desk.own.renew_summary(claim)
        desk.clock.pass_(LIMITS.summary_lease_ms // 2 + MINUTE)
        assert await desk.store.summaries_in_flight() == [ref]

    async def test_one_tenants_backlog_hides_nobody(self, desk: Desk) -> None:
        for _ in range(4):
            await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        other = desk.of("globex")
        hers = other.ids.session(desk_bucket := bucket_of(desk.tenant, "cust-1"))
        await other.own.create_session(hers, NewSession("cust-1", compression_strategy="hybrid"))
        await say(other, SessionRef("globex", hers), "Hello", LIMITS.summary_threshold_tokens + 1)
        found = await desk.store.due_summaries(desk_bucket, 2)
        assert sorted(each.ref.tenant for each in found) == ["acme", "acme", "globex"]

    async def test_what_has_ended_or_was_overtaken_is_not_renewed(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        first = await claimed(desk, ref)
        desk.clock.pass_(LIMITS.summary_lease_ms)
        second = await claimed(desk, ref)
        assert not await desk.own.renew_summary(first)
        await desk.own.end_summary(second, summary("s", 1, 2001))
        assert not await desk.own.renew_summary(second)
        await desk.own.delete_session(ref.session_id)
        assert not await desk.own.renew_summary(second)

    async def test_a_summary_is_stored_once_and_announced(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        claim = await claimed(desk, ref)
        done = await desk.own.end_summary(claim, summary("A customer said hello.", 1, claim.behind))
        again = await desk.own.end_summary(claim, summary("A customer said hello.", 1, claim.behind))
        assert done == again
        assert [row.type for row in done.rows] == ["session.summarized"]
        (kept,) = await desk.own.summaries(ref.session_id)
        assert (kept.value, kept.through, kept.version) == ("A customer said hello.", 1, 1)
        assert not await due(desk, ref)
        assert await desk.own.claim_summary(ref.session_id, desk.ids.ulid()) is None

    async def test_what_a_summary_covers_is_behind_no_more(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        claim = await claimed(desk, ref)
        await say(desk, ref, "And?", 7)
        await desk.own.end_summary(claim, summary("s1", 1, claim.behind))
        asked = await claimed(desk, ref, asked=True)
        assert (asked.reason, asked.behind) == ("asked", 7)
        assert asked.summary is not None
        assert (asked.summary.value, asked.summary.version) == ("s1", 1)

    async def test_earlier_versions_are_kept_and_bounded(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        for number in range(1, LIMITS.summary_versions + 4):
            claim = await claimed(desk, ref, asked=True)
            await desk.own.end_summary(claim, summary(f"s{number}", number, 0))
        kept = await desk.own.summaries(ref.session_id)
        newest = LIMITS.summary_versions + 3
        versions = list(range(newest, newest - LIMITS.summary_versions, -1))
        assert [(each.value, each.through, each.version) for each in kept] == [(f"s{n}", n, n) for n in versions]

    async def test_what_failed_is_due_later(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        claim = await claimed(desk, ref)
        await desk.own.end_summary(claim, SummaryOutcome(again_in_ms=MINUTE))
        assert not await due(desk, ref)
        desk.clock.pass_(MINUTE)
        assert await due(desk, ref)
        assert (await claimed(desk, ref)).reason == "threshold"

    async def test_an_idle_session_with_nothing_to_summarise_is_left_alone(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        desk.clock.pass_(IDLE)
        await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome())
        assert not await due(desk, ref)
        desk.clock.pass_(IDLE)
        assert await desk.own.claim_summary(ref.session_id, desk.ids.ulid()) is None
        await say(desk, ref, "Still there?", 5)
        desk.clock.pass_(IDLE)
        assert (await claimed(desk, ref)).reason == "idle"

    async def test_a_closed_session_is_due_for_its_digest(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
        assert await due(desk, ref)
        claim = await claimed(desk, ref)
        assert claim.reason == "ended"
        done = await desk.own.end_summary(claim, SummaryOutcome(digest='{"topic":"hello"}'))
        assert done.verdict == "committed"
        assert not await due(desk, ref)
        (digest,) = await desk.own.digests("cust-1", 10)
        assert (digest.session_id, digest.value, digest.messages) == (ref.session_id, '{"topic":"hello"}', 1)
        assert digest.ended_at == claim.session.last_message_at

    async def test_a_session_that_expires_is_due_for_its_digest(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        desk.clock.pass_(IDLE)
        await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome())
        desk.clock.pass_(LIMITS.session_ttl_ms)
        assert await due(desk, ref)
        assert (await claimed(desk, ref)).reason == "ended"

    async def test_a_closed_session_drains_before_its_digest(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        request = await desk.accept("One more thing", session_id=ref.session_id)
        await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
        assert await desk.own.claim_summary(ref.session_id, desk.ids.ulid()) is None
        await desk.answer(await desk.claim(request))
        assert await due(desk, ref)
        assert (await claimed(desk, ref)).reason == "ended"

    async def test_a_reopened_session_gets_another_digest(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
        await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome(digest="first"))
        await desk.own.update_session(ref.session_id, SessionPatch(status="open"))
        await say(desk, ref, "Again", 5)
        await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
        await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome(digest="second"))
        assert [(each.value, each.messages) for each in await desk.own.digests("cust-1", 10)] == [("second", 2)]

    async def test_a_turn_reads_the_summary_and_the_digests_of_other_sessions(self, desk: Desk) -> None:
        earlier = []
        for number in range(LIMITS.read_digests + 2):
            ref = await spoken(desk, 5)
            await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
            await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome(digest=f"d{number}"))
            earlier.append(ref.session_id)
            desk.clock.pass_(HOUR)
        now = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        await desk.own.end_summary(await claimed(desk, now), summary("so far", 1, 2001))
        claim = await desk.claim(await desk.accept("Hello again", session_id=now.session_id))
        assert claim.summary is not None
        assert (claim.summary.value, claim.summary.through, claim.summary.version) == ("so far", 1, 1)
        assert [each.session_id for each in claim.digests] == earlier[: -LIMITS.read_digests - 1 : -1]

    async def test_a_session_of_another_customer_leaves_no_digest_here(self, desk: Desk) -> None:
        ref = await spoken(desk, 5)
        await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
        await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome(digest="d"))
        assert await desk.own.digests("cust-2", 10) == ()
        assert await desk.of("globex").own.digests("cust-1", 10) == ()

    async def test_a_deleted_session_takes_its_summary_and_digest_along(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        await desk.own.end_summary(await claimed(desk, ref), summary("s", 1, 2001))
        await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
        await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome(digest="d"))
        await desk.own.delete_session(ref.session_id)
        assert await desk.own.digests("cust-1", 10) == ()
        with pytest.raises(UnknownSession):
            await desk.own.summaries(ref.session_id)
        assert not await due(desk, ref)

    async def test_a_session_deleted_meanwhile_is_not_brought_back(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        claim = await claimed(desk, ref)
        await desk.own.delete_session(ref.session_id)
        assert (await desk.own.end_summary(claim, summary("s", 1, 2001, digest="d"))).verdict == "gone"
        assert await desk.own.digests("cust-1", 10) == ()
        with pytest.raises(UnknownSession):
            await desk.own.session(ref.session_id)
        assert await desk.own.claim_summary(ref.session_id, desk.ids.ulid(), force=True) is None

    async def test_a_launched_job_is_in_flight_until_it_ends(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        assert await desk.store.launch_summary(ref)
        assert await desk.store.summaries_in_flight() == [ref]
        assert not await desk.store.launch_summary(ref)
        assert not await due(desk, ref)
        await desk.own.end_summary(await claimed(desk, ref), summary("s", 1, 2001))
        assert await desk.store.summaries_in_flight() == []

    async def test_a_launched_job_that_never_begins_comes_back(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        await desk.store.launch_summary(ref)
        desk.clock.pass_(LIMITS.summary_lease_ms + 1)
        assert await desk.store.summaries_in_flight() == []
        assert await due(desk, ref)

    async def test_due_sessions_come_longest_due_first(self, desk: Desk) -> None:
        refs = []
        for _ in range(3):
            refs.append(await spoken(desk, LIMITS.summary_threshold_tokens + 1))
            desk.clock.pass_(MINUTE)
        found = [each.ref for each in await desk.store.due_summaries(refs[0].bucket, 100)]
        assert [ref for ref in found if ref in refs] == refs

    async def test_an_answer_that_is_lost_is_asked_for_again(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        desk.inside.lose_the_next_answer("claim_summary")
        claim = await claimed(desk, ref)
        desk.inside.lose_the_next_answer("end_summary")
        assert (await desk.own.end_summary(claim, summary("s", 1, 2001))).verdict == "committed"
        assert len(await desk.own.summaries(ref.session_id)) == 1

    async def test_a_long_summary_is_kept_whole(self, desk: Desk) -> None:
        ref = await spoken(desk, LIMITS.summary_threshold_tokens + 1)
        text = "订单 4711 – naïve café 🇩🇪 " * 3000
        await desk.own.end_summary(await claimed(desk, ref), summary(text, 1, 2001))
        (kept,) = await desk.own.summaries(ref.session_id)
        assert kept.value == text
        desk.clock.pass_(DAY // 2)
        claim = await desk.claim(await desk.accept("Hello again", session_id=ref.session_id))
        assert claim.summary is not None
        assert claim.summary.value == text
