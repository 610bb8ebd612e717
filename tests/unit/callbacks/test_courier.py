"""What becomes of a delivery, attempt by attempt, and wherever a process dies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from unittest.mock import AsyncMock

import fakeredis
import pytest
from standardwebhooks import Webhook

from shared.callbacks.account import Accounts
from shared.callbacks.circuit import BUSY_SECONDS, OPENS_AFTER
from shared.callbacks.courier import TRIPPED
from shared.callbacks.desk import CallbackDesk, replay
from shared.callbacks.schedule import STEPS
from shared.callbacks.sender import Answer
from shared.callbacks.signed import NO_ADDRESS, STOPPED, UNSIGNED
from shared.errors import NoSecretKey, StoreCorrupt, UnknownDelivery
from shared.sealing import Sealer
from shared.storage.deliveries import DeliveryRef
from shared.storage.types import OF_TENANT
from tests.contract import dynamodb_desk, redis_desk
from tests.contract.store import DAY, HOUR, LIMITS, MINUTE, SECOND, Desk
from tests.support.moto import Moto
from tests.unit.callbacks.posts import GONE, HOOK, OH, Mail, open_mail


@pytest.fixture(params=["redis", "dynamodb"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """A desk over each kind of store: what a courier rests on must be the same on both."""
    if request.param == "redis":
        redis = fakeredis.FakeAsyncRedis(decode_responses=True, version=(7,))
        yield redis_desk.make_desk(redis)
        await redis.aclose()
    else:
        moto: Moto = request.getfixturevalue("moto")
        made = dynamodb_desk.make_desk(moto.table())
        yield made
        await made.store.close()


@pytest.fixture
async def mail(desk: Desk) -> Mail:
    return await open_mail(desk)


async def test_a_result_is_posted_as_the_event_it_is_and_verified_by_the_official_library(mail: Mail) -> None:
    request = await mail.turn(metadata={"ticket": 7})
    assert await mail.deliver(request) == "delivered"
    ((url, headers, body),) = mail.receiver.heard
    event = Webhook(mail.secret).verify(body.encode(), headers)
    assert (url, event["id"], event["type"]) == (HOOK, headers["webhook-id"], "chat.reply.completed")
    assert event["id"] == f"evt_{request.request_id}"
    assert event["data"]["metadata"] == {"ticket": 7}
    assert event["data"]["result"]["reply"] == "On its way — grüße"
    assert event["data"]["customerId"] == "cust-1"
    delivery = await mail.delivery(request)
    assert [(each.status, each.error, each.duration_ms) for each in delivery.attempts] == [(200, None, 50)]
    assert await mail.deliver(request) == "waits"


async def test_a_failure_is_posted_with_its_reason(mail: Mail) -> None:
    desk = mail.desk
    request = await desk.accept(callback=HOOK)
    claim = await desk.claim(request)
    done = await desk.own.commit(claim, desk.failed(claim))
    await CallbackDesk(desk.store).begin(done.rows[0])
    assert await mail.deliver(request) == "delivered"
    event = json.loads(mail.receiver.heard[0][2])
    assert (event["type"], event["data"]["failure"]["type"]) == ("chat.reply.failed", "deadline")


async def test_ten_attempts_on_the_schedule_then_a_dead_letter(mail: Mail) -> None:
    request = await mail.turn()
    mail.receiver.script = [OH] * 20
    waits = []
    while (delivery := await mail.delivery(request)).due_at is not None:
        began = mail.desk.clock.ms
        mail.desk.clock.ms = round(delivery.due_at.timestamp() * 1000)
        waits.append((mail.desk.clock.ms - began) / 1000)
        assert await mail.deliver(request) in {"pending", "dead"}
    assert waits == pytest.approx(list(STEPS), abs=0.1)
    assert (delivery.status, len(delivery.attempts), len(set(mail.receiver.ids))) == ("dead", 10, 1)
    assert delivery.reason == "10 attempts failed; the last: answered 500"
    assert (await mail.desk.own.counts())["callback.failed"] == 10
    assert (await mail.desk.own.counts())["callback.dead"] == 1


async def test_before_it_is_due_nothing_is_sent(mail: Mail) -> None:
    request = await mail.turn()
    mail.receiver.script = [OH]
    assert await mail.deliver(request) == "pending"
    mail.desk.clock.pass_(4 * SECOND)
    assert await mail.deliver(request) == "waits"
    mail.desk.clock.pass_(2 * SECOND)
    assert await mail.deliver(request) == "delivered"


async def test_retry_after_is_honoured(mail: Mail) -> None:
    request = await mail.turn()
    mail.receiver.script = [Answer(429, "answered 429", 0.0, retry_after=600)]
    await mail.deliver(request)
    mail.desk.clock.pass_(599 * SECOND)
    assert await mail.deliver(request) == "waits"
    mail.desk.clock.pass_(SECOND)
    assert await mail.deliver(request) == "delivered"


async def test_retry_after_does_not_put_off_the_end_for_ever(mail: Mail) -> None:
    request = await mail.turn()
    mail.receiver.script = [Answer(503, "answered 503", 0.0, retry_after=1e9)] * 20
    for _ in range(10):
        await mail.deliver(request)
        mail.desk.clock.pass_(DAY)
    delivery = await mail.delivery(request)
    assert delivery.status == "dead"
    assert len(delivery.attempts) == 5


async def test_410_stops_the_endpoint_for_all_until_it_is_resumed(mail: Mail) -> None:
    first, second = await mail.turn(f"{HOOK}?id=1"), await mail.turn(f"{HOOK}?id=2", "cust-2")
    other = await mail.turn("https://hook.example/b", "cust-3")
    mail.receiver.script = [GONE]
    assert await mail.deliver(first) == "dead"
    assert await mail.deliver(second) == "dead"
    assert await mail.deliver(other) == "delivered"
    assert [(await mail.delivery(each)).reason for each in (first, second)] == [STOPPED, STOPPED]
    assert list((await mail.accounts.read("acme")).stopped) == [HOOK]
    assert len(mail.receiver.heard) == 2
    await mail.accounts.change("acme", lambda account: account.without_stopped(HOOK))
    await replay(mail.desk.own, second.request_id)
    assert await mail.deliver(second) == "delivered"


async def test_a_process_that_dies_after_sending_sends_again_with_the_same_id(mail: Mail) -> None:
    request = await mail.turn()

    async def die() -> None:
        raise KeyboardInterrupt

    mail.receiver.before = die
    with pytest.raises(KeyboardInterrupt):
        await mail.deliver(request)
    mail.receiver.before = None
    assert await mail.deliver(request) == "waits"
    mail.desk.clock.pass_(26 * SECOND)
    found = await mail.desk.store.due_deliveries(mail.desk.ref(request).bucket, 10)
    assert found == [DeliveryRef("acme", request.request_id)]
    assert await mail.deliver(request) == "delivered"
    assert mail.receiver.ids == [f"evt_{request.request_id}"] * 2


async def test_a_process_that_dies_before_the_delivery_stands_leaves_the_row(mail: Mail) -> None:
    desk = mail.desk
    request = await desk.accept(callback=HOOK)
    await desk.answer(await desk.claim(request))  # and nobody announces
    assert await mail.deliver(request) == "gone"
    (row,) = await desk.due_rows(request)
    for _ in range(2):  # and once more, had that died before the row was struck
        await CallbackDesk(desk.store).begin(row)
    assert await mail.deliver(request) == "delivered"
    await CallbackDesk(desk.store).begin(row)
    assert await mail.deliver(request) == "waits"
    assert len(mail.receiver.heard) == 1


async def test_two_workers_do_not_both_send(mail: Mail) -> None:
    request = await mail.turn()

    async def meanwhile() -> None:
        mail.receiver.before = None
        assert await mail.deliver(request) == "waits"

    mail.receiver.before = meanwhile
    assert await mail.deliver(request) == "delivered"
    assert len(mail.receiver.heard) == 1


async def test_two_workers_that_read_at_the_same_moment_do_not_both_send(mail: Mail) -> None:
    request = await mail.turn()
    words = await asyncio.gather(mail.deliver(request), mail.deliver(request))
    assert sorted(words) == ["delivered", "lost"]
    assert len(mail.receiver.heard) == 1


async def test_what_was_replayed_meanwhile_is_not_undone(mail: Mail) -> None:
    request = await mail.turn()

    async def meanwhile() -> None:
        mail.receiver.before = None
        await replay(mail.desk.own, request.request_id)

    mail.receiver.before = meanwhile
    assert await mail.deliver(request) == "lost"
    assert await mail.deliver(request) == "delivered"


async def test_a_replay_sends_again_whatever_came_of_it(mail: Mail) -> None:
    request = await mail.turn()
    await mail.deliver(request)
    again = await replay(mail.desk.own, request.request_id)
    assert (again.status, again.tries, len(again.attempts)) == ("pending", 0, 1)
    assert await mail.deliver(request) == "delivered"
    assert len(set(mail.receiver.ids)) == 1
    with pytest.raises(UnknownDelivery):
        await replay(mail.desk.own, mail.desk.new().request_id)


async def test_the_tenants_address_is_the_one_it_has_by_then(mail: Mail) -> None:
    request = await mail.turn(OF_TENANT)
    mail.receiver.script = [OH]
    await mail.accounts.change("acme", lambda account: account.model_copy(update={"url": "https://old.example/"}))
    await mail.deliver(request)
    await mail.accounts.change("acme", lambda account: account.model_copy(update={"url": "https://new.example/"}))
    mail.desk.clock.pass_(MINUTE)
    assert await mail.deliver(request) == "delivered"
    assert [url for url, _, _ in mail.receiver.heard] == ["https://old.example/", "https://new.example/"]


async def test_without_an_address_or_a_secret_it_is_a_dead_letter_that_says_so(mail: Mail) -> None:
    nowhere = await mail.turn(OF_TENANT)
    assert await mail.deliver(nowhere) == "dead"
    assert (await mail.delivery(nowhere)).reason == NO_ADDRESS
    other = await open_mail(mail.desk.of("globex"))
    await other.accounts.change("globex", lambda account: account.model_copy(update={"secrets": ()}))
    unsigned = await other.turn()
    assert await other.deliver(unsigned) == "dead"
    assert (await other.delivery(unsigned)).reason == UNSIGNED


async def test_a_secret_made_a_moment_ago_is_known(mail: Mail) -> None:
    await mail.accounts.change("acme", lambda account: account.model_copy(update={"secrets": ()}))
    await mail.accounts.of("acme")
    elsewhere = Accounts(mail.desk.store, Sealer(["k" * 32]))
    await elsewhere.new_secret("acme", timedelta())
    assert await mail.deliver(await mail.turn()) == "delivered"


async def test_a_deleted_request_is_called_back_no_more(mail: Mail) -> None:
    request = await mail.turn()
    await mail.desk.own.delete_session(str(request.session_id))
    assert await mail.deliver(request) == "gone"
    assert mail.receiver.heard == []


async def test_what_was_deleted_between_is_not_sent(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    request = await mail.turn()
    own = mail.desk.own
    kept = await own.delivery(request.request_id)
    await own.delete_session(str(request.session_id))

    async def as_before(self: object, request_id: str) -> object:
        return kept

    monkeypatch.setattr(type(own), "delivery", as_before)
    assert await mail.deliver(request) == "lost"
    assert mail.receiver.heard == []


async def test_while_secrets_rotate_both_verify_and_then_the_new_one_only(mail: Mail) -> None:
    _, new = await mail.accounts.new_secret("acme", timedelta(hours=1))
    await mail.deliver(await mail.turn())
    _, headers, body = mail.receiver.heard[-1]
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert Webhook(mail.secret).verify(body, headers) == Webhook(new).verify(body, headers)
    mail.desk.clock.pass_(HOUR)
    await mail.deliver(await mail.turn(customer="cust-2"))
    _, headers, body = mail.receiver.heard[-1]
    assert len(headers["webhook-signature"].split(" ")) == 1
    assert Webhook(new).verify(body, headers)


async def test_secrets_are_stored_sealed_and_sealed_anew_when_the_key_rotates(mail: Mail) -> None:
    kept = (await mail.desk.own.callbacks()).value
    assert mail.secret not in kept
    assert mail.secret.removeprefix("whsec_") not in kept
    both = Accounts(mail.desk.store, Sealer(["n" * 32, "k" * 32]))
    assert await both.reseal("acme") == 1
    only_new = Accounts(mail.desk.store, Sealer(["n" * 32]))
    assert only_new.keys("acme", await only_new.read("acme"), await mail.desk.store.now()) == [mail.secret]
    with pytest.raises(NoSecretKey):
        await Accounts(mail.desk.store, None).new_secret("acme", timedelta())


async def test_a_secret_that_cannot_be_opened_is_an_attempt_that_says_so(desk: Desk) -> None:
    mail = await open_mail(desk)
    mail.accounts._sealer = Sealer(["x" * 32])
    request = await mail.turn()
    assert await mail.deliver(request) == "pending"
    assert "SECRET_KEY" in str((await mail.delivery(request)).attempts[0].error)
    assert mail.receiver.heard == []


async def test_an_endpoint_that_fails_again_and_again_is_left_alone(mail: Mail) -> None:
    requests = [await mail.turn(customer=f"cust-{number}") for number in range(OPENS_AFTER + 2)]
    mail.receiver.script = [OH] * OPENS_AFTER
    words = [await mail.deliver(request) for request in requests]
    assert words == ["pending"] * OPENS_AFTER + ["postponed"] * 2
    assert (await mail.delivery(requests[-1])).tries == 0
    assert await mail.deliver(await mail.turn("https://other.example/", "cust-x")) == "delivered"
    mail.desk.clock.pass_(2 * MINUTE)
    assert await mail.deliver(requests[-1]) == "delivered"


async def test_no_more_go_to_one_endpoint_at_once_than_is_polite(desk: Desk) -> None:
    mail = await open_mail(desk, at_once=1)
    first, second = await mail.turn(), await mail.turn(customer="cust-2")
    words = []

    async def meanwhile() -> None:
        mail.receiver.before = None
        words.append(await mail.deliver(second))

    mail.receiver.before = meanwhile
    words.append(await mail.deliver(first))
    assert words == ["postponed", "delivered"]
    mail.desk.clock.pass_(round(3 * BUSY_SECONDS * 1000))
    assert await mail.deliver(second) == "delivered"


async def test_no_tenant_takes_all_places_of_a_process(desk: Desk) -> None:
    mail = await open_mail(desk, of_tenant=1)
    first, second = await mail.turn(), await mail.turn("https://other.example/", "cust-2")
    words = []

    async def meanwhile() -> None:
        mail.receiver.before = None
        words.append(await mail.deliver(second))

    mail.receiver.before = meanwhile
    words.append(await mail.deliver(first))
    assert words == ["postponed", "delivered"]
    mail.desk.clock.pass_(round(3 * BUSY_SECONDS * 1000))
    assert await mail.deliver(second) == "delivered"


async def test_a_delivery_keeps_its_request_longer_than_its_retention(mail: Mail) -> None:
    request = await mail.turn()
    inside = mail.desk.inside
    if isinstance(inside, redis_desk.InsideRedis):
        redis = inside._redis
        (record,) = [key for key in await redis.keys("*") if str(key).endswith(f":req:{request.request_id}")]
        assert await redis.pttl(record) > LIMITS.request_retention_ms
        await redis.pexpire(record, SECOND)  # as after a week
        await replay(mail.desk.own, request.request_id)
        assert await redis.pttl(record) > LIMITS.request_retention_ms
        return
    mail.desk.clock.pass_(6 * DAY)
    assert (await mail.desk.own.request(request.request_id)).result is not None
    await replay(mail.desk.own, request.request_id)
    mail.desk.clock.pass_(6 * DAY)
    assert (await mail.desk.own.request(request.request_id)).result is not None
    mail.desk.clock.pass_(2 * DAY)
    assert await mail.desk.own.delivery(request.request_id) is None


async def test_an_account_is_asked_for_seldom(mail: Mail) -> None:
    await mail.accounts.of("acme")
    await mail.desk.own.put_callbacks("what cannot be read", 1)
    assert len((await mail.accounts.of("acme")).secrets) == 1
    with pytest.raises(ValueError, match="Invalid JSON"):
        await mail.accounts.read("acme")


async def test_beginning_wakes_a_worker_once(mail: Mail) -> None:
    woken: list[DeliveryRef] = []

    async def wake(ref: DeliveryRef) -> bool:
        woken.append(ref)
        return True

    desk = mail.desk
    request = await desk.accept(callback=HOOK)
    done = await desk.answer(await desk.claim(request))
    for _ in range(2):
        await CallbackDesk(desk.store, wake).begin(done.rows[0])
        desk.clock.pass_(SECOND)
    assert woken == [DeliveryRef("acme", request.request_id)]


async def test_an_account_that_cannot_be_read_is_not_met_for_days_either(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await mail.turn()
    monkeypatch.setattr(Accounts, "read", AsyncMock(side_effect=StoreCorrupt("no JSON")))
    assert await mail.deliver(request) == "pending"
    assert [each.error for each in (await mail.delivery(request)).attempts] == [TRIPPED]


async def test_what_an_attempt_trips_over_counts_as_an_attempt_and_is_not_met_for_days(mail: Mail) -> None:
    async def trip() -> None:
        raise OverflowError("an answer that nobody thought of")

    request = await mail.turn()
    mail.receiver.before = trip
    assert await mail.deliver(request) == "pending"
    delivery = await mail.delivery(request)
    assert [(each.status, each.error) for each in delivery.attempts] == [(None, TRIPPED)]
    while delivery.due_at is not None:
        mail.desk.clock.ms = round(delivery.due_at.timestamp() * 1000) + 1
        await mail.deliver(request)
        delivery = await mail.delivery(request)
    assert (delivery.status, len(mail.receiver.heard)) == ("dead", len(STEPS))
