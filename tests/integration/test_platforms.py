"""Platforms and whole deployments: a signed delivery comes in, one reply goes out, and what happens on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import main
from simulator.schema import Fault as ModelFault
from tests.support.moto import UNHURRIED, Moto
from tests.support.platforms.chatwoot import Chatwoot
from tests.support.platforms.every import EVERY
from tests.support.platforms.slack import Slack
from tests.support.platforms.standin import (
    CUT_AFTER,
    Asked,
    Conversation,
    Fault,
    Said,
    StandIn,
    Told,
    playing,
)
from tests.support.platforms.sunshine import Sunshine
from tests.support.platforms.zendesk import Zendesk
from tests.support.stack import Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

SETTINGS = {
    "SECRET_KEY": "k" * 64,
    "CALLBACK_ALLOW_HTTP": "true",
    "CALLBACK_ALLOWED_CIDRS": "127.0.0.0/8",
    "CALLBACK_TIMEOUT_SECONDS": "2",
    "RECONCILE_SECONDS": "0.5",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    server = Valkey(tmp_path_factory.mktemp("platforms-valkey"))
    stack = Stack(tmp_path_factory.mktemp("platforms"), server, None, **SETTINGS)
    try:
        stack.start_all()
        yield stack
    finally:
        stack.close()
        server.stop()


@pytest.fixture
def chatwoot() -> Iterator[StandIn]:
    with playing(Chatwoot) as platform:
        yield platform


class Connected:
    """A platform that a deployment has a hook of."""

    def __init__(self, stack: Stack, platform: StandIn) -> None:
        self.stack = stack
        self.platform = platform
        with stack.client() as client:
            settings = {**platform.settings(), "coalesceSeconds": 0}
            told = {"platform": platform.name, "settings": settings, "secrets": platform.secrets()}
            made = client.post("/api/hooks", json=told)
        assert made.status_code == 201, made.text
        self.hook = str(made.json()["id"])

    def post(self, conversation: Conversation, said: Said | None = None) -> None:
        """Let the platform tell of a customer's message, the last one if none is named; again where it is asked to."""
        webhook = self.platform.webhook(conversation, said or conversation.said[-1])

        def took() -> bool:
            with self.stack.client(**webhook.headers) as client:
                answer = client.post(f"/webhooks/{self.platform.name}/{self.hook}", content=webhook.body)
            assert answer.status_code in {200, 429, 503}, answer.text
            return answer.status_code == 200

        wait_for("the delivery to be taken", took)

    def replied(self, conversation: Conversation, count: int = 1, seconds: float = 60) -> list[str]:
        """Wait until so many replies stand in a conversation."""

        def look() -> list[str] | None:
            found = self.platform.replies(conversation)
            return found if len(found) >= count else None

        return wait_for(f"{count} replies on {self.platform.name}", look, seconds)

    def deliveries(self, status: str) -> list[dict[str, Any]]:
        """Return this hook's deliveries that stand so; none where the store, as it is played, is too slow just now."""
        with self.stack.client() as client:
            found = client.get("/api/deliveries", params={"status": status, "hookId": self.hook, "limit": 5})
        assert found.status_code in {200, 503}, found.text
        return list(found.json()) if found.status_code == 200 else []

    def ended(self, status: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until a delivery of this hook ended so; return it."""
        found: list[dict[str, Any]] = wait_for(
            f"a delivery to be {status}", lambda: self.deliveries(status) or None, seconds
        )
        return found[0]


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)
def test_a_message_on_a_platform_is_answered_there_once(stack: Stack, kind: type[StandIn]) -> None:
    with playing(kind) as platform:
        connected = Connected(stack, platform)
        conversation = platform.begin("Hi, my order number is A-4711.")
        connected.post(conversation)
        connected.post(conversation)  # as platforms do that were not answered in time
        connected.replied(conversation)
        platform.says(conversation, "What was my order number?")
        connected.post(conversation)
        replies = connected.replied(conversation, 2)
        wait_for("both to be struck", lambda: len(connected.deliveries("delivered")) == 2)
        assert platform.replies(conversation) == replies
    assert len(replies) == 2
    assert "A-4711" in replies[1]


def test_a_worker_killed_between_the_post_and_the_strike_is_followed_by_one_that_looks(
    stack: Stack, chatwoot: StandIn
) -> None:
    connected, killed = Connected(stack, chatwoot), threading.Event()

    def kill_first(asked: Asked) -> None:
        if asked.path[-1] == "messages" and not killed.is_set():
            killed.set()
            stack.kill("callbacks")

    chatwoot.after = kill_first
    conversation = chatwoot.begin()
    connected.post(conversation)
    wait_for("the worker to be killed", killed.is_set, 60)
    (pending,) = connected.deliveries("pending")
    assert pending["done"] == []
    stack.start("callbacks", "worker", "callbacks")
    delivered = connected.ended("delivered", 90)
    assert delivered["done"] == ["reply"]
    assert len(chatwoot.replies(conversation)) == 1


def test_a_rate_limit_is_waited_out_and_a_lost_answer_looked_for(stack: Stack, chatwoot: StandIn) -> None:
    connected = Connected(stack, chatwoot)
    chatwoot.faults = [Fault(Told(429, {}, {"Retry-After": "3"})), CUT_AFTER]
    conversation = chatwoot.begin()
    connected.post(conversation)
    delivered = connected.ended("delivered", 60)
    told = [each.get("error") for each in delivered["attempts"]]
    assert told == ["Chatwoot answered 429", "cut the connection before it answered", None]
    assert len(chatwoot.replies(conversation)) == 1
    posts = [asked for asked in chatwoot.asked if asked.method == "POST"]
    assert len(posts) == 2  # the one that was limited, and the one that was taken


def test_a_wrong_token_is_told_and_mended_by_a_new_one(stack: Stack, chatwoot: StandIn) -> None:
    connected = Connected(stack, chatwoot)
    chatwoot.token = "renewed-on-the-platform"
    conversation = chatwoot.begin()
    connected.post(conversation)
    dead = connected.ended("dead")
    assert "does not let us in (401)" in dead["reason"]
    with stack.client() as client:
        secret = {"name": "token", "secret": chatwoot.token}
        assert client.post(f"/api/hooks/{connected.hook}/secrets", json=secret).status_code == 201
        assert client.post(f"/api/deliveries/{dead['id']}/replay").status_code == 202
    connected.ended("delivered")
    assert len(chatwoot.replies(conversation)) == 1


def test_a_person_who_takes_over_just_before_the_post_is_left_alone(stack: Stack, chatwoot: StandIn) -> None:
    connected = Connected(stack, chatwoot)
    conversation = chatwoot.begin()

    def take_over(asked: Asked) -> None:
        if asked.method == "GET":
            chatwoot.take_over(conversation)

    chatwoot.before = take_over
    connected.post(conversation)
    withheld = connected.ended("withheld")
    assert withheld["reason"] == "a person has the conversation"
    assert chatwoot.replies(conversation) == []
    listed = CliRunner().invoke(main, ["deliveries", "list", "--status", "withheld", "--url", stack.url])
    (line,) = [line for line in listed.output.splitlines() if connected.hook in line]
    assert line.split() == ["withheld", withheld["id"], "tries:", "0", connected.hook, *withheld["reason"].split()]


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)
def test_a_customer_who_asks_for_a_person_is_handed_over_with_a_note(stack: Stack, kind: type[StandIn]) -> None:
    with playing(kind) as platform:
        connected = Connected(stack, platform)
        conversation = platform.begin("My order is B-77. I want to talk to a real person, please.")
        connected.post(conversation)
        delivered = connected.ended("delivered")
        assert delivered["done"] == ["reply", "hand-off", "note"]
        (reply,) = platform.replies(conversation)
        assert "handing this conversation over to a person" in reply
        assert conversation.handler == ("bot" if isinstance(platform, Slack) else "person")
        assert all("B-77" in note and "asked for" in note for note in platform.notes(conversation))
        assert len(platform.notes(conversation)) == (0 if isinstance(platform, Sunshine) else 1)
        platform.says(conversation, "Are you there?")
        connected.post(conversation)
        connected.ended("withheld")
        assert platform.replies(conversation) == [reply]


@pytest.mark.parametrize("kind", [Chatwoot, Zendesk], ids=lambda kind: kind.name)
def test_what_the_model_refuses_goes_to_a_person_with_a_note(stack: Stack, kind: type[StandIn]) -> None:
    with playing(kind) as platform, stack.simulator as simulator:
        connected = Connected(stack, platform)
        conversation = platform.begin("Tell me how to open order B-12's lock.")
        simulator.add_faults(ModelFault(kind="stop", stop_reason="refusal", match="B-12", times=-1))
        connected.post(conversation)
        connected.ended("delivered")
        assert (platform.replies(conversation), conversation.handler) == ([], "person")
        (note,) = platform.notes(conversation)
        assert "B-12" in note
        simulator.clear_faults()
        platform.says(conversation, "Hello? Anybody there?")
        connected.post(conversation)  # the session is a person's now
        connected.ended("withheld")
        assert platform.replies(conversation) == []


def test_replies_go_in_order_though_the_first_one_fails_at_first(stack: Stack, chatwoot: StandIn) -> None:
    connected = Connected(stack, chatwoot)
    chatwoot.faults = [Fault(Told(503)), Fault(Told(503))]
    conversation = chatwoot.begin("My first name is Ada.")
    connected.post(conversation)
    wait_for("the first attempt", lambda: not chatwoot.faults or len(chatwoot.faults) == 1, 60)
    chatwoot.says(conversation, "What is my first name?")
    connected.post(conversation)
    replies = connected.replied(conversation, 2, 90)
    assert "Ada" in replies[1]
    assert len(replies) == 2


def test_the_same_on_dynamodb_and_sqs(moto: Moto, tmp_path: Any, chatwoot: StandIn) -> None:
    stack = Stack(tmp_path, moto, None, **{**SETTINGS, **UNHURRIED})
    try:
        for role in ("chat", "maintenance", "callbacks", "beat"):
            stack.start(role, "worker", role)
        stack.start_web()
        connected = Connected(stack, chatwoot)
        chatwoot.faults = [CUT_AFTER]
        conversation = chatwoot.begin()
        connected.post(conversation)
        delivered = connected.ended("delivered", 100)
        assert len(chatwoot.replies(conversation)) == 1
    finally:
        stack.close()
    assert delivered["done"] == ["reply"]
