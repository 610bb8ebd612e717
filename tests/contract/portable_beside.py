"""What moves beside units: announcements; and what is told of it meanwhile."""

from __future__ import annotations

from itertools import count

from tests.contract.erasure import erase
from tests.contract.merging import merge
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

    async def test_who_was_merged_is_so_in_the_target(self, pair: Pair) -> None:
        source, target = pair.source, pair.target
        first = await source.turn("one", customer="anon", conversation_id="chat-1")
        waiting = await source.accept("two", "anon", conversation_id="chat-1")
        await source.own.put_memory("anon", "order", "A-1", "note")
        await source.turn("Hello", customer="other")
        await merge(source, "anon", "cust-1")
        await merge(source, "other", "cust-1")
        await pair.move()
        await target.answer(await target.claim(waiting))
        assert (await target.own.request(first.request_id)).status == "succeeded"
        assert len((await target.own.sessions("anon", 9, None)).items) == 2
        for customer in ("anon", "cust-1"):
            again = await target.turn("more", customer=customer, conversation_id="chat-1")
            assert again.session_id == first.session_id
        assert not await target.own.merge_customer("anon", "cust-1")
        await erase(target, "cust-1")
        contents = await target.inside.contents()
        assert [word for word in ("anon", "other", "cust-1", "A-1") if word in contents] == []

    async def test_a_merge_between_two_passes_is_followed(self, pair: Pair) -> None:
        source, target = pair.source, pair.target
        first = await source.turn("one", customer="anon", conversation_id="chat-1")
        await source.own.put_memory("anon", "order", "A-1", "note")
        await pair.mover(live=True).run_pass()
        await merge(source, "anon", "cust-1")
        await source.turn("two", customer="cust-1", conversation_id="chat-1")
        await pair.mover(live=True).run_pass()
        await pair.move()
        (session,) = (await target.own.sessions("cust-1", 9, None)).items
        assert (session.id, session.message_count) == (first.session_id, 4)
        assert (await target.own.memories("anon", None, None, 9, None)).items[0].value == "A-1"
        assert (await target.turn("more", customer="anon", conversation_id="chat-1")).session_id == first.session_id

    async def test_a_merge_under_way_is_ended_before(self, pair: Pair) -> None:
        for number in range(12):
            await pair.source.turn(f"{number}", customer="anon")
        assert await pair.source.own.merge_customer("anon", "cust-1")
        await pair.move()
        assert len((await pair.target.own.sessions("cust-1", 50, None)).items) == 12
        assert not await pair.source.own.merge_customer("anon", "cust-1")

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
