"""The rules of a turn, each taken by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.context.rebuild import rebuild
from shared.context.tokens import load_counter
from shared.conversation.preview import Preview
from shared.conversation.reconcile import Reconciler
from shared.errors import ClaudeFailed, ClaudeLater
from shared.ids import SessionRef
from shared.models import Attachment
from shared.remembering.indexes import Indexes
from shared.remembering.recaller import Recaller
from shared.settings import Settings
from shared.storage.memory import EntryFacts
from shared.storage.redis.store import RedisStore
from shared.storage.types import NewRequest, NotClaimed
from tests.contract.redis_desk import InsideRedis
from tests.contract.store import MINUTE, SECOND, Desk
from tests.support.waiting import wait_until
from tests.unit.turns import Office, open_office, raises, says


async def test_a_turn_is_stored_announced_and_struck(office: Office) -> None:
    desk = office.desk
    request = await desk.accept("Where is my parcel?", metadata={"channel": "web"})
    office.claude.script = [says("On its way")]
    ended = await office.advance(request)
    assert (ended.outcome, ended.next) == ("succeeded", None)
    assert await desk.transcript(request) == ["Where is my parcel?", "On its way"]
    ((key, event),) = office.publisher.events
    assert key == "acme.chat.reply.completed"
    assert event["id"] == f"evt_{request.request_id}"
    assert event["data"]["metadata"] == {"channel": "web"}
    assert "reply" not in str(event["data"])
    desk.clock.pass_(MINUTE)
    assert await desk.store.take_rows(desk.ref(request).bucket, 10) == []


async def test_events_carry_content_only_when_asked(desk: Desk, executor: ThreadPoolExecutor) -> None:
    office = open_office(desk, executor, events_include_content=True)
    office.claude.script = [says("On its way")]
    await office.advance(await desk.accept("Where is my parcel?"))
    assert office.publisher.events[0][1]["data"]["result"]["reply"] == "On its way"


async def test_what_could_not_be_announced_stays_and_the_reconciler_announces_it(office: Office) -> None:
    desk = office.desk
    request = await desk.accept()
    office.publisher.error = OSError("the broker is away")
    assert (await office.advance(request)).outcome == "succeeded"
    office.publisher.error = None
    desk.clock.pass_(11 * SECOND)
    found = await Reconciler(desk.store, office.announcer, _wake_nobody).run(every=False)
    assert found.announced == 1
    assert [event["id"] for _, event in office.publisher.events] == [f"evt_{request.request_id}"]
    desk.clock.pass_(MINUTE)
    assert (await Reconciler(desk.store, office.announcer, _wake_nobody).run(every=False)).announced == 0


async def test_one_row_that_cannot_be_announced_holds_up_no_other(office: Office) -> None:
    desk = office.desk
    office.publisher.error = OSError("the broker is away")
    requests = [await desk.accept(f"message {number}") for number in range(3)]
    for request in requests:
        await office.advance(request)
    office.publisher.error, office.publisher.refuses = None, f"evt_{requests[1].request_id}"
    desk.clock.pass_(11 * SECOND)
    found = await Reconciler(desk.store, office.announcer, _wake_nobody).run(every=False)
    desk.clock.pass_(11 * SECOND)
    again = await Reconciler(desk.store, office.announcer, _wake_nobody).run(every=False)
    assert (found.announced, again.announced) == (2, 0)
    assert {event["id"] for _, event in office.publisher.events} == {f"evt_{requests[n].request_id}" for n in (0, 2)}


async def test_a_reply_is_kept_while_the_store_is_away(office: Office) -> None:
    request = await office.desk.accept()
    desk_client = cast("RedisStore", office.desk.store)._client
    desk_client._patience = 0.05
    real, times = desk_client._script("commit"), 0

    async def away(**given: Any) -> Any:
        nonlocal times
        times += 1
        if times <= 2:
            raise RedisConnectionError("away")
        return await real(**given)

    desk_client._scripts["commit"] = cast("Any", away)
    assert (await office.advance(request)).outcome == "succeeded"
    assert (len(office.claude.prompts), times) == (1, 3)


async def test_a_record_nobody_can_read_is_left_out_and_stops_no_turn(office: Office) -> None:
    request = await office.desk.turn("first")
    key = f"cm:{{{office.desk.ref(request).bucket}}}:t:acme:ses:{request.session_id}:msg"
    await cast("Any", cast("InsideRedis", office.desk.inside)._redis).hset(key, "1", '3|{"from": "another version"}')
    again = await office.desk.accept("second", session_id=request.session_id)
    assert (await office.advance(again)).outcome == "succeeded"


async def test_the_reconciler_wakes_what_nobody_woke(office: Office) -> None:
    request = await office.desk.accept()
    woken: list[tuple[SessionRef, bool]] = []

    async def wake(ref: SessionRef, *, quarantine: bool) -> bool:
        woken.append((ref, quarantine))
        return True

    office.desk.clock.pass_(6 * SECOND)
    await Reconciler(office.desk.store, office.announcer, wake).run(every=False)
    await Reconciler(office.desk.store, office.announcer, wake).run(every=True)
    assert woken == [(office.desk.ref(request), False)]


async def test_whoever_finds_more_work_asks_to_go_on(office: Office) -> None:
    request = await office.desk.accept("one")
    await office.desk.accept("two", session_id=request.session_id)
    assert (await office.advance(request)).next == "chat"
    assert (await office.advance(request)).next is None


async def test_later_parks_with_claudes_own_time_and_sleeps_nobody(office: Office) -> None:
    request = await office.desk.accept()
    office.claude.script = [raises(ClaudeLater("rate-limited", "slow down", after=40)), says("Here I am")]
    assert (await office.advance(request)).outcome == "parked"
    office.desk.clock.pass_(39 * SECOND)
    assert (await office.advance(request)).outcome == "parked"
    office.desk.clock.pass_(2 * SECOND)
    assert (await office.advance(request)).outcome == "succeeded"
    assert len(office.claude.prompts) == 2


async def test_a_wait_beyond_the_deadline_fails_at_once_and_says_why(office: Office) -> None:
    request = await office.desk.accept()
    office.claude.script = [raises(ClaudeLater("rate-limited", "come back tomorrow", after=86_400))]
    assert (await office.advance(request)).outcome == "deadline"
    failure = (await office.desk.own.request(request.request_id)).failure
    assert failure is not None
    assert "come back tomorrow" in failure.detail


async def test_a_request_past_its_deadline_fails_and_lets_the_next_one_run(office: Office) -> None:
    late = await office.desk.accept("too late")
    office.desk.clock.pass_(16 * MINUTE)
    fresh = await office.desk.accept("in time", session_id=late.session_id)
    ended = await office.advance(late)
    assert (ended.outcome, ended.next) == ("deadline", "chat")
    assert (await office.advance(fresh)).outcome == "succeeded"
    assert office.claude.prompts[0].messages[-1]["content"][-1]["text"] == "in time"


async def test_a_failed_message_is_kept_and_reaches_claude_with_the_next(office: Office) -> None:
    request = await office.desk.accept("My order is A-1.")
    office.claude.script = [raises(ClaudeFailed("invalid-request", "no"))]
    assert (await office.advance(request)).outcome == "claude-invalid-request"
    again = await office.desk.accept("Hello?", session_id=request.session_id)
    await office.advance(again)
    (message,) = office.claude.prompts[-1].messages
    assert [block["text"] for block in message["content"]] == ["My order is A-1.", "Hello?"]


async def test_an_empty_reply_is_tried_again_but_not_for_ever(office: Office) -> None:
    request = await office.desk.accept()
    office.claude.script = [raises(ClaudeLater("empty-reply", "nothing"))] * 3
    outcomes = []
    for _ in range(3):
        outcomes.append((await office.advance(request)).outcome)
        office.desk.clock.pass_(5 * SECOND)
    assert outcomes == ["parked", "parked", "claude-empty-reply"]


async def test_an_error_of_our_own_is_tried_again_then_told(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    request = await office.desk.accept()
    office.claude.script = [raises(RuntimeError("a bug"))] * 3
    for _ in range(3):
        ended = await office.advance(request)
        office.desk.clock.pass_(MINUTE)
    assert ended.outcome == "claude-internal-error"


async def test_the_fallback_answers_a_refusal(desk: Desk, executor: ThreadPoolExecutor) -> None:
    office = open_office(desk, executor, fallback_model="claude-haiku-4-5")
    office.claude.script = [raises(ClaudeFailed("refused", "no")), says("Gladly")]
    await office.advance(await desk.accept())
    assert [prompt.model for prompt in office.claude.prompts] == ["claude-sonnet-4-6", "claude-haiku-4-5"]


async def test_the_fallback_answers_after_some_tries(desk: Desk, executor: ThreadPoolExecutor) -> None:
    office = open_office(desk, executor, fallback_model="claude-haiku-4-5")
    request = await desk.accept()
    office.claude.script = [raises(ClaudeLater("overloaded", "busy"))] * 2
    for _ in range(3):
        await office.advance(request)
        desk.clock.pass_(MINUTE)
    assert [prompt.model for prompt in office.claude.prompts][-1] == "claude-haiku-4-5"


async def test_a_condemned_request_is_not_asked_about(office: Office) -> None:
    request = await office.desk.accept("POISON")
    await office.desk.claim(request)
    for _ in range(3):
        office.desk.clock.pass_(31 * SECOND)
        await office.desk.claim(request, quarantine=True)
    office.desk.clock.pass_(31 * SECOND)
    assert (await office.advance(request, quarantine=True)).outcome == "poison"
    assert office.claude.prompts == []


async def test_a_suspect_is_sent_to_quarantine_and_an_innocent_back(office: Office) -> None:
    suspect, innocent = await office.desk.accept(), await office.desk.accept()
    await office.desk.claim(suspect)
    office.desk.clock.pass_(31 * SECOND)
    assert (await office.advance(suspect)).next == "quarantine"
    assert (await office.advance(innocent, quarantine=True)).next == "chat"


async def test_a_worker_that_lost_its_claim_stores_nothing(office: Office) -> None:
    desk, request = office.desk, await office.desk.accept()
    office.claude.waits_for = asyncio.Event()
    turn = asyncio.ensure_future(office.advance(request))
    await office.claude.asked.wait()
    desk.clock.pass_(31 * SECOND)
    assert await desk.look(request) == NotClaimed("quarantine")
    quick = await desk.claim(request, quarantine=True)
    await desk.answer(quick, "from the quick one")
    office.claude.waits_for.set()
    assert (await turn).outcome == "stale"
    assert await desk.transcript(request) == ["Hello", "from the quick one"]


async def test_a_session_deleted_meanwhile_stays_deleted(office: Office) -> None:
    desk, request = office.desk, await office.desk.accept()
    office.claude.waits_for = asyncio.Event()
    turn = asyncio.ensure_future(office.advance(request))
    await office.claude.asked.wait()
    await desk.own.delete_session(str(request.session_id))
    office.claude.waits_for.set()
    assert (await turn).outcome == "gone"
    record = await desk.own.request(request.request_id)
    assert record.failure is not None
    assert record.failure.type == "session-deleted"


async def test_a_lost_lease_ends_the_work(desk: Desk, executor: ThreadPoolExecutor) -> None:
    office = open_office(desk, executor, lease_seconds=1)
    request = await desk.accept()
    office.claude.waits_for = asyncio.Event()
    turn = asyncio.ensure_future(office.advance(request))
    await office.claude.asked.wait()
    desk.clock.pass_(31 * SECOND)
    await desk.claim(request, quarantine=True)
    assert (await turn).outcome == "lost"


async def test_deltas_are_kept_only_while_someone_listens(office: Office) -> None:
    desk = office.desk
    quiet, heard = await desk.accept(), await desk.accept()
    await desk.own.listen(heard.request_id)
    office.claude.script = [says("quietly"), says("aloud")]
    office.claude.waits_for = asyncio.Event()
    turns = [asyncio.ensure_future(office.advance(request)) for request in (quiet, heard)]

    await wait_until("the words", lambda: _heard(desk, heard, "aloud"))
    assert (await desk.own.read_deltas(quiet.request_id, 0, 0)).text == ""
    office.claude.waits_for.set()
    await asyncio.gather(*turns)


async def test_a_late_listener_is_heard_at_once(office: Office) -> None:
    desk, request = office.desk, await office.desk.accept()
    office.claude.script = [says("so far")]
    office.claude.waits_for = asyncio.Event()
    turn = asyncio.ensure_future(office.advance(request))
    await office.claude.asked.wait()

    async def announced() -> AsyncIterator[str]:
        yield ""
        yield request.request_id

    await office.listeners.follow(announced())
    await wait_until("the words", lambda: _heard(desk, request, "so far"))
    office.claude.waits_for.set()
    assert (await turn).outcome == "succeeded"


async def test_a_word_that_came_between_claim_and_call_is_heard(office: Office) -> None:
    desk, request = office.desk, await office.desk.accept()
    office.claude.script = [says("so far")]
    office.claude.waits_for = asyncio.Event()

    async def announced() -> AsyncIterator[str]:
        yield request.request_id

    await office.listeners.follow(announced())
    turn = asyncio.ensure_future(office.advance(request))
    await wait_until("the words", lambda: _heard(desk, request, "so far"))
    office.claude.waits_for.set()
    assert (await turn).outcome == "succeeded"


async def test_instructions_reach_the_system_prompt_and_memory_does_not(office: Office) -> None:
    await office.desk.own.put_instructions("Answer in rhyme.")
    await office.desk.own.put_memory("cust-1", "language", "German", "preference")
    await office.advance(await office.desk.accept("Hello"))
    (prompt,) = office.claude.prompts
    assert prompt.system == "Answer in rhyme."
    assert "German" in str(prompt.messages)


async def test_claude_is_told_of_files_and_they_stay_with_the_message(office: Office) -> None:
    invoice = Attachment(name="invoice.pdf", content_type="application/pdf", size=182_344)
    request = await office.desk.accept("Here it is.", attachments=(invoice,))
    await office.advance(request)
    again = await office.desk.accept("Did you get it?", session_id=request.session_id)
    await office.advance(again)
    said = "[Attached: invoice.pdf, application/pdf, 182 KB]\nHere it is."
    assert [prompt.messages[0]["content"][0]["text"] for prompt in office.claude.prompts] == [said, said]
    stored = (await office.desk.own.messages(str(request.session_id), 10, 0)).items[0]
    assert (stored.content, stored.attachments) == ("Here it is.", (invoice,))
    assert stored.tokens > 15


async def test_what_holds_no_more_is_not_given_to_claude(office: Office) -> None:
    own, now = office.desk.own, await office.desk.store.now()
    await own.put_memory("cust-1", "old-ticket", "refund of 4711", "ticket", EntryFacts(status="resolved"))
    await own.put_memory("cust-1", "offer", "ten percent", "note", EntryFacts(expires_at=now))
    await own.put_memory("cust-1", "ticket", "refund of 4712", "ticket", EntryFacts(status="open"))
    await office.advance(await office.desk.accept("Hello"))
    (prompt,) = office.claude.prompts
    assert "4712" in str(prompt.messages)
    assert "4711" not in str(prompt.messages)
    assert "ten percent" not in str(prompt.messages)


async def test_a_cut_reply_is_stored_as_cut(office: Office) -> None:
    request = await office.desk.accept()
    office.claude.script = [says("and then", "max_tokens", cut=True)]
    await office.advance(request)
    reply = (await office.desk.own.messages(str(request.session_id), 10, 0)).items[-1]
    assert reply.truncated


async def test_the_receipt_accounts_for_what_was_sent(office: Office) -> None:
    await office.desk.own.put_memory("cust-1", "language", "German", "preference")
    request = await office.desk.turn("first")
    again = await office.desk.accept("second", session_id=request.session_id)
    await office.advance(again)
    receipt = (await office.desk.own.request(again.request_id)).receipt
    assert receipt is not None
    parts = {part.name: part for part in receipt.parts}
    assert parts["memory"].included == ["language"]
    assert parts["newest"].included == [again.request_id]
    assert len(parts["window"].included) == 2
    assert receipt.tokens <= receipt.budget.available


@pytest.mark.parametrize("error", [ClaudeFailed("invalid-request", "no"), ClaudeLater("busy", "later", after=86_400)])
async def test_a_failed_request_keeps_the_receipt_of_what_claude_was_asked(office: Office, error: Exception) -> None:
    first = await office.desk.turn("first")
    request = await office.desk.accept("second", session_id=first.session_id)
    office.claude.script = [raises(error)]
    await office.advance(request)
    record = await office.desk.own.request(request.request_id)
    assert record.status == "failed"
    assert record.receipt is not None
    assert len(next(part for part in record.receipt.parts if part.name == "window").included) == 2
    preview = Preview(office.desk.store, office.desk.own, Settings(), load_counter(), Recaller(Indexes(10**7)))
    receipt, parts = await preview.sent(request.request_id)
    context = rebuild(receipt, parts, load_counter())
    assert context is not None
    assert list(context.messages) == list(office.claude.prompts[-1].messages)


async def test_a_request_that_failed_before_claude_was_asked_has_no_receipt(office: Office) -> None:
    late = await office.desk.accept("too late")
    office.desk.clock.pass_(16 * MINUTE)
    await office.advance(late)
    assert (await office.desk.own.request(late.request_id)).receipt is None


async def _heard(desk: Desk, request: NewRequest, words: str) -> bool:
    return (await desk.own.read_deltas(request.request_id, 0, 0)).text == words


async def _wake_nobody(ref: SessionRef, *, quarantine: bool) -> bool:
    return False
