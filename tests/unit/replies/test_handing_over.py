"""A person has the conversation, or is called into it: what is withheld, and what is done step by step."""

from __future__ import annotations

import pytest

from shared.callbacks.desk import replay
from shared.replies.plan import TAKEN
from shared.storage.types import SessionPatch
from tests.support.platforms.standin import CUT, CUT_AFTER, ERROR_AFTER, Fault, Told
from tests.unit.replies.post import Post


async def test_nothing_is_posted_once_a_person_has_the_session(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation)
    await post.desk.own.update_session(str(request.session_id), SessionPatch(handler="human"))
    assert await post.deliver(request) == "withheld"
    assert post.platform.replies(conversation) == []
    assert (await post.delivery(request)).reason == TAKEN
    assert (await post.desk.own.counts())["callback.withheld"] == 1
    listed = await post.desk.own.deliveries("withheld", 10, None)
    assert [each.request_id for each in listed.items] == [request.request_id]


async def test_nothing_is_posted_once_a_person_has_it_on_the_platform_whatever_we_know(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation)
    post.platform.take_over(conversation)
    assert await post.deliver(request) == "withheld"
    assert post.platform.replies(conversation) == []


async def test_a_person_who_comes_between_two_attempts_is_left_alone(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation)
    post.platform.faults = [CUT]
    await post.deliver(request)
    post.platform.take_over(conversation)
    assert await post.due(request) == "withheld"
    assert post.platform.replies(conversation) == []


async def test_an_agent_that_asks_for_a_person_says_so_hands_over_and_leaves_a_note(post: Post) -> None:
    conversation = post.platform.begin()
    await post.deliver(await post.turn(conversation, "We will refund order A-1234 by Friday."))
    request = await post.accept(conversation, "I want to talk to a person about A-1234.")
    await post.begin(await post.answer(request, "A colleague takes over.", "wants a person"))
    assert await post.deliver(request) == "delivered"
    assert post.platform.replies(conversation)[-1] == "A colleague takes over."
    assert conversation.handler == "person"
    (note,) = post.platform.notes(conversation)
    assert "wants a person" in note
    assert "- We will refund order A-1234 by Friday." in note
    assert "- I want to talk to a person about A-1234." in note
    assert (await post.delivery(request)).done == ("reply", "hand-off", "note")
    assert (await post.desk.own.session(str(request.session_id))).handler == "human"


async def test_a_hand_off_that_the_platform_refuses_is_missed_until_a_replay_completes_it(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.accept(conversation, "I want to talk to a person.")
    await post.begin(await post.answer(request, "A colleague takes over.", "wants a person"))
    token, post.platform.token = post.platform.token, "another"
    assert await post.deliver(request) == "dead"
    dead = await post.delivery(request)
    assert (dead.missed, "hand-off" in dead.done, conversation.handler) == (True, False, "bot")
    assert (await post.desk.own.session(str(request.session_id))).handler == "human"
    post.platform.token = token
    again = await replay(post.desk.own, request.request_id)
    assert not again.missed
    assert await post.deliver(request) == "delivered"
    assert (conversation.handler, len(post.platform.replies(conversation))) == ("person", 1)
    assert not (await post.delivery(request)).missed


async def test_a_failed_request_whose_hook_was_removed_has_missed_its_person(post: Post) -> None:
    conversation = post.platform.begin()
    failed, answered = await post.fail(conversation, "deadline"), await post.turn(conversation)
    post.hooks.known.clear()
    assert [await post.deliver(each) for each in (failed, answered)] == ["dead", "dead"]
    assert [(await post.delivery(each)).missed for each in (failed, answered)] == [True, False]


async def test_a_request_that_failed_hands_over_and_says_why(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.fail(conversation, "claude-refused", "How do I get in?")
    assert await post.deliver(request) == "delivered"
    assert (post.platform.replies(conversation), conversation.handler) == ([], "person")
    (note,) = post.platform.notes(conversation)
    assert "claude-refused" in note
    assert "- How do I get in?" in note
    assert (await post.desk.own.session(str(request.session_id))).handler == "human"


@pytest.mark.parametrize("kind", ["taken-over", "session-deleted"])
async def test_a_failure_that_is_nobodys_concern_is_withheld(post: Post, kind: str) -> None:
    conversation = post.platform.begin()
    request = await post.fail(conversation, kind)
    assert await post.deliver(request) == "withheld"
    assert (post.platform.notes(conversation), conversation.handler) == ([], "bot")


async def test_a_failure_with_a_person_there_already_calls_nobody(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.fail(conversation, "deadline")
    post.platform.take_over(conversation)
    assert await post.deliver(request) == "withheld"
    assert post.platform.notes(conversation) == []


@pytest.mark.parametrize("fault", [CUT, CUT_AFTER, ERROR_AFTER, Fault(Told(429, None, {"Retry-After": "1"}))])
@pytest.mark.parametrize("at", [0, 1, 2])
async def test_each_step_is_taken_once_whichever_of_them_goes_wrong(post: Post, fault: Fault, at: int) -> None:
    conversation = post.platform.begin()
    request = await post.accept(conversation, "A person, please.")
    await post.begin(await post.answer(request, "A colleague takes over.", "asked"))
    fine = [Fault(Told(200, {}), done=True)] * at
    post.platform.faults = [*fine, fault]
    assert await post.deliver(request) == "pending"
    assert await post.due(request) == "delivered"
    assert post.platform.replies(conversation) == ["A colleague takes over."]
    assert len(post.platform.notes(conversation)) == 1
    assert conversation.handler == "person"


async def test_a_reply_that_the_platform_will_never_take_goes_to_a_person(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation, "It is on its way, tracking number 1Z-77.")
    # The first answer is for the reply; then the hand-off's gets lost.
    post.platform.faults = [Fault(Told(422, {"error": "outside_the_window"})), CUT_AFTER]
    assert await post.deliver(request) == "pending"
    assert await post.due(request) == "dead"
    assert (post.platform.replies(conversation), conversation.handler) == ([], "person")
    (note,) = post.platform.notes(conversation)
    assert "Chatwoot answered 422, outside_the_window" in note
    assert note.endswith("It is on its way, tracking number 1Z-77.")
    delivery = await post.delivery(request)
    assert (delivery.done, delivery.reason) == (("hand-off", "note"), "Chatwoot answered 422, outside_the_window")
    assert (await post.desk.own.session(str(request.session_id))).handler == "human"


async def test_what_is_replayed_half_done_is_done_by_the_rest(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.accept(conversation, "A person, please.")
    await post.begin(await post.answer(request, "A colleague takes over.", "asked"))
    post.platform.faults = [Fault(Told(200, {}), done=True), Fault(Told(403, {"error": "forbidden"}))]
    assert await post.deliver(request) == "dead"
    assert (await post.delivery(request)).done == ("reply",)
    await replay(post.desk.own, request.request_id)
    assert await post.deliver(request) == "delivered"
    assert post.platform.replies(conversation) == ["A colleague takes over."]
    assert len(post.platform.notes(conversation)) == 1


async def test_what_was_delivered_is_posted_again_when_replayed(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation)
    await post.deliver(request)
    await replay(post.desk.own, request.request_id)
    assert await post.deliver(request) == "delivered"
    assert post.platform.replies(conversation) == ["On its way."] * 2


async def test_a_reply_from_before_the_agent_handed_over_is_posted_still(post: Post) -> None:
    conversation = post.platform.begin()
    one = await post.turn(conversation, "It is on its way.")
    two = await post.accept(conversation, "A person, please.")
    await post.begin(await post.answer(two, "A colleague takes over.", "asked"))
    assert [await post.deliver(one), await post.deliver(two)] == ["delivered", "delivered"]
    assert post.platform.replies(conversation) == ["It is on its way.", "A colleague takes over."]


async def test_a_reply_from_before_the_agent_handed_over_is_withheld_once_a_person_wrote(post: Post) -> None:
    conversation = post.platform.begin()
    one = await post.turn(conversation, "It is on its way.")
    two = await post.accept(conversation, "A person, please.")
    await post.begin(await post.answer(two, "A colleague takes over.", "asked"))
    said = post.desk.message("I am here.", role="assistant").model_copy(update={"author": "Jonas"})
    await post.desk.own.record(str(one.session_id), said, backdated=False)
    assert await post.deliver(one) == "withheld"
