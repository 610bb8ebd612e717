"""Hooks: found by their id alone, changed by whoever was first, listed by their tenant and by no other."""

from __future__ import annotations

import asyncio

import pytest

from shared.errors import SessionClosed
from shared.storage.hooks import PLACE_MS, KeptHook
from shared.storage.types import SessionPatch
from tests.contract.store import HOUR, SECOND, Desk

ONE, TWO = "hook_01jd3m0q8w0000000000000001", "hook_01jd3m0q8w0000000000000002"


class HookContract:
    """What a store promises of hooks."""

    async def test_a_hook_is_found_by_its_id_alone(self, desk: Desk) -> None:
        assert await desk.store.find_hook(ONE) is None
        assert await desk.own.put_hook(ONE, '{"a": "é b"}', 0)
        assert await desk.store.find_hook(ONE) == KeptHook(ONE, "acme", '{"a": "é b"}', 1)
        assert await desk.store.find_hook(TWO) is None

    async def test_it_is_changed_by_whoever_was_first(self, desk: Desk) -> None:
        assert await desk.own.put_hook(ONE, "one", 0)
        assert not await desk.own.put_hook(ONE, "other", 0)
        assert await desk.own.put_hook(ONE, "two", 1)
        assert not await desk.own.put_hook(ONE, "late", 1)
        assert not await desk.own.put_hook(TWO, "never made", 3)
        kept = await desk.store.find_hook(ONE)
        assert kept is not None
        assert (kept.value, kept.version) == ("two", 2)
        assert await desk.store.find_hook(TWO) is None

    async def test_one_of_many_who_change_it_at_once_does(self, desk: Desk) -> None:
        assert await desk.own.put_hook(ONE, "one", 0)
        done = await asyncio.gather(*(desk.own.put_hook(ONE, f"by {number}", 1) for number in range(8)))
        assert sum(done) == 1

    @pytest.mark.parametrize("version", [0, 1])
    async def test_a_lost_answer_is_asked_for_again(self, desk: Desk, version: int) -> None:
        if version:
            assert await desk.own.put_hook(ONE, "zero", 0)
        desk.inside.lose_the_next_answer("put_hook")
        assert await desk.own.put_hook(ONE, "one", version)
        kept = await desk.store.find_hook(ONE)
        assert kept is not None
        assert (kept.value, kept.version) == ("one", version + 1)

    async def test_another_tenant_neither_changes_nor_removes_nor_lists_it(self, desk: Desk) -> None:
        other = desk.of("globex").own
        assert await desk.own.put_hook(ONE, "one", 0)
        for version in (0, 1, 2):
            assert not await other.put_hook(ONE, "theirs", version)
        assert not await other.delete_hook(ONE)
        assert await other.hooks() == []
        assert await desk.store.find_hook(ONE) == KeptHook(ONE, "acme", "one", 1)

    async def test_hooks_are_listed_by_tenant_in_the_order_made(self, desk: Desk) -> None:
        assert await desk.own.put_hook(TWO, "two", 0)
        assert await desk.own.put_hook(ONE, "one", 0)
        third = f"{ONE[:-1]}3"
        assert await desk.of("globex").own.put_hook(third, "theirs", 0)
        assert [each.id for each in await desk.own.hooks()] == [ONE, TWO]
        assert [each.id for each in await desk.of("globex").own.hooks()] == [third]
        assert [(each.id, each.tenant) for each in await desk.store.all_hooks()] == [
            (ONE, "acme"),
            (TWO, "acme"),
            (third, "globex"),
        ]

    async def test_a_removed_hook_is_gone(self, desk: Desk) -> None:
        assert await desk.own.put_hook(ONE, "one", 0)
        assert await desk.own.delete_hook(ONE)
        assert not await desk.own.delete_hook(ONE)
        assert await desk.store.find_hook(ONE) is None
        assert await desk.own.hooks() == []
        assert await desk.store.all_hooks() == []
        assert not await desk.own.put_hook(ONE, "late", 1)

    async def test_where_a_conversation_is_kept_is_known_for_a_month(self, desk: Desk) -> None:
        conversation = f"{ONE}/app/1"
        assert await desk.own.place(conversation) is None
        await desk.own.put_place(conversation, "ses_1")
        await desk.own.put_place(conversation, "ses_2")
        assert await desk.own.place(conversation) == "ses_2"
        assert await desk.of("globex").own.place(conversation) is None
        assert await desk.own.place(f"{ONE}/app/2") is None
        assert conversation not in await desk.inside.contents()
        desk.clock.pass_(PLACE_MS + SECOND)
        await desk.inside.age(PLACE_MS + SECOND)
        assert await desk.own.place(conversation) is None

    async def test_what_is_recorded_under_a_name_is_recorded_once_in_a_day(self, desk: Desk) -> None:
        request = await desk.turn("Hello")
        session = str(request.session_id)
        first = await desk.own.record(
            session, desk.message("I am Jonas", role="assistant"), backdated=False, once="m-1"
        )
        assert first.seq == 3
        desk.clock.pass_(20 * HOUR)
        await desk.inside.age(20 * HOUR)
        for name, seq in (("m-1", 3), ("m-2", 4), ("m-1", 3)):
            again = desk.message("I am Jonas", role="assistant")
            assert (await desk.own.record(session, again, backdated=False, once=name)).seq == seq
        texts = await desk.transcript(request)
        assert texts == ["Hello", "Re: Hello", "I am Jonas", "I am Jonas"]

    async def test_what_was_refused_under_a_name_may_be_tried_again(self, desk: Desk) -> None:
        request = await desk.turn("Hello")
        session = str(request.session_id)
        await desk.own.update_session(session, SessionPatch(status="closed"))
        with pytest.raises(SessionClosed):
            await desk.own.record(session, desk.message("late"), backdated=False, once="m-1")
        await desk.own.update_session(session, SessionPatch(status="open"))
        assert (await desk.own.record(session, desk.message("late"), backdated=False, once="m-1")).seq == 3

    async def test_a_recording_whose_answer_was_lost_stands_once(self, desk: Desk) -> None:
        request = await desk.turn("Hello")
        session = str(request.session_id)
        desk.inside.lose_the_next_answer("record")
        assert (await desk.own.record(session, desk.message("one"), backdated=False, once="m-1")).seq == 3
        assert (await desk.own.record(session, desk.message("two"), backdated=False, once="m-1")).seq == 3
        assert await desk.transcript(request) == ["Hello", "Re: Hello", "one"]
