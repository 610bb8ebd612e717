"""What platforms post while something is away: told in time, so that they post again, and taken once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.api.caller import Caller, make_key
from tests.api.hooked import Hooked
from tests.support.deliveries import GENERIC
from tests.support.moto import UNHURRIED, Moto
from tests.support.stack import Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

KEY = {"SECRET_KEY": "k" * 64, "RECONCILE_SECONDS": "0.5"}
LEAST_PATIENT = 3.0  # seconds, of all platforms


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("webhooks-store"), durable=True)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, store: Valkey) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("webhooks"), store, store, **KEY)
    make_key(stack, "acme")
    stack.start_all()
    yield stack
    stack.close()


@pytest.fixture
def caller(stack: Stack) -> Iterator[Caller]:
    with Caller(stack, "acme", make_key(stack, "acme")) as caller:
        yield caller


def answered(hooked: Hooked, customer: str) -> list[tuple[str, str]]:
    """Wait for the reply to the one message of a customer; return the transcript."""

    def look() -> list[tuple[str, str]] | None:
        sessions = hooked.sessions(customer)
        found = hooked.caller.transcript(sessions[0]["id"]) if sessions else []
        return found if len(found) > 1 else None

    return wait_for(f"the reply to {customer}", look, 60)


@pytest.mark.parametrize(
    ("platform", "again", "customer", "nothing"),
    [
        ("chatwoot", 429, "chatwoot:2:89", {"event": "conversation_typing_on"}),
        ("slack", 503, "slack:T1:U1", {"type": "app_rate_limited"}),
    ],
)
def test_while_the_store_hangs_a_platform_is_told_in_time_what_it_posts_again_after(
    caller: Caller, store: Valkey, platform: str, again: int, customer: str, nothing: dict[str, str]
) -> None:
    hooked = Hooked(caller, platform)
    body = hooked.message("My order number is A-4711.")
    assert hooked.post({**body, **nothing}).status_code == 200
    store.pause()
    try:
        for _ in range(3):  # with the hook known, and not
            began = time.monotonic()
            response = hooked.post(body)
            assert time.monotonic() - began < LEAST_PATIENT
            assert response.status_code == again
            assert int(response.headers["Retry-After"]) > 0
            time.sleep(1.1)
    finally:
        store.resume()
    wait_for("the store to be back", lambda: hooked.post(body).status_code == 200)
    assert hooked.taken(body) == 1
    said = answered(hooked, customer)
    assert [text for role, text in said if role == "user"] == ["My order number is A-4711."]
    assert len(said) == 2


def test_while_the_broker_is_emptied_messages_wait_and_are_answered(
    caller: Caller, stack: Stack, store: Valkey
) -> None:
    hooked = Hooked(caller, "generic")
    stack.kill("chat")
    assert hooked.taken(hooked.message("Anybody there?")) == 1
    store.purge("chat")
    stack.start("chat", "worker", "chat")
    assert [role for role, _ in answered(hooked, "desk:acme:c-9")] == ["user", "assistant"]


def test_chatwoot_and_a_generic_platform_over_dynamodb_and_sqs(
    tmp_path_factory: pytest.TempPathFactory, moto: Moto
) -> None:
    stack = Stack(tmp_path_factory.mktemp("webhooks-aws"), moto, None, **{**KEY, **UNHURRIED})
    make_key(stack, "acme")
    try:
        stack.start_all()
        with Caller(stack, "acme", make_key(stack, "acme")) as caller:
            desk, other = Hooked(caller, "chatwoot"), Hooked(caller, "generic", GENERIC)
            for hooked, customer in ((desk, "chatwoot:2:89"), (other, "desk:acme:c-9")):
                body = hooked.message("My order number is A-4711.")
                assert [hooked.taken(body), hooked.taken(body)] == [1, 1]
                assert [role for role, _ in answered(hooked, customer)] == ["user", "assistant"]
            agent = {"id": 7, "name": "Jonas", "type": "user"}
            theirs = desk.message("I am on it.", message_type="outgoing", sender=agent)
            assert [desk.taken(theirs), desk.taken(theirs)] == [1, 1]
            (session,) = desk.sessions("chatwoot:2:89")
            assert (session["handler"], session["messageCount"]) == ("human", 3)
    finally:
        stack.close()
