"""A reply on its way into a platform's conversation: once, in order, and when the platform does not let it in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.callbacks.desk import replay
from shared.callbacks.schedule import REPLY_STEPS
from shared.callbacks.urls import Rules
from shared.replies.channel import DISABLED, LONGEST_BEHIND, NO_HOOK, NO_TOKEN
from shared.storage.deliveries import DeliveryFacts
from tests.contract.store import SECOND, Desk
from tests.support.platforms.chatwoot import Chatwoot
from tests.support.platforms.standin import CUT, CUT_AFTER, ERROR_AFTER, Asked, Fault, Told
from tests.unit.replies.post import Post, open_post


async def test_a_reply_is_posted_into_its_conversation_once(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation, "On its way — grüße")
    assert await post.deliver(request) == "delivered"
    assert await post.deliver(request) == "waits"
    assert post.platform.replies(conversation) == ["On its way — grüße"]
    delivery = await post.delivery(request)
    assert (delivery.done, delivery.doubt, delivery.hook_id) == (("reply",), None, post.hook.id)
    assert [(each.status, each.error) for each in delivery.attempts] == [(200, None)]
    assert (await post.desk.own.counts())["callback.delivered"] == 1


@pytest.mark.parametrize("fault", [CUT_AFTER, ERROR_AFTER])
async def test_what_was_posted_before_the_answer_got_lost_is_found_and_not_posted_again(
    post: Post, fault: Fault
) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation)
    post.platform.faults = [fault]
    assert await post.deliver(request) == "pending"
    assert (await post.delivery(request)).doubt == "reply"
    assert await post.due(request) == "delivered"
    assert post.platform.replies(conversation) == ["On its way."]


async def test_what_was_not_posted_when_the_connection_was_cut_is_posted_then(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation)
    post.platform.faults = [CUT]
    assert await post.deliver(request) == "pending"
    assert await post.due(request) == "delivered"
    assert post.platform.replies(conversation) == ["On its way."]


async def test_a_process_that_dies_after_the_post_is_followed_by_one_that_looks(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation)
    own = type(post.desk.own)

    async def die(self: Any, request_id: str, value: str, version: int, facts: DeliveryFacts) -> bool:
        if post.platform.replies(conversation):
            raise KeyboardInterrupt
        return bool(await real(self, request_id, value, version, facts))

    real = own.put_delivery
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own, "put_delivery", die)
        with pytest.raises(KeyboardInterrupt):
            await post.deliver(request)
    assert await post.deliver(request) == "waits"
    assert await post.due(request) == "delivered"
    assert post.platform.replies(conversation) == ["On its way."]


async def test_the_same_words_said_long_before_are_another_reply(post: Post) -> None:
    conversation = post.platform.begin()
    earlier = post.platform.says(conversation, "On its way.", "bot")
    earlier.at -= 3600
    request = await post.turn(conversation)
    post.platform.faults = [CUT]
    await post.deliver(request)
    assert await post.due(request) == "delivered"
    assert post.platform.replies(conversation) == ["On its way."] * 2


async def test_a_rate_limit_is_obeyed(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation)
    post.platform.faults = [Fault(Told(429, {"error": "slow down"}, {"Retry-After": "40"}))]
    assert await post.deliver(request) == "pending"
    post.desk.clock.pass_(38 * SECOND)
    assert await post.deliver(request) == "waits"
    assert await post.due(request) == "delivered"
    assert post.platform.replies(conversation) == ["On its way."]


async def test_a_rate_limit_holds_for_every_delivery_of_the_hook(post: Post) -> None:
    first, second = await post.turn(post.platform.begin()), await post.turn(post.platform.begin())
    post.platform.faults = [Fault(Told(429, {}, {"Retry-After": "40"}))]
    assert await post.deliver(first) == "pending"
    asked = len(post.platform.asked)
    assert await post.deliver(second) == "postponed"
    assert len(post.platform.asked) == asked
    began = post.desk.clock.ms
    assert await post.due(second) == "delivered"
    assert post.desk.clock.ms - began >= 39 * SECOND
    assert (await post.delivery(second)).tries == 1


async def test_a_platform_that_is_away_is_tried_for_an_hour_then_given_up(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation)
    post.platform.faults = [Fault(Told(503))] * 20
    words = [await post.deliver(request)]
    began = post.desk.clock.ms
    while words[-1] != "dead":
        words.append(await post.due(request))
    delivery = await post.delivery(request)
    assert delivery.tries == len(REPLY_STEPS)
    assert timedelta(minutes=45) < timedelta(milliseconds=post.desk.clock.ms - began) < timedelta(minutes=70)
    assert delivery.reason == "9 attempts failed; the last: Chatwoot answered 503"


async def test_a_wrong_token_is_a_dead_letter_that_says_what_to_do(post: Post) -> None:
    conversation = post.platform.begin()
    post.platform.token = "another"
    request = await post.turn(conversation)
    assert await post.deliver(request) == "dead"
    delivery = await post.delivery(request)
    assert "Chatwoot does not let us in (401)" in str(delivery.reason)
    assert "token" in str(delivery.reason)
    post.platform.token = "token-of-the-bot"
    await replay(post.desk.own, request.request_id)
    assert await post.deliver(request) == "delivered"
    assert post.platform.replies(conversation) == ["On its way."]


async def test_replies_of_a_session_go_in_the_order_of_its_requests(post: Post) -> None:
    conversation = post.platform.begin()
    first = await post.turn(conversation, "First")
    second = await post.turn(conversation, "Second")
    assert await post.deliver(second) == "postponed"
    assert await post.deliver(first) == "delivered"
    assert await post.due(second) == "delivered"
    assert post.platform.replies(conversation) == ["First", "Second"]


async def test_a_reply_waits_for_one_that_is_not_even_announced(post: Post) -> None:
    conversation = post.platform.begin()
    first = await post.accept(conversation)
    done = await post.answer(first, "First")
    second = await post.turn(conversation, "Second")
    assert await post.deliver(second) == "postponed"
    await post.begin(done)
    assert await post.due(second) == "postponed"
    assert await post.deliver(first) == "delivered"
    assert await post.due(second) == "delivered"


async def test_a_reply_waits_for_the_one_before_it_only_so_long(post: Post) -> None:
    conversation = post.platform.begin()
    first = await post.turn(conversation, "First")
    post.platform.faults = [Fault(Told(503))]
    assert await post.deliver(first) == "pending"
    second = await post.turn(conversation, "Second")
    post.desk.clock.pass_(round(LONGEST_BEHIND.total_seconds() * 1000) - SECOND)
    assert await post.deliver(second) == "postponed"
    assert await post.due(second) == "delivered"
    assert post.platform.replies(conversation) == ["Second"]


async def test_a_hook_that_is_disabled_posts_nothing(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation)
    post.hooks.disabled = True
    assert await post.deliver(request) == "withheld"
    assert (await post.delivery(request)).reason == DISABLED
    assert post.platform.asked == []


async def test_a_hook_that_is_gone_or_has_no_token_is_told(post: Post) -> None:
    conversation = post.platform.begin()
    first, second = await post.turn(conversation), await post.turn(post.platform.begin())
    hook = post.hooks.known.pop(post.hook.id)
    assert await post.deliver(first) == "dead"
    assert (await post.delivery(first)).reason == NO_HOOK
    post.hooks.known[hook.id] = type(hook)(hook.id, hook.tenant, hook.platform, hook.settings, {})
    assert await post.deliver(second) == "dead"
    assert (await post.delivery(second)).reason == NO_TOKEN


async def test_a_conversation_that_is_gone_is_a_dead_letter(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation)
    del post.platform.conversations[conversation.id]
    assert await post.deliver(request) == "dead"
    assert "knows no such conversation (404)" in str((await post.delivery(request)).reason)


async def test_a_platform_that_does_not_say_whose_it_is_is_posted_to(post: Post, chatwoot: Chatwoot) -> None:
    conversation = chatwoot.begin()
    answer = chatwoot.answer

    def as_of_old(asked: Asked) -> Told:
        return Told(401, {"error": "not for bots"}) if asked.method == "GET" else answer(asked)

    chatwoot.answer = as_of_old  # type: ignore[method-assign]
    request = await post.turn(conversation)
    assert await post.deliver(request) == "delivered"
    assert chatwoot.replies(conversation) == ["On its way."]


async def test_a_platform_that_cannot_say_whose_it_is_now_is_asked_later(post: Post, chatwoot: Chatwoot) -> None:
    conversation = chatwoot.begin()
    answer, away = chatwoot.answer, [True]

    def as_told(asked: Asked) -> Told:
        return Told(503) if asked.method == "GET" and away else answer(asked)

    chatwoot.answer = as_told  # type: ignore[method-assign]
    request = await post.turn(conversation)
    assert await post.deliver(request) == "pending"
    assert chatwoot.replies(conversation) == []
    away.clear()
    assert await post.due(request) == "delivered"


async def test_a_long_reply_goes_in_parts_and_each_is_posted_once(desk: Desk, chatwoot: Chatwoot) -> None:
    post = open_post(desk, chatwoot)
    conversation = chatwoot.begin()
    text = "\n\n".join(f"Paragraph {number}. " + "x" * 60_000 for number in range(4))
    request = await post.turn(conversation, text)
    chatwoot.faults = [Fault(Told(200, {}), done=True), CUT_AFTER]
    assert await post.deliver(request) == "pending"
    assert await post.due(request) == "delivered"
    assert "\n\n".join(chatwoot.replies(conversation)) == text
    assert (await post.delivery(request)).done == ("reply", "reply-2")


@pytest.mark.parametrize(("rules", "said"), [(Rules(allow_http=True), "not public"), (Rules(), "https://")])
async def test_a_platform_is_asked_only_where_callbacks_may_go(
    desk: Desk, chatwoot: Chatwoot, rules: Rules, said: str
) -> None:
    post = open_post(desk, chatwoot, rules=rules)
    request = await post.turn(chatwoot.begin())
    assert await post.deliver(request) == "pending"
    assert said in str((await post.delivery(request)).attempts[0].error)
    assert chatwoot.asked == []


async def test_where_a_platform_redirects_to_nothing_is_sent(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation)
    post.platform.faults = [Fault(Told(302, None, {"Location": f"{post.platform.url}/elsewhere"}))]
    await post.deliver(request)
    assert not any("elsewhere" in asked.path for asked in post.platform.asked)
    assert "redirect" in str((await post.delivery(request)).unsaid)


async def test_no_more_go_to_one_hook_at_once_than_is_polite_and_one_that_fails_is_left_alone(
    desk: Desk, chatwoot: Chatwoot
) -> None:
    post = open_post(desk, chatwoot)
    requests = [await post.turn(chatwoot.begin()) for _ in range(12)]
    chatwoot.faults = [Fault(Told(503))] * 10
    words = [await post.deliver(request) for request in requests]
    assert words == ["pending"] * 10 + ["postponed"] * 2
    assert (await post.delivery(requests[-1])).tries == 0
