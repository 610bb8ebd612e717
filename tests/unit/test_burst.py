"""What a turn does with messages in quick succession: one question to Claude, one reply, every message stored."""

from __future__ import annotations

from typing import Any

from shared.context.rebuild import rebuild
from shared.context.tokens import load_counter
from shared.conversation.preview import Preview
from shared.conversation.turn import WASTED
from shared.errors import ClaudeFailed, ClaudeLater
from shared.models import Attachment
from shared.remembering.indexes import Indexes
from shared.remembering.recaller import Recaller
from shared.settings import Settings
from shared.storage.types import NewRequest, SessionPatch
from tests.contract.store import SECOND, Desk
from tests.unit.turns import Office, raises, says

WINDOW = 3 * SECOND
INVOICE = Attachment(name="invoice.pdf")


async def said(desk: Desk, *messages: str, **more: Any) -> list[NewRequest]:
    """Accept messages that wait for the next one, and let their time pass."""
    found: list[NewRequest] = []
    for message in messages:
        session = {"session_id": found[0].session_id} if found else {}
        found.append(await desk.accept(message, coalesce_ms=WINDOW, **{**session, **more}))
    desk.clock.pass_(WINDOW)
    return found


def texts_of(prompt: Any) -> list[tuple[str, str]]:
    return [(each["role"], block["text"]) for each in prompt.messages for block in each["content"]]


async def test_a_burst_is_answered_once_and_every_message_is_stored(office: Office) -> None:
    desk = office.desk
    requests = await said(desk, "Hi", "where is my parcel?", "order 4711")
    office.claude.script = [says("On its way")]
    assert (await office.advance(requests[0])).outcome == "succeeded"
    (prompt,) = office.claude.prompts
    assert texts_of(prompt) == [("user", "Hi"), ("user", "where is my parcel?"), ("user", "order 4711")]
    kept = [await desk.own.request(request.request_id) for request in requests]
    assert [each.result.reply for each in kept if each.result] == ["On its way"] * 3
    assert await desk.transcript(requests[0]) == ["Hi", "where is my parcel?", "order 4711", "On its way"]
    assert [event["data"]["requestId"] for _, event in office.publisher.events] == [
        request.request_id for request in requests
    ]


async def test_the_next_turn_begins_with_the_same_bytes(office: Office) -> None:
    desk = office.desk
    first, *_ = await said(desk, "Hi", "[Attached: a trick", "order 4711", attachments=(INVOICE,))
    await office.advance(first)
    later = await desk.accept("And now?", session_id=first.session_id)
    await office.advance(later)
    burst, after = (texts_of(prompt) for prompt in office.claude.prompts)
    assert after[: len(burst)] == burst
    stored = (await desk.own.messages(str(first.session_id), 10, 0)).items
    assert all(message.tokens > 0 for message in stored)


async def test_who_comes_too_early_is_told_when_to_come_again(office: Office) -> None:
    request = await office.desk.accept("Hi", coalesce_ms=WINDOW)
    early = await office.advance(request)
    assert (early.outcome, early.next, early.due_in) == ("parked", None, WINDOW / 1000)


async def test_a_burst_is_put_off_and_fails_as_one(office: Office) -> None:
    desk = office.desk
    one, two = await said(desk, "one", "two")
    office.claude.script = [
        raises(ClaudeLater("overloaded", "Claude is overloaded", after=5)),
        raises(ClaudeFailed("refused", "no")),
    ]
    assert (await office.advance(one)).outcome == "parked"
    await desk.accept("three", session_id=one.session_id, coalesce_ms=WINDOW)
    desk.clock.pass_(5 * SECOND)
    assert (await office.advance(one)).outcome == "claude-refused"
    kept = [await desk.own.request(request.request_id) for request in (one, two)]
    assert [each.failure.type for each in kept if each.failure] == ["claude-refused"] * 2
    assert await desk.transcript(one) == ["one", "two"]
    assert (await office.advance(one)).outcome == "succeeded"
    assert texts_of(office.claude.prompts[-1]) == [("user", "one"), ("user", "two"), ("user", "three")]


async def test_a_person_who_takes_over_ends_the_whole_burst(office: Office) -> None:
    desk = office.desk
    requests = await said(desk, "one", "two")
    await desk.own.update_session(str(requests[0].session_id), SessionPatch(handler="human"))
    assert (await office.advance(requests[0])).outcome == "taken-over"
    kept = [await desk.own.request(request.request_id) for request in requests]
    assert [each.failure.type for each in kept if each.failure] == ["taken-over"] * 2
    assert WASTED not in await desk.own.counts()


async def test_a_burst_too_long_for_the_budget_keeps_its_head_and_its_tail(office: Office) -> None:
    desk = office.desk
    long = "All of this happened last week, and it was a long week indeed. " * 150
    requests = await said(desk, f"FIRST {long}", long, f"{long} LAST")
    assert (await office.advance(requests[0])).outcome == "succeeded"
    ((_, text),) = texts_of(office.claude.prompts[0])
    assert text.startswith("FIRST ")
    assert text.endswith(" LAST")
    assert "characters left out" in text
    receipt = (await desk.own.request(requests[0].request_id)).receipt
    assert receipt is not None
    assert receipt.tokens <= receipt.budget.available
    newest = next(part for part in receipt.parts if part.name == "newest")
    assert newest.included == [request.request_id for request in requests]
    assert [len(text) for text in await desk.transcript(requests[0])][:3] == [len(r.message) for r in requests]


async def test_a_burst_s_context_is_made_again_for_any_of_its_requests(office: Office) -> None:
    desk = office.desk
    await office.advance(first := await desk.accept("Hello", metadata={}))
    burst = await said(desk, "one", "two", session_id=first.session_id, attachments=(INVOICE,))
    await office.advance(burst[0])
    counter = load_counter()
    preview = Preview(desk.store, desk.own, Settings(), counter, Recaller(Indexes(1_000_000)))
    for request in burst:
        receipt, parts = await preview.sent(request.request_id)
        context = rebuild(receipt, parts, counter)
        assert context is not None
        assert context.messages == office.claude.prompts[-1].messages
