"""Answers lost on the way: every operation is asked again, and has happened once."""

from __future__ import annotations

from shared.ids import bucket_of
from shared.storage.types import NewSession, SessionPatch
from tests.contract.store import SECOND, Desk


class LostAnswerContract:
    """What every store must promise of an answer that was lost."""

    async def test_accept(self, desk: Desk) -> None:
        desk.inside.lose_the_next_answer("accept")
        request = await desk.accept()
        assert (await desk.own.session(str(request.session_id))).open_requests == 1

    async def test_claim(self, desk: Desk) -> None:
        request = await desk.accept()
        desk.inside.lose_the_next_answer("claim")
        assert (await desk.claim(request)).token.number == 1

    async def test_commit(self, desk: Desk) -> None:
        request = await desk.accept("one")
        claim = await desk.claim(request)
        desk.inside.lose_the_next_answer("commit")
        assert (await desk.answer(claim, "two")).verdict == "committed"
        assert await desk.transcript(request) == ["one", "two"]

    async def test_park(self, desk: Desk) -> None:
        request = await desk.accept()
        claim = await desk.claim(request)
        desk.inside.lose_the_next_answer("park")
        assert await desk.own.park(claim, SECOND, "later", asked=True)
        assert (await desk.own.request(request.request_id)).attempts == 1

    async def test_create_session(self, desk: Desk) -> None:
        desk.inside.lose_the_next_answer("create_session")
        await desk.own.create_session(desk.ids.session(bucket_of("acme", "cust-1")), NewSession("cust-1"))
        assert len((await desk.own.sessions("cust-1", 10, None)).items) == 1

    async def test_record(self, desk: Desk) -> None:
        request = await desk.turn("one")
        desk.inside.lose_the_next_answer("record")
        recorded = await desk.own.record(str(request.session_id), desk.message("three"), backdated=False)
        assert recorded.seq == 3
        assert await desk.transcript(request) == ["one", "Re: one", "three"]

    async def test_close(self, desk: Desk) -> None:
        request = await desk.turn("one")
        desk.inside.lose_the_next_answer("update_session")
        session = await desk.own.update_session(str(request.session_id), SessionPatch(status="closed"))
        assert session.status == "closed"

    async def test_delete_session(self, desk: Desk) -> None:
        request = await desk.accept("one")
        desk.inside.lose_the_next_answer("delete_session")
        await desk.own.delete_session(str(request.session_id))
        assert len(await desk.due_rows(request)) == 1

    async def test_put_memory(self, desk: Desk) -> None:
        desk.inside.lose_the_next_answer("put_memory")
        entry, new = await desk.own.put_memory("cust-1", "key", [], "note")
        assert (entry.version, entry.history, new) == (1, [], True)
        desk.inside.lose_the_next_answer("put_memory")
        entry, new = await desk.own.put_memory("cust-1", "key", {"a": None}, "note")
        assert (entry.version, len(entry.history), new) == (2, 1, False)

    async def test_delete_memory(self, desk: Desk) -> None:
        await desk.own.put_memory("cust-1", "key", 1, "note")
        desk.inside.lose_the_next_answer("delete_memory")
        await desk.own.delete_memory("cust-1", "key")

    async def test_put_instructions(self, desk: Desk) -> None:
        desk.inside.lose_the_next_answer("put_instructions")
        assert (await desk.own.put_instructions("Be brief.")).version == 1
