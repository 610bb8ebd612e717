"""What moving between stores must promise of summaries and digests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.ids import SessionRef, bucket_of
from shared.storage.jobs import Cold, SummaryOutcome
from shared.storage.portable import Unit
from shared.storage.types import NewSession, SessionPatch
from tests.contract.portable import Pair
from tests.contract.store import DAY, LIMITS, MINUTE, Desk
from tests.contract.summaries import claimed, due, say, spoken, summary

MANY = LIMITS.summary_threshold_tokens + 1


async def ended(desk: Desk, digest: str) -> SessionRef:
    """Return a session that is over, and has left a digest."""
    ref = await spoken(desk, 5)
    await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
    await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome(digest=digest))
    return ref


async def same_in_both(pair: Pair, unit: Unit) -> None:
    """Hold the two stores' words on a unit against each other."""
    one, other = await pair.dumps(unit)
    assert one is not None
    assert other is not None
    assert (one.fields, one.earlier, one.stamp) == (other.fields, other.earlier, other.stamp)


class PortableSummaryContract:
    """From one store into another, fresh one."""

    async def test_a_summary_moves_with_its_state_and_earlier_versions(self, pair: Pair) -> None:
        ref = await spoken(pair.source, MANY)
        for number in range(1, LIMITS.summary_versions + 2):
            await say(pair.source, ref, f"message {number}", 10)
            claim = await claimed(pair.source, ref, asked=True)
            await pair.source.own.end_summary(claim, summary(f"s{number} ü", number, claim.behind - 3))
        await pair.move()
        await same_in_both(pair, Unit("session", "acme", ref.session_id))
        kept = await pair.target.own.summaries(ref.session_id)
        assert kept == await pair.source.own.summaries(ref.session_id)
        assert len(kept) == LIMITS.summary_versions
        before, after = [await claimed(desk, ref, asked=True) for desk in (pair.source, pair.target)]
        assert (after.behind, after.token.number, after.summary) == (before.behind, before.token.number, before.summary)
        assert after.behind == 3
        await pair.target.own.end_summary(after, summary("next", 9, 3))
        assert (await pair.target.own.summaries(ref.session_id))[0].version == LIMITS.summary_versions + 2

    async def test_what_was_left_to_a_batch_is_unread_in_the_other_store(self, pair: Pair) -> None:
        ref = await spoken(pair.source, 5)
        await say(pair.source, ref, "more", 5)
        claim = await claimed(pair.source, ref, asked=True)
        left = SummaryOutcome(left=True, read=2, read_tokens=10, cold=Cold(1, 2, "bat_1"))
        await pair.source.own.end_summary(claim, left)
        await pair.move()
        await same_in_both(pair, Unit("session", "acme", ref.session_id))
        before, after = [await claimed(desk, ref, asked=True) for desk in (pair.source, pair.target)]
        assert (before.read, before.cold) == (2, Cold(1, 2, "bat_1"))
        assert (after.read, after.cold) == (1, None)

    async def test_the_summary_that_a_pin_builds_on_moves_too(self, pair: Pair) -> None:
        ref = await spoken(pair.source, MANY)
        await pair.source.own.end_summary(await claimed(pair.source, ref), summary("first", 1, MANY))
        claim = await pair.source.claim(await pair.source.accept("Hello", session_id=ref.session_id))
        outcome = replace(pair.source.answered(claim, "Hi!"), pin="{}", pinned_summary=1)
        await pair.source.own.commit(claim, outcome)
        await pair.source.own.end_summary(await claimed(pair.source, ref, asked=True), summary("second", 3, 20))
        await pair.move()
        await same_in_both(pair, Unit("session", "acme", ref.session_id))
        for desk in (pair.source, pair.target):
            held = await desk.claim(await desk.accept("Again", session_id=ref.session_id))
            assert held.summary is not None
            assert held.pinned_summary is not None
            assert (held.summary.value, held.pinned_summary.value) == ("second", "first")

    async def test_what_is_due_is_due_in_the_target_at_its_time(self, pair: Pair) -> None:
        now, later = await spoken(pair.source, MANY), await spoken(pair.source, 5)
        put_off = await spoken(pair.source, MANY)
        await pair.source.own.end_summary(await claimed(pair.source, put_off), SummaryOutcome(again_in_ms=MINUTE))
        await pair.move()
        assert await due(pair.target, now)
        assert not await due(pair.target, later)
        assert not await due(pair.target, put_off)
        pair.target.clock.pass_(2 * MINUTE)
        assert await due(pair.target, put_off)
        pair.target.clock.pass_(LIMITS.summary_idle_ms)
        assert (await claimed(pair.target, later)).reason == "idle"

    @pytest.mark.parametrize("asked", [False, True])
    async def test_a_job_in_flight_stays_and_is_due_again(self, pair: Pair, *, asked: bool) -> None:
        ref = await spoken(pair.source, 5 if asked else MANY)
        claim = await claimed(pair.source, ref, asked=asked)
        await pair.move()
        assert (await pair.target.own.end_summary(claim, summary("late", 1, 5))).verdict == "stale"
        assert await due(pair.target, ref)
        again = await claimed(pair.target, ref)
        assert again.token.number > claim.token.number
        assert again.reason == claim.reason
        assert (await pair.target.own.end_summary(again, summary("right", 1, 5))).verdict == "committed"

    async def test_digests_move_with_the_memory_of_their_customer(self, pair: Pair) -> None:
        refs = []
        for number in range(3):
            refs.append(await ended(pair.source, f"d{number} ü"))
            pair.source.clock.pass_(MINUTE)
        await pair.source.own.put_memory("cust-1", "\x1fkey", 1, "note")
        await pair.move()
        await same_in_both(pair, Unit("memory", "acme", "cust-1"))
        there = await pair.target.own.digests("cust-1", 10)
        assert there == await pair.source.own.digests("cust-1", 10)
        assert [digest.session_id for digest in there] == [ref.session_id for ref in reversed(refs)]
        assert [entry.key for entry in (await pair.target.own.memories("cust-1", None, None, 9, None)).items] == [
            "\x1fkey"
        ]
        claim = await pair.target.claim(await pair.target.accept())
        assert [digest.value for digest in claim.digests] == ["d2 ü", "d1 ü", "d0 ü"]

    async def test_a_customer_with_digests_only_moves(self, pair: Pair) -> None:
        await ended(pair.source, "d")
        assert (await pair.mover(live=True).run_pass()).copied == 2
        assert (await pair.mover(live=True).run_pass()).copied == 0
        assert await pair.target.own.digests("cust-1", 10) == await pair.source.own.digests("cust-1", 10)

    async def test_a_deleted_session_takes_its_digest_along_in_the_target_too(self, pair: Pair) -> None:
        first, second = await ended(pair.source, "one"), await ended(pair.source, "two")
        await pair.mover(live=True).run_pass()
        await pair.source.own.delete_session(first.session_id)
        await pair.move()
        assert [digest.session_id for digest in await pair.target.own.digests("cust-1", 10)] == [second.session_id]
        await pair.target.own.delete_session(second.session_id)
        assert await pair.target.own.digests("cust-1", 10) == ()

    async def test_nothing_is_left_in_the_target_of_what_was_deleted(self, pair: Pair) -> None:
        ref = await ended(pair.source, "one")
        claim = await claimed(pair.source, ref, asked=True)
        await pair.source.own.end_summary(claim, summary("s", 1, 5))
        await pair.mover(live=True).run_pass()
        assert await pair.target.inside.names() != set()
        await pair.source.own.delete_session(ref.session_id)
        await pair.mover(live=True).run_pass()
        assert await pair.target.inside.names() == set()

    async def test_a_copy_takes_over_what_was_summarised_since(self, pair: Pair) -> None:
        ref = await spoken(pair.source, MANY)
        long = "Größe 42 " * 40_000  # 440 KB: two pieces on DynamoDB
        for text in (long, "short"):
            claim = await claimed(pair.source, ref, asked=True)
            await pair.source.own.end_summary(claim, summary(text, 1, claim.behind))
            await pair.move()
            await same_in_both(pair, Unit("session", "acme", ref.session_id))
        assert [each.value for each in await pair.target.own.summaries(ref.session_id)] == ["short", long]
        assert not await due(pair.target, ref)

    async def test_all_of_it_can_be_moved_back(self, pair: Pair) -> None:
        ref = await ended(pair.source, "first")
        await pair.move()
        target = pair.target
        await target.own.update_session(ref.session_id, SessionPatch(status="open"))
        await say(target, ref, "More", MANY)
        claim = await claimed(target, ref, asked=True)
        await target.own.end_summary(claim, summary("s", 2, claim.behind))
        await target.own.update_session(ref.session_id, SessionPatch(status="closed"))
        await target.own.end_summary(await claimed(target, ref), SummaryOutcome(digest="second"))
        await pair.turned().move()
        assert [each.value for each in await pair.source.own.summaries(ref.session_id)] == ["s"]
        assert [(each.value, each.messages) for each in await pair.source.own.digests("cust-1", 9)] == [("second", 2)]
        assert not await due(pair.source, ref)

    async def test_digests_are_kept_as_long_as_they_would_have_been(self, pair: Pair) -> None:
        await ended(pair.source, "d")
        await pair.move()
        bucket = bucket_of("acme", "cust-1")
        await pair.target.own.create_session(pair.target.ids.session(bucket), NewSession("cust-1"))
        pair.target.clock.pass_(300 * DAY)
        while await pair.target.store.sweep(bucket, 100):
            pass
        assert len(await pair.target.own.digests("cust-1", 10)) == 1
