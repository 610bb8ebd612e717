"""What comes in through a hook, put where it belongs: on both stores, by a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import permutations
from typing import Any
from unittest.mock import AsyncMock

import fakeredis
import pytest

from shared.context.tokens import load_counter
from shared.errors import CustomerErasing, Malformed, SessionBusy
from shared.hooks.intake import Intake, IntakeParts, Word, precedes_message
from shared.ids import SessionRef, bucket_of
from shared.models import Attachment, Session
from shared.platforms.registry import PLATFORMS
from shared.platforms.types import AgentMessage, CustomerMessage, Event, Handling, Ignored, OpenHook, PlatformName
from shared.storage.types import Claim, NewSession, SessionPatch, hook_of
from tests.contract.dynamodb_desk import make_desk as make_dynamodb
from tests.contract.redis_desk import make_desk as make_redis
from tests.contract.store import HOUR, LIMITS, Desk
from tests.support.deliveries import SAMPLES
from tests.support.moto import Moto

WHO, WHERE = "cust-1", "2/15"


@pytest.fixture(params=["redis", "dynamodb"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    if request.param == "redis":
        redis = fakeredis.FakeAsyncRedis(decode_responses=True, version=(7,))
        yield make_redis(redis)
        await redis.aclose()
        return
    moto: Moto = request.getfixturevalue("moto")
    desk = make_dynamodb(moto.table())
    yield desk
    await desk.store.close()


def open_hook(platform: PlatformName = "chatwoot", **settings: Any) -> OpenHook:
    chosen = PLATFORMS[platform].settings.model_validate({**SAMPLES[platform].settings, **settings})
    return OpenHook("hook_01jd3m0q8w0000000000000001", "acme", platform, chosen, {})


def intake_of(desk: Desk) -> Intake:
    clock = lambda: datetime.fromtimestamp(desk.clock.ms / 1000, UTC)  # noqa: E731 - the desk's own
    return Intake(IntakeParts(desk.store, desk.ids, clock, load_counter(), 1000))


async def take(desk: Desk, *events: Event, hook: OpenHook | None = None) -> list[Word]:
    """Take a delivery's events, in order."""
    intake, through = intake_of(desk), hook or open_hook()
    return [
        (await intake.take(through, event, before_message=precedes_message(events, place))).word
        for place, event in enumerate(events)
    ]


async def session_of(desk: Desk, hook: OpenHook | None = None, customer: str = WHO) -> Session:
    found = await desk.own.bound_session(customer, f"{(hook or open_hook()).id}/{WHERE}")
    assert found is not None
    return found


def said(text: str = "Hello?", number: int = 1, **more: Any) -> CustomerMessage:
    return CustomerMessage(
        **{"message_id": str(number), "conversation": WHERE, "customer_id": WHO, "text": text, **more}
    )


def wrote(text: str = "I am on it.", number: int = 9, **more: Any) -> AgentMessage:
    given = {"message_id": str(number), "conversation": WHERE, "customer_id": WHO, "text": text, "author": "Jonas"}
    return AgentMessage(**{**given, **more})


async def test_a_message_becomes_a_request_that_says_through_which_hook_it_came(desk: Desk) -> None:
    hook = open_hook(coalesceSeconds=2.5)
    file = Attachment(name="p.pdf")
    event = said(attachments=(file,), metadata={"subject": "Parcel"})
    taken = await intake_of(desk).take(hook, event)
    assert taken.wake is not None
    session = await session_of(desk)
    assert session.id == taken.wake.session_id
    desk.clock.pass_(3_000)
    claim = await desk.own.claim(taken.wake, "nonce", 4000, quarantine=False)
    request = claim.request  # type: ignore[union-attr]  # it is due
    assert (request.message, request.handoff, request.coalesce_ms) == ("Hello?", True, 2500)
    assert request.metadata == {"platform": "chatwoot", "hookId": hook.id, "subject": "Parcel"}
    assert (hook_of(request.callback), request.attachments) == (hook.id, (file,))


async def test_many_deliveries_of_one_message_at_once_are_one_request(desk: Desk) -> None:
    words = await asyncio.gather(*(take(desk, said()) for _ in range(6)))
    assert sorted(word for each in words for word in each) == ["accepted", *["duplicate"] * 5]
    assert (await session_of(desk)).open_requests == 1


async def test_a_delivery_that_was_cut_off_is_finished_by_the_next(desk: Desk) -> None:
    """Given a message that was noted and not accepted, its second delivery accepts it."""
    hook = open_hook()
    await take(desk, said())
    first = (await session_of(desk)).open_requests
    desk.inside.lose_the_next_answer("accept")
    assert await take(desk, said("And?", 2)) == ["accepted"]
    assert await take(desk, said("And?", 2)) == ["duplicate"]
    assert (await session_of(desk, hook)).open_requests == first + 1


async def test_hooks_do_not_share_message_ids_nor_conversations(desk: Desk) -> None:
    other = OpenHook("hook_01jd3m0q8w0000000000000002", "acme", "chatwoot", open_hook().settings, {})
    assert await take(desk, said()) == ["accepted"]
    assert await take(desk, said(), hook=other) == ["accepted"]
    one, two = await session_of(desk), await session_of(desk, other)
    assert one.id != two.id


async def test_a_contact_that_is_another_customer_by_now_is_not_answered_twice(desk: Desk) -> None:
    assert await take(desk, said()) == ["accepted"]
    assert await take(desk, said(customer_id="cust_42")) == ["duplicate"]
    assert await take(desk, said("Next", 2, customer_id="cust_42")) == ["accepted"]
    assert (await session_of(desk, customer="cust_42")).open_requests == 1


async def test_a_persons_message_is_recorded_once_and_the_session_is_theirs(desk: Desk) -> None:
    await take(desk, said())
    assert await take(desk, wrote(), wrote(), wrote("Wait.", 10)) == ["recorded"] * 3
    session = await session_of(desk)
    assert (session.handler, session.open_requests) == ("human", 3)


async def test_a_person_who_writes_first_begins_the_session_whoever_tells_of_it(desk: Desk) -> None:
    words = await asyncio.gather(*(take(desk, wrote(number=number)) for number in range(4)))
    assert words == [["recorded"]] * 4
    session = await session_of(desk)
    assert (session.handler, session.message_count) == ("human", 4)
    found = await desk.own.messages(session.id, 10, 0)
    assert [(each.role, each.author) for each in found.items] == [("assistant", "Jonas")] * 4
    assert all(each.tokens > 0 for each in found.items)


async def test_what_was_recorded_in_a_session_that_has_ended_begins_no_other(desk: Desk) -> None:
    await take(desk, wrote())
    first = await session_of(desk)
    assert await take(desk, Handling(WHERE, WHO, "over"), wrote()) == ["handled", "ignored"]
    assert (await session_of(desk)).id == first.id
    assert await take(desk, wrote("New.", 10)) == ["recorded"]
    assert (await session_of(desk)).id != first.id


async def test_what_a_try_that_died_left_unrecorded_is_recorded_by_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a person's first message, or the first after a session's end, and a process that dies before one begins."""
    for number in (9, 10):
        with monkeypatch.context() as patch:
            patch.setattr(Intake, "_begun", AsyncMock(side_effect=ConnectionError))
            with pytest.raises(ConnectionError):
                await take(desk, wrote(number=number))
        assert await take(desk, wrote(number=number), Handling(WHERE, WHO, "over")) == ["recorded", "handled"]


async def test_a_session_that_was_deleted_is_begun_anew(desk: Desk) -> None:
    await take(desk, wrote())
    first = await session_of(desk)
    await desk.own.delete_session(first.id)
    assert await take(desk, wrote("Again.", 10)) == ["recorded"]
    assert (await session_of(desk)).handler == "human"


async def test_our_own_reply_is_not_taken_for_a_persons(desk: Desk) -> None:
    reply = "Your parcel is at the depot in Kiel, and will be with you tomorrow."
    request = await desk.accept("Hello?", customer=WHO, conversation_id=f"{open_hook().id}/{WHERE}")
    await desk.answer(await desk.claim(request), reply)
    parts = [reply, f"  {reply}\n", reply[:45]]
    assert [await take(desk, wrote(part, number)) for number, part in enumerate(parts)] == [["ignored"]] * 3
    assert (await session_of(desk)).handler == "agent"
    assert await take(desk, wrote("Your parcel", 5)) == ["recorded"]
    assert await take(desk, wrote("Your parcel", 6)) == ["recorded"]  # said twice by a person
    assert (await session_of(desk)).handler == "human"


async def test_few_words_of_ours_come_back_once_and_are_a_persons_after_that(desk: Desk) -> None:
    """Given a reply that anybody might write, its echo, delivered twice, and a colleague who writes the same."""
    request = await desk.accept("Hello?", customer=WHO, conversation_id=f"{open_hook().id}/{WHERE}")
    await desk.answer(await desk.claim(request), "Hello!")
    assert await take(desk, wrote("Hello!", 9), wrote("Hello!", 9)) == ["ignored", "ignored"]
    assert (await session_of(desk)).handler == "agent"
    assert await take(desk, wrote("Hello!", 10), wrote("Hello!", 9), wrote("Hello!", 10)) == [
        "recorded",
        "ignored",
        "recorded",
    ]
    assert (await session_of(desk)).handler == "human"


@pytest.mark.parametrize("order", list(permutations(["human", "agent"])))
async def test_whose_a_session_is_is_what_was_told_last(desk: Desk, order: tuple[Any, ...]) -> None:
    await take(desk, said())
    await take(desk, *(Handling(WHERE, WHO, to) for to in order))
    assert (await session_of(desk)).handler == order[-1]


async def test_nothing_is_begun_for_a_conversation_that_only_changes_hands(desk: Desk) -> None:
    assert await take(desk, *(Handling(WHERE, WHO, to) for to in ("human", "agent", "over"))) == ["ignored"] * 3
    assert await desk.own.bound_session(WHO, f"{open_hook().id}/{WHERE}") is None


async def test_a_message_in_a_persons_conversation_is_theirs_from_the_first(desk: Desk) -> None:
    assert await take(desk, Handling(WHERE, WHO, "human"), said()) == ["handled", "accepted"]
    session = await session_of(desk)
    assert (session.handler, session.open_requests) == ("human", 1)


@pytest.mark.parametrize(("platform", "handler"), [("zendesk", "human"), ("chatwoot", "agent")])
async def test_a_person_keeps_a_conversation_over_its_sessions_end_where_messages_do_not_say_whose_it_is(
    desk: Desk, platform: PlatformName, handler: str
) -> None:
    hook = open_hook(platform)
    await take(desk, wrote(), hook=hook)
    before = await session_of(desk, hook)
    desk.clock.pass_(LIMITS.session_ttl_ms + HOUR)
    await desk.inside.age(HOUR)
    assert await take(desk, said(), hook=hook) == ["accepted"]
    after = await session_of(desk, hook)
    assert after.id != before.id
    assert (after.handler, after.open_requests) == (handler, 1)


async def test_a_conversation_whose_customer_is_not_told_is_found_by_where_they_wrote(desk: Desk) -> None:
    hook = open_hook("sunshine")
    assert await take(desk, wrote(customer_id=None), hook=hook) == ["ignored"]
    await take(desk, said(), hook=hook)
    assert await take(desk, wrote("Hi.", 10, customer_id=None), hook=hook) == ["recorded"]
    assert await take(desk, Handling(WHERE, None, "agent"), hook=hook) == ["handled"]
    assert (await session_of(desk, hook)).handler == "agent"
    await desk.own.delete_session((await session_of(desk, hook)).id)
    assert await take(desk, Handling(WHERE, None, "human"), hook=hook) == ["ignored"]


async def test_nothing_is_made_of_nothing(desk: Desk) -> None:
    assert await take(desk, said(""), Ignored("typing")) == ["ignored", "ignored"]
    assert await take(desk, wrote("")) == ["handled"]
    assert (await session_of(desk)).message_count == 0


async def test_what_is_too_long_is_cut_and_what_cannot_be_an_id_is_refused(desk: Desk) -> None:
    await take(desk, wrote("x" * 5_000))
    session = await session_of(desk)
    (message,) = (await desk.own.messages(session.id, 10, 0)).items
    assert len(message.content) == 1000
    for bad in (said(customer_id="c" * 257), said(conversation="c" * 230)):
        with pytest.raises(Malformed):
            await take(desk, bad)


async def test_a_session_that_is_full_and_a_customer_who_is_being_erased_are_for_another_time(desk: Desk) -> None:
    for number in range(LIMITS.max_open_requests):
        await take(desk, said("Hello?", number))
    with pytest.raises(SessionBusy):
        await take(desk, said("One more", 999))
    with pytest.raises(SessionBusy):
        await take(desk, wrote("Me too", 1000))
    request = await desk.accept(customer="cust-2")
    await desk.answer(await desk.claim(request))
    for number in range(12):
        made = await desk.own.create_session(desk.ids.session(request.request_id[4:6]), NewSession("cust-2"))
        await desk.own.update_session(made.id, SessionPatch(title=str(number)))
    if await desk.own.erase_customer("cust-2"):
        with pytest.raises(CustomerErasing):
            await take(desk, said("Hi", 2000, customer_id="cust-2"))
        with pytest.raises(CustomerErasing):
            await take(desk, wrote("Hi", 2001, customer_id="cust-2"))


async def test_platforms_that_count_the_messages_of_each_conversation_anew_lose_none(desk: Desk) -> None:
    assert await take(desk, said("one"), said("two", conversation="2/16")) == ["accepted", "accepted"]
    assert await take(desk, wrote(number=1), wrote(number=1, conversation="2/16")) == ["recorded", "recorded"]


async def test_a_person_takes_a_conversation_whose_customer_is_just_being_merged(desk: Desk) -> None:
    await desk.own.create_session(desk.ids.session(bucket_of("acme", "maria")), NewSession("maria"))
    for _ in range(12):  # more than leave in one step; the conversation's is the last
        await desk.own.create_session(desk.ids.session(bucket_of("acme", WHO)), NewSession(WHO))
        desk.clock.pass_(1000)
    await take(desk, said())
    before = await session_of(desk)
    assert await desk.own.merge_customer(WHO, "maria")
    assert await take(desk, wrote()) == ["recorded"]
    while await desk.own.merge_customer(WHO, "maria"):
        pass
    assert ((after := await session_of(desk)).id, after.handler) == (before.id, "human")


@pytest.mark.parametrize(("channel", "offered"), [("C9", True), (None, False)])
async def test_the_agent_may_hand_off_where_somebody_hears_of_it(
    desk: Desk, channel: str | None, *, offered: bool
) -> None:
    hook = open_hook("slack", handOffChannel=channel)
    await take(desk, said(), hook=hook)
    ref = SessionRef("acme", (await session_of(desk, hook)).id)
    desk.clock.pass_(HOUR // 60)
    claim = await desk.store.tenant("acme").claim(ref, "nonce", 1000, quarantine=False)
    assert isinstance(claim, Claim)
    assert claim.request.handoff is offered
