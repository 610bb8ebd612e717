"""Failed requests that are asked again: what failed together is answered together."""

from __future__ import annotations

import asyncio

import pytest

from shared.conversation.replay import TOGETHER_MS, replay
from shared.errors import ClaudeFailed, NotReplayable
from shared.ids import Ids
from shared.models import Attachment
from shared.storage.types import NewRequest
from tests.unit.test_burst import said, texts_of
from tests.unit.turns import Office, raises, says

HOOK = "hook:hook_01"
PHOTO = Attachment(name="photo.png")


async def failed_burst(office: Office) -> list[NewRequest]:
    """Let a burst of three fail."""
    requests = await said(office.desk, "Hi", "where is my parcel?", "order 4711", callback=HOOK, handoff=True)
    office.claude.script = [raises(ClaudeFailed("refused", "no"))]
    assert (await office.advance(requests[0])).outcome == "claude-refused"
    return requests


@pytest.mark.parametrize("asked", [[0], [2], [1, 0, 2]])
async def test_a_burst_is_replayed_as_one_whichever_of_it_is_asked_for(office: Office, asked: list[int]) -> None:
    desk, requests = office.desk, await failed_burst(office)
    for number in asked:
        failed = await desk.own.request(requests[number].request_id)
        told = await replay(desk.own, Ids(), failed)
        assert (await desk.own.request(told.request_id)).replay_of == failed.id
    desk.clock.pass_(TOGETHER_MS)
    office.claude.script = [says("On its way")]
    assert (await office.advance(requests[0])).outcome == "succeeded"
    assert (await office.advance(requests[0])).outcome == "idle"
    assert texts_of(office.claude.prompts[-1])[-3:] == [
        ("user", "Hi"),
        ("user", "where is my parcel?"),
        ("user", "order 4711"),
    ]
    again = [await desk.own.request(name) for name in told.requests]
    assert [each.replay_of for each in again] == [request.request_id for request in requests]
    assert [each.result.reply for each in again if each.result] == ["On its way"] * 3
    assert all(each.handoff and each.callback == HOOK for each in again)
    burst = ["Hi", "where is my parcel?", "order 4711"]
    assert await desk.transcript(requests[0]) == [*burst, *burst, "On its way"]
    posted = (await desk.own.deliveries(None, 10, None)).items
    assert {each.request_id for each in posted} == {again[0].id, requests[0].request_id}


async def test_a_burst_replayed_twice_at_once_is_asked_once(office: Office) -> None:
    desk, requests = office.desk, await failed_burst(office)
    kept = [await desk.own.request(request.request_id) for request in requests]
    told = await asyncio.gather(*(replay(desk.own, Ids(), each) for each in reversed(kept)))
    assert len({each.requests for each in told}) == 1
    assert await desk.inside.tickets(desk.ref(requests[0])) == list(told[0].requests)


async def test_a_request_that_failed_alone_waits_for_nothing(office: Office) -> None:
    desk = office.desk
    (request,) = await said(desk, "Hi")
    office.claude.script = [raises(ClaudeFailed("refused", "no"))]
    await office.advance(request)
    told = await replay(desk.own, Ids(), await desk.own.request(request.request_id))
    assert told.requests == (told.request_id,)
    assert (await office.advance(request)).outcome == "succeeded"


async def test_what_was_taken_out_of_a_burst_is_not_asked_again(office: Office) -> None:
    desk, requests = office.desk, await failed_burst(office)
    await desk.own.redact(str(requests[0].session_id), 1)
    with pytest.raises(NotReplayable):
        await replay(desk.own, Ids(), await desk.own.request(requests[0].request_id))
    told = await replay(desk.own, Ids(), await desk.own.request(requests[2].request_id))
    kept = [await desk.own.request(name) for name in told.requests]
    assert [each.message for each in kept] == ["where is my parcel?", "order 4711"]


async def test_a_file_without_words_is_asked_again(office: Office) -> None:
    desk = office.desk
    request = await desk.accept("", attachments=(PHOTO,))
    office.claude.script = [raises(ClaudeFailed("refused", "no"))]
    await office.advance(request)
    told = await replay(desk.own, Ids(), await desk.own.request(request.request_id))
    assert (await desk.own.request(told.request_id)).attachments == (PHOTO,)
