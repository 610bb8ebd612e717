"""Who handles a session, and bursts, as they move between stores."""

from __future__ import annotations

from shared.storage.types import NotClaimed, SessionPatch
from tests.contract.bursts import HOOK, WINDOW, said
from tests.contract.portable import Pair, unit_of
from tests.contract.store import MINUTE


class PortableHandlingContract:
    """From one store into another, fresh one."""

    async def test_a_burst_that_waits_goes_on_waiting_in_the_target(self, pair: Pair) -> None:
        one, two = await said(pair.source, "one", "two")
        await pair.move()
        pair.target.clock.ms = pair.source.clock.ms
        assert await pair.target.look(one) == NotClaimed("parked")
        pair.target.clock.pass_(WINDOW)
        assert await pair.target.store.overdue(pair.target.ref(one).bucket, 10) == [(pair.target.ref(one), False)]
        claim = await pair.target.claim(one)
        assert [each.id for each in claim.requests] == [one.request_id, two.request_id]

    async def test_a_burst_that_was_claimed_stays_as_it_was_fixed(self, pair: Pair) -> None:
        one, two = await said(pair.source, "one", "two")
        pair.source.clock.pass_(WINDOW)
        claim = await pair.source.claim(one)
        assert await pair.source.own.park(claim, MINUTE, "overloaded", asked=True)
        await pair.source.accept("three", session_id=one.session_id, coalesce_ms=WINDOW)
        await pair.move()
        pair.target.clock.ms = pair.source.clock.ms + MINUTE
        again = await pair.target.claim(one)
        assert [each.id for each in again.requests] == [one.request_id, two.request_id]
        await pair.target.answer(again, "both")
        assert [each.message for each in (await pair.target.claim(one)).requests] == ["three"]

    async def test_an_answered_burst_and_its_handler_are_the_same_in_both(self, pair: Pair) -> None:
        requests = await said(pair.source, "one", "two", callback=HOOK)
        pair.source.clock.pass_(WINDOW)
        await pair.source.answer(await pair.source.claim(requests[0]), "both")
        session = str(requests[0].session_id)
        await pair.source.own.update_session(session, SessionPatch(handler="human"))
        await pair.move()
        one, other = await pair.dumps(unit_of(pair.source, requests[0]))
        assert one is not None
        assert other is not None
        assert one.stamp == other.stamp
        assert (await pair.target.own.session(session)).handler == "human"
        for request in requests:
            kept = await pair.target.own.request(request.request_id)
            assert kept == await pair.source.own.request(request.request_id)
            assert kept.result is not None
            assert kept.result.reply == "both"
