"""What moves beside units: announcements; and what is told of it meanwhile."""

from __future__ import annotations

from itertools import count

from tests.contract.portable import Pair
from tests.contract.store import LIMITS


class PortableBesideContract:
    """From one store into another, fresh one."""

    async def test_announcements_that_wait_are_made_by_the_target(self, pair: Pair) -> None:
        request = await pair.source.turn("one", metadata={"ticket": 7})
        await pair.move()
        (row,) = await pair.target.due_rows(request)
        assert (row.id, row.metadata) == (f"evt_{request.request_id}", {"ticket": 7})
        assert (await pair.source.due_rows(request)) == [row]

    async def test_what_the_target_announced_is_not_announced_again_after_moving_back(self, pair: Pair) -> None:
        request = await pair.source.turn("one")
        await pair.move()
        (row,) = await pair.target.due_rows(request)
        await pair.target.store.strike(row.bucket, [row.id])
        later = await pair.target.turn("two", session_id=request.session_id)
        await pair.turned().move()
        assert [row.request_id for row in await pair.source.due_rows(request)] == [later.request_id]

    async def test_the_progress_bar_counts_what_it_is_told(self, pair: Pair) -> None:
        own = pair.source.own
        for customer in ("cust-1", "cust-2"):
            await pair.source.turn("one", customer=customer)
            await own.put_memory(customer, "language", "German", "note")
            await own.reserve(f"key of {customer}", "body", pair.source.ids.request("00"))
        await own.put_instructions("Be brief.")
        for _ in range(2):  # once all is new, once all is there
            mover, told = pair.mover(), count()
            mover.on_session = told.__next__
            await mover.run_pass()
            assert next(told) == await mover.size() == 2
            await mover.compare(LIMITS.request_retention_ms, mark=True)
            assert next(told) == 5
