"""Summaries on DynamoDB: what an ordinary turn leaves alone, what races lose nothing, what is removed and when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import UnknownSession
from shared.ids import SessionRef
from shared.storage.dynamodb.base import SUMMARY
from shared.storage.jobs import SummaryClaim, SummaryOutcome
from shared.storage.types import Claim, SessionPatch
from tests.contract.dynamodb_desk import WRITES
from tests.contract.store import DAY, HOUR, LIMITS, MINUTE, Desk
from tests.contract.summaries import claimed, due, say, spoken, summary
from tests.unit.storage.desks import Killable, Killed, sweep

MANY = LIMITS.summary_threshold_tokens + 1


async def commit(desk: Desk, claim: Claim, tokens: int) -> None:
    """Commit a turn whose message has so many tokens."""
    outcome = desk.answered(claim, "Hi!")
    await desk.own.commit(claim, replace(outcome, user=outcome.user.model_copy(update={"tokens": tokens})))


async def ended(desk: Desk, digest: str = "d") -> SessionRef:
    """Return a session that is over, and has a summary, earlier ones, and a digest."""
    ref = await spoken(desk, MANY)
    for number in range(3):
        await desk.own.end_summary(await claimed(desk, ref, asked=True), summary(f"s{number}", 1, 0))
    await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
    await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome(digest=digest))
    return ref


def overtake(client: Killable, act: Callable[[], Awaitable[Any]]) -> None:
    """Let something happen before the next write."""
    client.overtaken, client.meanwhile = 1, act


async def of_session(client: Killable, ref: SessionRef) -> list[str]:
    """Return the names of what is kept of a session's summary."""
    names = [name.split(" ", 1) for name in await client.names()]
    return [sk for pk, sk in names if pk.endswith(ref.session_id) and sk.startswith((SUMMARY, "earlier/"))]


async def test_turns_leave_the_summary_alone_until_it_is_due(desk: Desk, client: Killable) -> None:
    request = await desk.turn("first")
    client.asked.clear()
    for number in range(5):
        desk.clock.pass_(MINUTE)
        await desk.turn(f"{number}", session_id=request.session_id)
    written = [str(arguments) for operation, arguments in client.asked if operation in WRITES]
    assert written
    assert not [text for text in written if SUMMARY in text]


async def test_who_looks_too_early_looks_again_at_the_right_time(desk: Desk, client: Killable) -> None:
    ref = await spoken(desk, 5)
    desk.clock.pass_(LIMITS.summary_idle_ms - MINUTE)
    await say(desk, ref, "Still here", 5)
    desk.clock.pass_(MINUTE)
    assert not await due(desk, ref)  # the index had it, from the first message
    client.asked.clear()
    assert not await due(desk, ref)
    assert [operation for operation, _ in client.asked] == ["query"]
    desk.clock.pass_(LIMITS.summary_idle_ms - MINUTE)
    assert await due(desk, ref)


async def test_those_found_too_early_do_not_hide_those_that_are_due(desk: Desk) -> None:
    early = [await spoken(desk, 5) for _ in range(4)]
    desk.clock.pass_(LIMITS.summary_idle_ms)
    for ref in early:
        await say(desk, ref, "Still here", 5)
    late = await spoken(desk, MANY)
    found = await desk.store.due_summaries(late.bucket, 2)
    assert [each.ref for each in found] == [late]


async def test_a_job_that_ends_during_a_turn_does_not_hide_what_the_turn_makes_due(desk: Desk) -> None:
    ref = await spoken(desk, MANY)
    turn = await desk.claim(await desk.accept("Hello", session_id=ref.session_id))
    job = await claimed(desk, ref)
    await desk.own.end_summary(job, summary("s", 1, job.behind))
    await commit(desk, turn, MANY)
    desk.clock.pass_(LIMITS.lease_ms)
    assert await due(desk, ref)
    assert (await claimed(desk, ref)).reason == "threshold"


async def test_a_job_overtaken_by_a_turn_does_not_hide_what_the_turn_makes_due(desk: Desk, client: Killable) -> None:
    ref = await spoken(desk, MANY)
    job = await claimed(desk, ref)

    async def turn() -> None:
        claim = await desk.claim(await desk.accept("Hello", session_id=ref.session_id))
        await commit(desk, claim, MANY)

    overtake(client, turn)
    assert (await desk.own.end_summary(job, summary("s", 1, job.behind))).verdict == "committed"
    assert await due(desk, ref)


async def test_a_look_overtaken_by_a_message_does_not_hide_it(desk: Desk, client: Killable) -> None:
    ref = await spoken(desk, 5)
    desk.clock.pass_(LIMITS.summary_idle_ms)
    await say(desk, ref, "Still here", 5)
    overtake(client, lambda: say(desk, ref, "And much to say", MANY))
    assert not await due(desk, ref)
    assert await due(desk, ref)


async def test_a_message_recorded_while_a_job_ends_is_not_forgotten(desk: Desk, client: Killable) -> None:
    ref = await spoken(desk, MANY)
    job = await claimed(desk, ref)
    overtake(client, lambda: desk.own.end_summary(job, summary("s", 1, job.behind)))
    await say(desk, ref, "And?", 5)
    desk.clock.pass_(LIMITS.summary_idle_ms)
    assert await due(desk, ref)
    assert (await claimed(desk, ref)).behind == 5


async def test_a_session_closed_while_something_is_said_is_due(desk: Desk, client: Killable) -> None:
    ref = await spoken(desk, 5)
    await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
    await desk.own.end_summary(await claimed(desk, ref), SummaryOutcome(digest="d"))
    await desk.own.update_session(ref.session_id, SessionPatch(status="open"))
    overtake(client, lambda: say(desk, ref, "Wait", 5))
    await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
    assert await due(desk, ref)


async def test_a_session_closed_during_a_turn_is_due_when_that_has_ended(desk: Desk) -> None:
    ref = await spoken(desk, 5)
    turn = await desk.claim(await desk.accept("Hello", session_id=ref.session_id))
    await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
    await commit(desk, turn, 5)
    desk.clock.pass_(LIMITS.lease_ms)
    assert (await claimed(desk, ref)).reason == "ended"
    assert await due(desk, ref) is False


async def test_two_that_claim_at_once_get_one_job(desk: Desk, client: Killable) -> None:
    ref = await spoken(desk, MANY)
    quick: list[SummaryClaim] = []

    async def other() -> None:
        quick.append(await claimed(desk, ref))

    overtake(client, other)
    assert await desk.own.claim_summary(ref.session_id, desk.ids.ulid(), force=True) is None
    assert quick[0].token.number == 1


async def test_a_digest_made_while_its_session_is_deleted_is_gone_too(desk: Desk, client: Killable) -> None:
    ref = await spoken(desk, 5)
    await desk.own.update_session(ref.session_id, SessionPatch(status="closed"))
    job = await claimed(desk, ref)

    tries = []

    async def end() -> None:
        tries.append(1)
        if len(tries) == 2:  # the first write tells the customer's memory; this one ends the session
            assert (await desk.own.end_summary(job, SummaryOutcome(digest="d"))).verdict == "committed"

    client.overtaken, client.meanwhile = 2, end
    await desk.own.delete_session(ref.session_id)
    assert len(tries) == 2
    assert await desk.own.digests("cust-1", 10) == ()


async def test_a_claim_while_its_session_is_deleted_leaves_nothing(desk: Desk, client: Killable) -> None:
    ref = await spoken(desk, MANY)
    overtake(client, lambda: desk.own.delete_session(ref.session_id))
    assert await desk.own.claim_summary(ref.session_id, desk.ids.ulid(), force=True) is None
    assert await of_session(client, ref) == []


async def test_a_shorter_summary_leaves_nothing_of_a_longer_one(desk: Desk, client: Killable) -> None:
    ref = await spoken(desk, MANY)
    long = "x" * 800_000
    for text in (long, "short"):
        await desk.own.end_summary(await claimed(desk, ref, asked=True), summary(text, 1, 0))
    assert [kept.value for kept in await desk.own.summaries(ref.session_id)] == ["short", long]
    claim = await desk.claim(await desk.accept("Hello", session_id=ref.session_id))
    assert claim.summary is not None
    assert claim.summary.value == "short"
    assert sorted(await of_session(client, ref)) == [
        *(f"earlier/00000001/{number:03d}" for number in (1, 2, 3)),
        *("~sum", "~sum/001"),
    ]


async def test_earlier_versions_that_are_not_kept_are_removed(desk: Desk, client: Killable) -> None:
    ref = await spoken(desk, 5)
    for number in range(LIMITS.summary_versions + 3):
        await desk.own.end_summary(await claimed(desk, ref, asked=True), summary(f"s{number}", 1, 0))
    assert len([name for name in await of_session(client, ref) if name.startswith("earlier/")]) == (
        LIMITS.summary_versions - 1
    )


async def test_a_removal_cut_off_at_any_write_leaves_nothing_of_summaries(desk: Desk, client: Killable) -> None:
    ref, other = await ended(desk, "one"), await ended(desk, "other")
    before = await client.everything()
    cuts = 0
    while True:
        client.writes_left = cuts
        with suppress(Killed):
            await desk.own.delete_session(ref.session_id)
        finished, client.writes_left = client.writes_left > 0, None
        with suppress(UnknownSession):  # where nothing had been written, it is asked again
            await desk.own.delete_session(ref.session_id)
        assert [digest.session_id for digest in await desk.own.digests("cust-1", 10)] == [other.session_id]
        assert not await due(desk, ref)
        desk.clock.pass_(MINUTE)
        await sweep(desk)
        assert await of_session(client, ref) == []
        assert len(await of_session(client, other)) == 4
        if finished:
            break
        await client.restore(before)
        cuts += 1
    assert cuts > 6


async def test_a_digest_outlives_its_session_and_goes_with_the_customers_memory(desk: Desk, client: Killable) -> None:
    await ended(desk)
    desk.clock.pass_(200 * DAY)
    await desk.turn("Hello")
    desk.clock.pass_(166 * DAY)
    await sweep(desk)
    assert not [name for name in await client.names() if "earlier/" in name]
    desk.clock.pass_(DAY)
    await sweep(desk)
    assert len(await desk.own.digests("cust-1", 10)) == 1
    desk.clock.pass_(200 * DAY)
    for _ in range(2):
        await sweep(desk)
        desk.clock.pass_(DAY + HOUR)
    assert await desk.own.digests("cust-1", 10) == ()
    assert {name for name in await client.names() if "/cus/" in name} == set()


@pytest.mark.parametrize("digest", [None, "d"])
async def test_making_a_summary_does_not_keep_a_session_longer(desk: Desk, digest: str | None) -> None:
    ref = await spoken(desk, 5)
    desk.clock.pass_(300 * DAY)
    claim = await claimed(desk, ref, asked=True)
    await desk.own.end_summary(claim, summary("s", 1, 5) if digest is None else SummaryOutcome(digest=digest))
    desk.clock.pass_(66 * DAY)
    with pytest.raises(UnknownSession):
        await desk.own.summaries(ref.session_id)
