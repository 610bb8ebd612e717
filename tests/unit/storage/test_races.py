"""What happens between an operation's look and its write: the conditions see it, and the operation looks again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.errors import SessionClosed, SessionExpired, StoreUnavailable
from shared.ids import bucket_of
from shared.storage.dynamodb.base import State
from shared.storage.dynamodb.sessions import DynamoSessions
from shared.storage.types import Claim, NewSession, SessionPatch
from tests.contract.listed import messages_of
from tests.contract.store import DAY, HOUR, Desk
from tests.unit.storage.desks import Killable


async def _session(desk: Desk) -> str:
    return (await desk.own.create_session(desk.ids.session(bucket_of("acme", "cust-1")), NewSession("cust-1"))).id


async def test_two_requests_that_bind_a_session_to_the_same_conversation_both_enter(
    desk: Desk, client: Killable
) -> None:
    session = await _session(desk)
    tries = []

    async def other() -> None:
        tries.append("second")
        if len(tries) == 2:  # the first try found the session unbound; this one means to bind it
            await desk.accept("first", session_id=session, conversation_id="conv-1")

    client.overtaken, client.meanwhile = 3, other
    request = await desk.accept("second", session_id=session, conversation_id="conv-1")
    assert len(tries) == 3
    assert (await desk.inside.tickets(desk.ref(request)))[1:] == [request.request_id]
    assert (await desk.own.session(session)).conversation_id == "conv-1"


async def test_a_message_recorded_while_its_session_is_closed_is_refused(desk: Desk, client: Killable) -> None:
    for waits in (False, True):
        session = await _session(desk)
        if waits:
            await desk.accept(session_id=session)
        client.overtaken = 1
        client.meanwhile = lambda session=session: desk.own.update_session(session, SessionPatch(status="closed"))
        with pytest.raises(SessionClosed):
            await desk.own.record(session, desk.message("too late"), backdated=False)
        client.meanwhile = None
        assert (await desk.own.session(session)).message_count == 0


async def test_a_commit_overtaken_by_another_request_commits_and_says_that_there_is_more(
    desk: Desk, client: Killable
) -> None:
    request = await desk.accept()
    claim = await desk.claim(request)
    client.meanwhile = lambda: desk.accept("another", session_id=request.session_id)
    client.overtaken = 2
    done = await desk.answer(claim)
    assert (done.verdict, done.more) == ("committed", True)
    assert len(await desk.inside.tickets(desk.ref(request))) == 2


async def test_a_commit_overtaken_again_and_again_loses_no_reply(desk: Desk, client: Killable) -> None:
    request = await desk.accept()
    claim = await desk.claim(request)
    client.meanwhile = lambda: desk.accept("another", session_id=request.session_id)
    client.overtaken = 20
    with pytest.raises(StoreUnavailable):
        await desk.answer(claim)
    client.meanwhile = None
    assert (await desk.answer(claim, "kept")).verdict == "committed"
    assert await desk.transcript(request) == ["Hello", "kept"]


async def test_a_claim_overtaken_by_another_finds_the_session_held(desk: Desk, client: Killable) -> None:
    request = await desk.accept()
    claims = []

    async def other() -> None:
        claims.append(await desk.claim(request))

    client.meanwhile = other
    late = await desk.look(request)
    assert not isinstance(late, Claim)
    assert late.reason == "busy"
    assert (await desk.answer(claims[0])).verdict == "committed"


async def test_a_session_that_gets_a_ticket_while_it_is_deleted_fails_that_too(desk: Desk, client: Killable) -> None:
    session = await _session(desk)
    late = []

    async def other() -> None:
        late.append(await desk.accept(session_id=session))

    client.meanwhile = other
    await desk.own.delete_session(session)
    record = await desk.own.request(late[0].request_id)
    assert record.failure is not None
    assert record.failure.type == "session-deleted"


async def test_a_session_reopened_while_its_last_turn_ends_is_kept(desk: Desk, client: Killable) -> None:
    request = await desk.accept()
    claim = await desk.claim(request)
    await desk.own.update_session(str(request.session_id), SessionPatch(status="closed"))
    client.meanwhile = lambda: desk.answer(claim)
    session = await desk.own.update_session(str(request.session_id), SessionPatch(status="open"))
    assert (session.status, session.open_requests) == ("open", 0)
    desk.clock.pass_(25 * HOUR)
    with pytest.raises(SessionExpired):
        await desk.accept(session_id=session.id)
    desk.clock.pass_(363 * DAY)
    assert await desk.transcript(request)


async def test_a_turn_that_ends_while_a_page_is_read_is_on_the_next_page(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await desk.turn("first")
    session, ended = str(request.session_id), asyncio.Event()
    read_messages, read_state = DynamoSessions._messages, DynamoSessions._state

    async def messages_before(own: DynamoSessions, *asked: Any) -> list[tuple[int, str]]:
        found = await read_messages(own, *asked)
        if not ended.is_set():
            await desk.turn("second", session_id=session)
            ended.set()
        return found

    async def state_after(own: DynamoSessions, *asked: Any, **more: Any) -> State:
        await ended.wait()
        return await read_state(own, *asked, **more)

    monkeypatch.setattr(DynamoSessions, "_messages", messages_before)
    monkeypatch.setattr(DynamoSessions, "_state", state_after)
    texts = [message.content for message in await messages_of(desk.own, session, 3)]
    assert texts == ["first", "Re: first", "second", "Re: second"]
