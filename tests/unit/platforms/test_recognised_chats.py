"""What messengers post, and any desk that is mapped: a body, and what it is to this service."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import Malformed
from shared.models import Attachment
from shared.platforms.incoming import INCOMING
from shared.platforms.types import AgentMessage, CustomerMessage, Event, Handling, Ignored
from tests.support.deliveries import SAMPLES, Body, encoded, freshchat, generic, slack
from tests.unit.platforms.opened import hook_of, one, posted, signed

WORDS = "Where is my parcel?"
OWN = Ignored("our own reply")
BOTS = Ignored("our own reply, or another bot's")
NOTE = Ignored("a private note")
OTHER = Ignored("another kind of event")

FRESH_WHO = "freshchat:app-1:u-1"


def fresh(action: str, part: str, **more: Any) -> Body:
    conversation = {"conversation_id": "c-1", "app_id": "app-1", "status": "assigned"}
    return {**freshchat(), "action": action, "data": {part: {"conversation": conversation, **more}}}


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (freshchat(), CustomerMessage("m-1", "c-1", FRESH_WHO, WORDS)),
        (freshchat(message_type="private", actor_type="agent", actor_id="a-2"), NOTE),
        (freshchat(actor_type="agent", actor_id="a-2", botsPrivateNote=True), NOTE),
        (freshchat(actor_type="agent", actor_id="a-1"), OWN),
        (freshchat(actor_type="agent", actor_id="a-2"), AgentMessage("m-1", "c-1", FRESH_WHO, WORDS, "a-2")),
        (freshchat(actor_type="agent", actor_id="a-2", user_id=None), AgentMessage("m-1", "c-1", None, WORDS, "a-2")),
        (freshchat(actor_type="system"), Ignored("what Freshchat wrote itself")),
        (
            freshchat(message_parts=[{"image": {"url": "https://a.example/p.jpg"}}]),
            CustomerMessage("m-1", "c-1", FRESH_WHO, "", (Attachment(name="image", url="https://a.example/p.jpg"),)),
        ),
        (fresh("conversation_assignment", "assignment", to_agent_id="a-2"), Handling("c-1", None, "human")),
        (fresh("conversation_assignment", "assignment", to_agent_id="a-1"), Handling("c-1", None, "agent")),
        (fresh("conversation_assignment", "assignment", to_agent_id=""), Ignored("assigned to no agent")),
        (fresh("conversation_resolution", "resolve"), Handling("c-1", None, "over")),
        (fresh("conversation_reopen", "reopen"), Handling("c-1", None, "agent")),
        ({**freshchat(), "action": "typing"}, OTHER),
    ],
)
def test_freshchat_events(body: Body, event: Event) -> None:
    sample = SAMPLES["freshchat"]
    (found,) = INCOMING["freshchat"].read(signed(sample, body), hook_of("freshchat"))
    assert found == event


ROOT = "1784546129.000001"
SLACK_WHO = "slack:T1:U1"


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (slack(), CustomerMessage(f"C1/{ROOT}", f"C1/{ROOT}", SLACK_WHO, WORDS)),
        (slack("a &lt;b&gt; &amp;amp;"), CustomerMessage(f"C1/{ROOT}", f"C1/{ROOT}", SLACK_WHO, "a <b> &amp;")),
        (slack(subtype="message_changed", user=None), Ignored("a bot's message, an edit, or what Slack wrote itself")),
        (slack(subtype="bot_message"), Ignored("a bot's message, an edit, or what Slack wrote itself")),
        (slack(bot_id="B1"), BOTS),
        (slack(user="UBOT"), BOTS),
        (slack(user="UAGENT"), Ignored("an announcement of the support team")),
        (slack(type="reaction_added"), OTHER),
        ({**slack(), "type": "app_rate_limited"}, OTHER),
        (
            slack(number=2, user="UAGENT", thread_ts=ROOT, parent_user_id="U1"),
            AgentMessage("C1/1784546129.000002", f"C1/{ROOT}", SLACK_WHO, WORDS, "UAGENT"),
        ),
        (
            slack(number=2, user="UAGENT", thread_ts=ROOT, parent_user_id="UAGENT"),
            AgentMessage("C1/1784546129.000002", f"C1/{ROOT}", None, WORDS, "UAGENT"),
        ),
        (
            slack(number=2, thread_ts=ROOT, parent_user_id="U1"),
            CustomerMessage("C1/1784546129.000002", f"C1/{ROOT}", SLACK_WHO, WORDS),
        ),
        (slack(number=2, user="U2", thread_ts=ROOT, parent_user_id="U1"), Ignored("another member's message")),
        (
            slack(number=2, user="U2", thread_ts=ROOT, subtype="thread_broadcast", root={"user": "U1"}),
            Ignored("another member's message"),
        ),
        (
            slack(number=2, thread_ts=ROOT, subtype="thread_broadcast", root={"user": "U1"}),
            CustomerMessage("C1/1784546129.000002", f"C1/{ROOT}", SLACK_WHO, WORDS),
        ),
        (
            slack(number=2, user="U2", thread_ts=ROOT),
            Ignored("a thread of which Slack does not say who began it"),
        ),
        (
            slack(number=2, user="U2", thread_ts=ROOT, parent_user_id="UAGENT"),
            CustomerMessage("C1/1784546129.000002", f"C1/{ROOT}", "slack:T1:U2", WORDS),
        ),
    ],
)
def test_slack_events(body: Body, event: Event) -> None:
    assert one("slack", body) == event


def test_a_channel_may_be_the_customer_and_others_may_be_left_out() -> None:
    found = one("slack", slack(), customer="channel")
    assert isinstance(found, CustomerMessage)
    assert found.customer_id == "slack:T1:C1"
    other = one("slack", slack(number=2, user="U2", thread_ts=ROOT, parent_user_id="U1"), customer="channel")
    assert isinstance(other, CustomerMessage)
    assert other.customer_id == "slack:T1:C1"
    assert one("slack", slack(), channels=["C2"]) == Ignored("another channel")


def test_slack_asks_whether_we_are_there_and_its_challenge_is_answered() -> None:
    body = encoded({"type": "url_verification", "token": "x", "challenge": "3eZbrw1aB"})
    reader, hook = INCOMING["slack"], hook_of("slack")
    assert reader.challenge(posted(body, {}), hook) == {"challenge": "3eZbrw1aB"}
    assert reader.challenge(posted(encoded(slack()), {}), hook) is None
    with pytest.raises(Malformed):
        reader.challenge(posted(encoded({"type": "url_verification"}), {}), hook)


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (generic(), CustomerMessage("1", "th-1", "desk:acme:c-9", WORDS)),
        (generic(by={"role": "agent", "name": "Jonas"}), AgentMessage("1", "th-1", None, WORDS, "Jonas")),
        (generic(by={"role": "agent"}, internal=True), OTHER),
        (generic(by={"role": "bot"}), OTHER),
        (generic(kind="taken"), Handling("th-1", None, "human")),
        (generic(kind="freed"), Handling("th-1", None, "agent")),
        (generic(kind="closed"), Handling("th-1", None, "over")),
        (
            generic(
                files=["https://a.example/x/p.pdf?k=1", {"filename": "q.png", "contentType": "image/png", "size": 3}, 7]
            ),
            CustomerMessage(
                "1",
                "th-1",
                "desk:acme:c-9",
                WORDS,
                (
                    Attachment(name="p.pdf", url="https://a.example/x/p.pdf?k=1"),
                    Attachment(name="q.png", content_type="image/png", size=3),
                ),
            ),
        ),
    ],
)
def test_a_mapping_says_what_a_generic_event_is(body: Body, event: Event) -> None:
    assert one("generic", body) == event


def test_a_mapping_that_does_not_find_what_it_must_says_which() -> None:
    with pytest.raises(Malformed, match="finds no conversation"):
        one("generic", generic(thread=None))
