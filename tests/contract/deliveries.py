"""Deliveries of callbacks: kept by whoever was first, found when they are due, gone with their request."""

from __future__ import annotations

from shared.clock import from_ms
from shared.ids import bucket_of
from shared.storage.deliveries import DeliveryFacts, DeliveryRef, DeliveryStatus
from shared.storage.types import OF_TENANT, NewRequest
from tests.contract.store import DAY, HOUR, MINUTE, SECOND, Desk

HOOK = "https://hook.example/a"


def facts(desk: Desk, status: DeliveryStatus = "pending", due_in: int | None = 0) -> DeliveryFacts:
    due = None if due_in is None else from_ms(desk.clock.ms + due_in)
    return DeliveryFacts(status, from_ms(desk.clock.ms), due)


async def begun(desk: Desk, customer: str = "cust-1") -> NewRequest:
    """Run a turn that is called back, and begin its delivery."""
    request = await desk.turn("Hello", customer=customer, callback=HOOK)
    assert await desk.own.put_delivery(request.request_id, "one", 0, facts(desk))
    return request


async def due(desk: Desk, customer: str = "cust-1") -> list[DeliveryRef]:
    return await desk.store.due_deliveries(bucket_of(desk.tenant, customer), 100)


class DeliveryContract:
    """What a store promises of callbacks."""

    async def test_the_row_that_ends_a_turn_says_where_it_is_called_back(self, desk: Desk) -> None:
        request = await desk.accept(callback=HOOK)
        claim = await desk.claim(request)
        assert claim.request.callback == HOOK
        (row,) = (await desk.answer(claim)).rows
        assert row.callback == HOOK
        assert [(row.id, row.callback) for row in await desk.due_rows(request)] == [(f"evt_{request.request_id}", HOOK)]

    async def test_a_row_without_a_callback_says_so(self, desk: Desk) -> None:
        (row,) = (await desk.answer(await desk.claim(await desk.accept()))).rows
        assert row.callback is None

    async def test_a_deleted_sessions_open_requests_are_called_back_too(self, desk: Desk) -> None:
        request = await desk.accept(callback=OF_TENANT, metadata={"a": 1})
        await desk.own.delete_session(str(request.session_id))
        (row,) = await desk.due_rows(request)
        assert (row.type, row.callback, row.metadata) == ("chat.reply.failed", OF_TENANT, {"a": 1})
        assert await desk.own.put_delivery(request.request_id, "one", 0, facts(desk))

    async def test_a_delivery_is_kept_by_whoever_was_first(self, desk: Desk) -> None:
        request = await begun(desk)
        assert not await desk.own.put_delivery(request.request_id, "other", 0, facts(desk))
        assert await desk.own.put_delivery(request.request_id, "two", 1, facts(desk))
        assert not await desk.own.put_delivery(request.request_id, "late", 1, facts(desk))
        kept = await desk.own.delivery(request.request_id)
        assert kept is not None
        assert (kept.value, kept.version, kept.status, kept.now) == ("two", 2, "pending", await desk.store.now())

    async def test_a_lost_answer_is_asked_for_again(self, desk: Desk) -> None:
        request = await desk.turn("Hello", callback=HOOK)
        desk.inside.lose_the_next_answer("put_delivery")
        assert await desk.own.put_delivery(request.request_id, "one", 0, facts(desk))
        kept = await desk.own.delivery(request.request_id)
        assert kept is not None
        assert (kept.value, kept.version) == ("one", 1)

    async def test_an_unfinished_or_unknown_request_has_no_delivery(self, desk: Desk) -> None:
        request = await desk.accept(callback=HOOK)
        other = desk.new()
        for request_id in (request.request_id, other.request_id, "no id", f"ses_{request.request_id[4:]}"):
            assert not await desk.own.put_delivery(request_id, "one", 0, facts(desk))
            assert await desk.own.delivery(request_id) is None

    async def test_what_is_due_is_found_and_found_again_only_later(self, desk: Desk) -> None:
        request = await begun(desk)
        ref = DeliveryRef("acme", request.request_id)
        assert await due(desk) == [ref]
        assert await due(desk) == []
        desk.clock.pass_(MINUTE + 1)
        assert await due(desk) == [ref]
        assert await desk.own.put_delivery(request.request_id, "two", 1, facts(desk, due_in=HOUR))
        desk.clock.pass_(MINUTE + 1)
        assert await due(desk) == []
        desk.clock.pass_(HOUR)
        assert await due(desk) == [ref]
        assert await desk.own.put_delivery(request.request_id, "done", 2, facts(desk, "delivered", None))
        desk.clock.pass_(DAY)
        assert await due(desk) == []

    async def test_a_bucket_with_nothing_but_a_callback_to_come_is_visited(self, desk: Desk) -> None:
        request = await begun(desk)
        assert await desk.own.put_delivery(request.request_id, "two", 1, facts(desk, due_in=HOUR))
        rows = await desk.due_rows(request)
        await desk.store.strike(desk.ref(request).bucket, [row.id for row in rows])
        visited = await desk.store.active_buckets()
        assert any(desk.ref(request).bucket.startswith(bucket) for bucket in visited)

    async def test_a_request_outlives_its_retention_while_it_is_called_back(self, desk: Desk) -> None:
        request = await begun(desk)
        desk.clock.pass_(4 * DAY)
        assert (await desk.own.request(request.request_id)).result is not None
        assert await desk.own.delivery(request.request_id) is not None

    async def test_it_goes_with_its_session(self, desk: Desk) -> None:
        request = await begun(desk)
        await desk.own.delete_session(str(request.session_id))
        assert await desk.own.delivery(request.request_id) is None
        assert not await desk.own.put_delivery(request.request_id, "two", 1, facts(desk))
        assert await due(desk) == []
        assert (await desk.own.deliveries(None, 10, None)).items == ()

    async def test_they_are_listed_last_begun_first_in_pages(self, desk: Desk) -> None:
        ids = []
        for number in range(7):
            ids.append((await begun(desk, f"cust-{number}")).request_id)
            desk.clock.pass_(SECOND if number % 2 else 0)
        found: list[str] = []
        cursor, pages = None, 0
        while True:
            page = await desk.own.deliveries(None, 3, cursor)
            found += [each.request_id for each in page.items]
            cursor, pages = page.cursor, pages + 1
            if cursor is None:
                break
        assert sorted(found) == sorted(ids)
        assert found[-2:] == sorted(ids[:2], reverse=True)
        assert 3 <= pages <= 4

    async def test_they_are_listed_by_how_they_stand(self, desk: Desk) -> None:
        first, second, third, fourth = [await begun(desk, f"cust-{number}") for number in range(4)]
        ended = DeliveryFacts("dead", from_ms(desk.clock.ms))
        assert await desk.own.put_delivery(first.request_id, "two", 1, ended)
        assert await desk.own.put_delivery(second.request_id, "two", 1, facts(desk, "delivered", None))
        assert await desk.own.put_delivery(fourth.request_id, "two", 1, facts(desk, "withheld", None))

        async def listed(status: DeliveryStatus | None) -> set[str]:
            return {each.request_id for each in (await desk.own.deliveries(status, 10, None)).items}

        assert await listed("dead") == {first.request_id}
        assert await listed("delivered") == {second.request_id}
        assert await listed("pending") == {third.request_id}
        assert await listed("withheld") == {fourth.request_id}
        assert await listed(None) == {each.request_id for each in (first, second, third, fourth)}
        assert await desk.own.put_delivery(first.request_id, "three", 2, facts(desk))
        assert await listed("dead") == set()
        assert await listed("pending") == {first.request_id, third.request_id}

    async def test_another_tenant_sees_none_of_it(self, desk: Desk) -> None:
        request = await begun(desk)
        other = desk.of("globex").own
        assert await other.delivery(request.request_id) is None
        assert not await other.put_delivery(request.request_id, "two", 1, facts(desk))
        assert (await other.deliveries(None, 10, None)).items == ()

    async def test_an_account_is_kept_by_whoever_was_first(self, desk: Desk) -> None:
        own = desk.own
        assert ((await own.callbacks()).value, (await own.callbacks()).version) == ("", 0)
        assert await own.put_callbacks('{"a": 1}', 0)
        assert not await own.put_callbacks("other", 0)
        assert await own.put_callbacks("two", 1)
        assert not await own.put_callbacks("late", 1)
        assert ((await own.callbacks()).value, (await own.callbacks()).version) == ("two", 2)
        assert (await desk.of("globex").own.callbacks()).version == 0
        assert await desk.store.callback_tenants() == ["acme"]
