"""What a turn does when a person takes the conversation over, before it, while Claude writes, or after."""

from __future__ import annotations

import asyncio

from shared.conversation.turn import WASTED
from shared.errors import ClaudeLater
from shared.models import Handler
from shared.storage.types import NewRequest, SessionPatch
from tests.contract.store import Desk
from tests.unit.turns import Office, raises


async def hand(desk: Desk, request: NewRequest, handler: Handler) -> None:
    await desk.own.update_session(str(request.session_id), SessionPatch(handler=handler))


async def test_claude_is_not_asked_while_a_person_has_the_conversation(office: Office) -> None:
    desk = office.desk
    request = await desk.accept("Where is my parcel?")
    await hand(desk, request, "human")
    ended = await office.advance(request)
    kept = await desk.own.request(request.request_id)
    page = await desk.own.messages(str(request.session_id), 10, 0)
    assert (ended.outcome, office.claude.prompts) == ("taken-over", [])
    assert kept.failure is not None
    assert (kept.status, kept.failure.type) == ("failed", "taken-over")
    assert [(each.content, each.unanswered) for each in page.items] == [("Where is my parcel?", True)]
    assert [key for key, _ in office.publisher.events] == ["acme.chat.reply.failed"]
    assert await desk.own.counts() == {}


async def test_what_is_queued_is_told_too_and_after_handing_back_the_next_message_is_answered(office: Office) -> None:
    desk = office.desk
    first = await desk.accept("One")
    await desk.accept("Two", session_id=first.session_id)
    await hand(desk, first, "human")
    person = desk.message("I will look", role="assistant", author="Maria")
    await desk.own.record(str(first.session_id), person, backdated=False)
    assert [(await office.advance(first)).next for _ in range(2)] == ["chat", None]
    await hand(desk, first, "agent")
    await desk.accept("Three", session_id=first.session_id)
    assert (await office.advance(first)).outcome == "succeeded"
    (prompt,) = office.claude.prompts
    said = [(each["role"], block["text"]) for each in prompt.messages for block in each["content"]]
    assert said == [
        ("user", "One"),
        ("user", "Two"),
        ("assistant", "[Written by Maria of the support team]\nI will look"),
        ("user", "Three"),
    ]


async def test_a_reply_that_comes_after_a_person_took_over_is_thrown_away_and_counted(office: Office) -> None:
    desk = office.desk
    request = await desk.accept("Where is my parcel?", callback="hook:hook_1")
    office.claude.waits_for = asyncio.Event()
    turn = asyncio.create_task(office.advance(request))
    await office.claude.asked.wait()
    await hand(desk, request, "human")
    office.claude.waits_for.set()
    ended = await turn
    kept = await desk.own.request(request.request_id)
    assert (ended.outcome, kept.result, kept.attempts) == ("taken-over", None, 1)
    assert kept.receipt is not None
    assert await desk.transcript(request) == ["Where is my parcel?"]
    assert await desk.own.counts() == {WASTED: 1}


async def test_handing_back_before_the_reply_is_written_lets_it_through(office: Office) -> None:
    desk = office.desk
    request = await desk.accept("Where is my parcel?")
    office.claude.waits_for = asyncio.Event()
    turn = asyncio.create_task(office.advance(request))
    await office.claude.asked.wait()
    await hand(desk, request, "human")
    await hand(desk, request, "agent")
    office.claude.waits_for.set()
    assert (await turn).outcome == "succeeded"
    assert await desk.own.counts() == {}


async def test_what_claude_put_off_is_told_at_once_when_a_person_takes_over(office: Office) -> None:
    desk = office.desk
    request = await desk.accept()
    office.claude.script = [raises(ClaudeLater("overloaded", "Claude is overloaded", after=300))]
    assert (await office.advance(request)).outcome == "parked"
    await hand(desk, request, "human")
    assert (await office.advance(request)).outcome == "taken-over"
    assert (len(office.claude.prompts), await desk.own.counts()) == (1, {})
