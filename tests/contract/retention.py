"""Retention: what nobody has touched for so long goes with all that was made of it, and nothing goes before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.errors import UnknownSession
from shared.ids import SessionRef, bucket_of
from tests.contract.erasure import ANNA, erase, left_of, remembered, talked
from tests.contract.recall_index import put
from tests.contract.store import DAY, MEMORY_LIMITS, MINUTE, Desk

RETENTION = MEMORY_LIMITS.memory_retention_ms


async def pass_(desk: Desk, ms: int) -> None:
    """Let time pass by every clock, and the sweep go round."""
    desk.clock.pass_(ms)
    await desk.inside.age(ms)
    while await desk.store.sweep(bucket_of(desk.tenant, ANNA), 100):
        pass


async def announced(desk: Desk) -> None:
    """Announce what is to be announced."""
    bucket = bucket_of(desk.tenant, ANNA)
    desk.clock.pass_(MINUTE)
    while rows := await desk.store.take_rows(bucket, 100):
        await desk.store.strike(bucket, [row.id for row in rows])


async def kept(desk: Desk, ref: SessionRef) -> dict[str, int]:
    """Return how much there is of each kind."""
    try:
        transcript = len((await desk.own.messages(ref.session_id, 10, 0)).items)
        summaries = len(await desk.own.summaries(ref.session_id))
    except UnknownSession:
        transcript = summaries = 0
    return {
        "messages": transcript,
        "summaries": summaries,
        "digests": len(await desk.own.digests(ANNA, 10)),
        "entries": len((await desk.own.memories(ANNA, None, None, 10, None)).items),
        "pieces": len((await desk.own.index_changes(ANNA, None)).pieces),
    }


ALL = {"messages": 3, "summaries": 2, "digests": 1, "entries": 3, "pieces": 2}


class RetentionContract:
    """The rules, for any store."""

    limits = MEMORY_LIMITS

    async def test_everything_is_kept_until_then_and_nothing_after(self, desk: Desk) -> None:
        ref, _ = await talked(desk)
        await remembered(desk)
        await announced(desk)
        await pass_(desk, RETENTION - 5 * MINUTE)
        assert await kept(desk, ref) == ALL
        await pass_(desk, 10 * MINUTE)
        assert (await kept(desk, ref))["messages"] == 0
        for _ in range(2):  # a customer's memory may go within a day
            await pass_(desk, DAY)
        assert await kept(desk, ref) == dict.fromkeys(ALL, 0)
        assert await left_of(desk) == []

    async def test_what_is_made_off_the_reply_path_is_no_activity(self, desk: Desk) -> None:
        ref, _ = await talked(desk)
        await announced(desk)
        await pass_(desk, RETENTION - DAY)
        await desk.own.reindex(ref.session_id)
        assert await desk.own.claim_summary(ref.session_id, desk.ids.ulid(), force=True) is not None
        for _ in range(3):
            await pass_(desk, DAY)
        assert await kept(desk, ref) == dict.fromkeys(ALL, 0)

    async def test_a_customer_who_comes_back_keeps_entries_and_digests_but_no_old_transcript(self, desk: Desk) -> None:
        old, _ = await talked(desk)
        await remembered(desk)
        await pass_(desk, RETENTION - DAY)
        new = await desk.turn("I am back", customer=ANNA)
        await announced(desk)
        for _ in range(3):
            await pass_(desk, DAY)
        with pytest.raises(UnknownSession):
            await desk.own.messages(old.session_id, 10, 0)
        with pytest.raises(UnknownSession):
            await desk.own.summaries(old.session_id)
        assert len((await desk.own.messages(str(new.session_id), 10, 0)).items) == 2
        claim = await desk.claim(await desk.accept("And?", ANNA))
        assert (len(claim.digests), len(claim.memory)) == (1, 3)

    async def test_the_index_lets_go_of_a_session_past_its_retention(self, desk: Desk) -> None:
        old, _ = await talked(desk)
        await pass_(desk, RETENTION - DAY)
        new = await desk.turn("I am back", customer=ANNA)
        await announced(desk)
        for _ in range(3):
            await pass_(desk, DAY)
        await put(desk, desk.ref(new), b"new")
        assert [each.value for each in (await desk.own.index_changes(ANNA, None)).pieces] == [b"new"]
        assert await desk.own.turns(ANNA, [(old.session_id, 1)], 1000) == []


class ForEverContract:
    """The rules without an end, for any store."""

    limits = replace(MEMORY_LIMITS, memory_retention_ms=0)

    async def test_with_no_retention_everything_is_kept(self, desk: Desk) -> None:
        ref, _ = await talked(desk)
        await remembered(desk)
        for _ in range(3):
            await pass_(desk, 2 * RETENTION)
        assert await kept(desk, ref) == ALL
        await erase(desk)
