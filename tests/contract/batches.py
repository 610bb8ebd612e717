"""Batches of summaries: kept by whoever was first, found until they have ended."""

from __future__ import annotations

from datetime import timedelta

from shared.storage.jobs import KeptPart, RunningPart
from tests.contract.store import MINUTE, Desk
from tests.contract.summaries import claimed, spoken, summary


class BatchContract:
    """Parts of batches, and the sessions that go into them."""

    async def test_a_part_is_kept_by_whoever_was_first(self, desk: Desk) -> None:
        assert await desk.own.batch("bat_1") == ()
        assert await desk.own.put_part("bat_1", 0, "head", 0, running=False)
        assert await desk.own.put_part("bat_1", 1, "one", 0, running=True)
        assert not await desk.own.put_part("bat_1", 1, "other", 0, running=True)
        assert await desk.own.put_part("bat_1", 1, "two", 1, running=True)
        assert not await desk.own.put_part("bat_1", 1, "late", 1, running=True)
        assert await desk.own.batch("bat_1") == (KeptPart(0, "head", 1), KeptPart(1, "two", 2))

    async def test_what_runs_is_found_until_it_has_ended(self, desk: Desk) -> None:
        await desk.own.put_part("bat_1", 2, "a", 0, running=True)
        await desk.of("globex").own.put_part("bat_2", 1, "b", 0, running=True)
        found = await desk.store.running_parts()
        assert sorted(found, key=str) == [RunningPart("acme", "bat_1", 2), RunningPart("globex", "bat_2", 1)]
        await desk.own.put_part("bat_1", 2, "done", 1, running=False)
        assert await desk.store.running_parts() == [RunningPart("globex", "bat_2", 1)]

    async def test_a_write_that_came_too_late_leaves_what_runs_alone(self, desk: Desk) -> None:
        await desk.own.put_part("bat_1", 1, "a", 0, running=True)
        await desk.own.put_part("bat_1", 1, "b", 1, running=True)
        assert not await desk.own.put_part("bat_1", 1, "late", 1, running=False)
        assert await desk.store.running_parts() == [RunningPart("acme", "bat_1", 1)]

    async def test_batches_are_listed_newest_first_and_to_their_tenant_only(self, desk: Desk) -> None:
        ids = [f"bat_{desk.ids.ulid()[:10]}{number:04d}" for number in range(4)]
        for batch_id in ids:
            await desk.own.put_part(batch_id, 0, "head", 0, running=False)
        assert await desk.own.batches(3) == sorted(ids, reverse=True)[:3]
        assert await desk.of("globex").own.batches(3) == []
        assert await desk.of("globex").own.batch(ids[0]) == ()

    async def test_a_lost_answer_is_asked_for_again(self, desk: Desk) -> None:
        desk.inside.lose_the_next_answer("put_part")
        assert await desk.own.put_part("bat_1", 1, "a", 0, running=True)
        assert await desk.own.batch("bat_1") == (KeptPart(1, "a", 1),)

    async def test_idle_sessions_that_no_summary_covers_are_found(self, desk: Desk) -> None:
        covered, idle = await spoken(desk, 50), [await spoken(desk, 50) for _ in range(3)]
        claim = await claimed(desk, covered, asked=True)
        await desk.own.end_summary(claim, summary("s", 1, 50))
        since = await desk.store.now()
        desk.clock.pass_(MINUTE)
        fresh = await spoken(desk, 50)
        other = desk.of("globex")
        await spoken(other, 50)
        assert {each async for each in desk.own.unsummarised(since)} == {ref.session_id for ref in idle}
        every = {each async for each in desk.own.unsummarised(since + timedelta(minutes=2))}
        assert every == {ref.session_id for ref in [*idle, fresh]}
