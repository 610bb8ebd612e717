"""The same story on every platform: one reply, found again, hand-off and note, wrong token, rate limits, takeovers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import fakeredis
import pytest

from shared.replies.parcel import NOBODY
from tests.contract.redis_desk import make_desk
from tests.contract.store import Desk
from tests.support.platforms.every import EVERY
from tests.support.platforms.slack import Slack
from tests.support.platforms.standin import CUT, CUT_AFTER, ERROR_AFTER, Asked, Fault, StandIn, Told, playing
from tests.support.platforms.sunshine import Sunshine
from tests.unit.replies.post import Post, open_post

REPLY = "It is <b>on its way</b> & arrives *Friday*.\n\nGrüße, <!channel> 🙂"


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A desk over one store: what differs here are the platforms."""
    redis = fakeredis.FakeAsyncRedis(decode_responses=True, version=(7,))
    yield make_desk(redis)
    await redis.aclose()


@pytest.fixture(params=EVERY, ids=lambda kind: kind.name)
def platform(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with playing(request.param) as platform:
        yield platform


@pytest.fixture
def post(desk: Desk, platform: StandIn) -> Post:
    return open_post(desk, platform)


async def test_one_reply_reaches_the_customer_as_it_was_written(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation, REPLY)
    assert await post.deliver(request) == "delivered", await post.delivery(request)
    assert post.platform.replies(conversation) == [REPLY]
    assert post.platform.notes(conversation) == []
    assert conversation.handler == "bot"


@pytest.mark.parametrize("fault", [CUT_AFTER, ERROR_AFTER])
async def test_a_reply_whose_answer_was_lost_is_found(post: Post, fault: Fault) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation, REPLY)
    post.platform.faults = [fault]
    assert await post.deliver(request) == "pending"
    assert await post.due(request) == "delivered"
    assert post.platform.replies(conversation) == [REPLY]


async def test_a_reply_that_was_not_taken_is_posted_again_though_another_said_the_same(post: Post) -> None:
    conversation = post.platform.begin()
    earlier = post.platform.says(conversation, REPLY, "person")
    earlier.at -= 3600
    request = await post.turn(conversation, REPLY)
    post.platform.faults = [CUT]
    assert await post.deliver(request) == "pending"
    assert await post.due(request) == "delivered"
    assert post.platform.replies(conversation) == [REPLY]


async def test_it_waits_as_long_as_the_platform_asks(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation, REPLY)
    post.platform.faults = [Fault(Told(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "77"}))]
    assert await post.deliver(request) == "pending"
    delivery = await post.delivery(request)
    assert delivery.due_at is not None
    assert 77 <= (delivery.due_at - delivery.began_at).total_seconds() < 80
    assert delivery.doubt is None
    assert await post.due(request) == "delivered"
    assert post.platform.replies(conversation) == [REPLY]


async def test_a_wrong_token_is_a_dead_letter_that_says_so(post: Post) -> None:
    post.platform.token = "key-2:another"
    request = await post.turn(post.platform.begin(), REPLY)
    assert await post.deliver(request) == "dead"
    assert "does not let us in" in str((await post.delivery(request)).reason)


async def test_a_conversation_that_is_not_there_is_a_dead_letter_that_says_so(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation, REPLY)
    del post.platform.conversations[conversation.id]
    assert await post.deliver(request) == "dead"
    assert "knows no such conversation" in str((await post.delivery(request)).reason)


async def test_a_person_who_took_it_on_the_platform_is_not_talked_over(post: Post) -> None:
    conversation = post.platform.begin()
    request = await post.turn(conversation, REPLY)
    post.platform.take_over(conversation)
    asked = not isinstance(post.platform, Slack)  # which tells nobody whose a thread is
    assert await post.deliver(request) == ("withheld" if asked else "delivered")
    assert post.platform.replies(conversation) == ([] if asked else [REPLY])


@pytest.mark.parametrize("done", [None, 0, 1, 2])
async def test_it_hands_over_with_a_note_and_each_of_it_once(post: Post, done: int | None) -> None:
    """`done`: after so many steps that were taken, the connection is cut once."""
    platform, conversation = post.platform, post.platform.begin()
    request = await post.accept(conversation, "A person please, about A-1234.")
    await post.begin(await post.answer(request, "A colleague takes over.", "wants a person"))
    cut: list[int] = []

    def cut_once(asked: Asked) -> None:
        taken = len(platform.replies(conversation)) + (conversation.handler == "person")
        if platform.changes(asked) and taken == done and not cut:
            cut.append(taken)
            platform.faults = [CUT]

    platform.before = cut_once
    words = [await post.deliver(request)]
    while words[-1] == "pending":
        words.append(await post.due(request))
    # Slack has nothing to hand over, Sunshine no notes.
    whole = done is None or (done == 2 and isinstance(platform, (Slack, Sunshine)))
    assert words == (["delivered"] if whole else ["pending", "delivered"])
    assert platform.replies(conversation) == ["A colleague takes over."]
    assert conversation.handler == ("bot" if isinstance(platform, Slack) else "person")
    notes = platform.notes(conversation)
    assert len(notes) == (0 if isinstance(platform, Sunshine) else 1)
    assert all("wants a person" in note and "A-1234" in note for note in notes)
    assert (await post.desk.own.session(str(request.session_id))).handler == "human"


async def test_an_error_of_slacks_own_is_no_answer_and_it_is_looked(desk: Desk) -> None:
    with playing(Slack) as platform:
        post = open_post(desk, platform)
        conversation = platform.begin()
        request = await post.turn(conversation, REPLY)
        platform.faults = [Fault(Told(200, {"ok": False, "error": "internal_error"}), done=True)]
        assert await post.deliver(request) == "pending"
        assert (await post.delivery(request)).doubt == "reply"
        assert await post.due(request) == "delivered"
        assert platform.replies(conversation) == [REPLY]


async def test_sunshine_puts_the_brief_into_a_field_of_the_ticket(desk: Desk) -> None:
    with playing(Sunshine) as platform:
        post = open_post(desk, platform, briefField=4711)
        conversation = platform.begin()
        assert await post.deliver(await post.fail(conversation, "deadline", "Where is A-1?")) == "delivered"
        passed = conversation.more["passed"]
    assert passed["switchboardIntegration"] == "next"
    assert "Where is A-1?" in passed["metadata"]["dataCapture.ticketField.4711"]


async def test_where_nobody_can_be_called_the_agent_keeps_the_conversation_and_the_operator_is_told(
    desk: Desk,
) -> None:
    with playing(Slack) as platform:
        post = open_post(desk, platform, handOffChannel=None)
        conversation = platform.begin()
        request = await post.fail(conversation, "claude-refused")
        assert await post.deliver(request) == "dead"
        assert (await post.delivery(request)).reason == (
            f"no reply could be made: it did not work (claude-refused); {NOBODY}"
        )
        assert (await desk.own.session(str(request.session_id))).handler == "agent"
        again = await post.turn(conversation, "Here I am.")
        assert await post.deliver(again) == "delivered"
        assert platform.replies(conversation) == ["Here I am."]
