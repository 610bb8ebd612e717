"""What helpdesks post, each as a table: a body, and what it is to this service."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.errors import Malformed
from shared.models import Attachment
from shared.platforms.incoming import INCOMING
from shared.platforms.reading import MOST_EVENTS
from shared.platforms.types import AgentMessage, CustomerMessage, Event, Handling, Ignored
from tests.support.deliveries import (
    Body,
    encoded,
    freshdesk,
    intercom,
    sunshine,
    zendesk,
)
from tests.unit.platforms.opened import hook_of, one, posted, told

WORDS = "Where is my parcel?"
OWN = Ignored("our own reply")
BOTS = Ignored("our own reply, or another bot's")
NOTE = Ignored("a private note")
OTHER = Ignored("another kind of event")


def zen(name: str, **event: Any) -> Body:
    return {**zendesk(), "type": f"zen:event-type:{name}", "event": event}


ZEN_WHO = "zendesk:acme:8447388090494"
STAFF = {"id": "11", "is_staff": True, "name": "Jonas"}
COPIED = {"id": "78", "is_staff": False, "name": "Kim"}
OUR = {"id": "900", "is_staff": True, "name": "Memory"}
SYSTEM = {"id": "-1", "is_staff": True, "name": "System"}


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (zendesk(), CustomerMessage("98", "5158", ZEN_WHO, WORDS)),
        (zendesk(is_public=False), NOTE),
        (zendesk(is_public=False, author=STAFF), NOTE),
        # Whoever is in copy is not the requester, and is not told what is remembered of them.
        (zendesk(author=COPIED), CustomerMessage("98", "5158", "zendesk:acme:78", WORDS)),
        (zendesk(author=STAFF), AgentMessage("98", "5158", ZEN_WHO, WORDS, "Jonas")),
        (zendesk(author=OUR), OWN),
        (zendesk(author=SYSTEM), Ignored("what Zendesk wrote itself")),
        (zen("ticket.status_changed", current="SOLVED", previous="OPEN"), Handling("5158", ZEN_WHO, "over")),
        (zen("ticket.status_changed", current="PENDING"), Ignored("nothing of whose it is")),
        (zen("ticket.agent_assignment_changed", current="11"), Handling("5158", ZEN_WHO, "human")),
        (zen("ticket.agent_assignment_changed", current="900"), Handling("5158", ZEN_WHO, "agent")),
        (zen("ticket.agent_assignment_changed", current=None), Ignored("assigned to no agent")),
        (zen("ticket.created"), OTHER),
        (zen("ticket.comment_redacted"), OTHER),
        (
            zen(
                "messaging_ticket.message_added",
                actor={"id": "5", "type": "end_user"},
                message={"id": "m", "body": "Hi"},
            ),
            CustomerMessage("m", "5158", "zendesk:acme:5", "Hi"),
        ),
        (
            zen(
                "messaging_ticket.message_added", actor={"id": "5", "type": "system"}, message={"id": "m", "body": "Hi"}
            ),
            BOTS,
        ),
        (
            zen(
                "messaging_ticket.message_added",
                actor={"id": "11", "type": "agent", "name": "Jonas"},
                message={"id": "m", "body": "Hi"},
            ),
            AgentMessage("m", "5158", None, "Hi", "Jonas"),
        ),
    ],
)
def test_zendesk_events(body: Body, event: Event) -> None:
    assert one("zendesk", body) == event


TEMPLATE = {"ticket_id": "12", "comment": WORDS, "requester_id": "77"}


@pytest.mark.parametrize("platform", ["zendesk", "freshdesk"])
def test_a_rules_template_says_what_happened(platform: Any) -> None:
    who = f"{platform}:acme:77"
    own = {"zendesk": {"userId": "900"}, "freshdesk": {"agentId": "900"}}[platform]
    said = one(platform, {**TEMPLATE, "event": "customer"})
    assert isinstance(said, CustomerMessage)
    assert (said.conversation, said.customer_id, said.text) == ("12", who, WORDS)
    known = one(platform, {**TEMPLATE, "event": "customer", "requester_external_id": "cust_42"})
    assert isinstance(known, CustomerMessage)
    assert known.customer_id == "cust_42"
    own_words = one(platform, {**TEMPLATE, "event": "customer", "requester_external_id": "cust_42", "author_id": "77"})
    assert isinstance(own_words, CustomerMessage)
    assert own_words.customer_id == "cust_42"
    copied = one(platform, {**TEMPLATE, "event": "customer", "requester_external_id": "cust_42", "author_id": "78"})
    assert isinstance(copied, CustomerMessage)
    assert copied.customer_id == f"{platform}:acme:78"
    person = one(platform, {**TEMPLATE, "event": "agent", "author": "Jonas", "comment": "<p>I am<br>on it.</p>"})
    assert isinstance(person, AgentMessage)
    assert (person.customer_id, person.text, person.author) == (who, "I am\non it.", "Jonas")
    assert one(platform, {**TEMPLATE, "event": "agent", "author_id": "900"}, **own) == OWN
    assert one(platform, {**TEMPLATE, "event": "human"}) == Handling("12", who, "human")
    assert one(platform, {**TEMPLATE, "event": "free"}) == Handling("12", who, "agent")
    assert one(platform, {**TEMPLATE, "event": "over"}) == Handling("12", who, "over")


def test_the_template_may_come_as_a_form_which_needs_no_escaping() -> None:
    form = b"event=customer&ticket_id=12&requester_id=77&requester_external_id=&comment=He+said+%22no%22%0AWhy%3F"
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    (found,) = INCOMING["freshdesk"].read(posted(form, headers), hook_of("freshdesk"))
    assert isinstance(found, CustomerMessage)
    assert (found.text, found.customer_id) == ('He said "no"\nWhy?', "freshdesk:acme:77")


def test_a_template_posted_again_is_the_same_message_and_the_same_words_later_are_another() -> None:
    def message_id(**more: Any) -> str:
        found = one("freshdesk", {**TEMPLATE, "event": "customer", **more})
        assert isinstance(found, CustomerMessage)
        return found.message_id

    assert message_id(at="11:15") == message_id(at="11:15")
    assert message_id(at="11:15") != message_id(at="11:16")
    assert message_id() == message_id()
    assert message_id() != message_id(comment="Other words")
    headers = {"X-Zendesk-Webhook-Invocation-Id": "01H"}
    body = encoded({**TEMPLATE, "event": "customer"})
    (found,) = INCOMING["zendesk"].read(posted(body, headers), hook_of("zendesk"))
    assert isinstance(found, CustomerMessage)
    assert found.message_id == "delivery:01H"


def test_what_is_not_signed_makes_no_other_message_of_one_whose_time_is() -> None:
    def message_id(invocation: str, at: str) -> str:
        body = encoded({**TEMPLATE, "event": "customer", "at": at})
        headers = {"X-Zendesk-Webhook-Invocation-Id": invocation}
        (found,) = INCOMING["zendesk"].read(posted(body, headers), hook_of("zendesk"))
        assert isinstance(found, CustomerMessage)
        return found.message_id

    assert message_id("01H", "11:15") == message_id("01J", "11:15")
    assert message_id("01H", "11:15") != message_id("01H", "11:16")


def test_line_breaks_that_a_template_left_unescaped_are_read() -> None:
    body = b'{"event":"customer","ticket_id":"12","requester_id":"77","comment":"one\ntwo\tthree"}'
    (found,) = INCOMING["freshdesk"].read(posted(body, {}), hook_of("freshdesk"))
    assert isinstance(found, CustomerMessage)
    assert found.text == "one\ntwo\tthree"


@pytest.mark.parametrize("said", ['x", "requester_external_id": "cust-9', 'x", "event": "free', 'x", "ticket_id": "13'])
def test_a_comment_that_breaks_out_of_its_field_cannot_say_whose_it_is(said: str) -> None:
    before = '"event": "customer", "ticket_id": "12", "requester_id": "77", "requester_external_id": "cust-1"'
    for body in (f'{{{before}, "comment": "{said}"}}', f'{{"comment": "{said}", {before}}}'):
        with pytest.raises(Malformed, match="twice"):
            INCOMING["freshdesk"].read(posted(body.encode(), {}), hook_of("freshdesk"))
    form = b"event=customer&ticket_id=12&comment=x&requester_id=78&requester_id=77"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    with pytest.raises(Malformed, match="twice"):
        INCOMING["freshdesk"].read(posted(form, headers), hook_of("freshdesk"))


SUN = "5698edbf2a43bd081be982f1/13f32c6cf7d0d38e6e0eba93"
SUN_ID = "5e55622dac66fb73a3c00001"


def sun(kind: str, active: Any, **more: Any) -> Body:
    payload = {"conversation": {"id": "13f32c6cf7d0d38e6e0eba93", "activeSwitchboardIntegration": active}, **more}
    return {**sunshine(), "events": [{"id": "1", "type": kind, "payload": payload}]}


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (sunshine(), CustomerMessage(SUN_ID, SUN, "cust_42", WORDS)),
        (
            sunshine(author={"type": "user", "user": {"id": "u1"}}),
            CustomerMessage(SUN_ID, SUN, "sunshine:5698edbf2a43bd081be982f1:u1", WORDS),
        ),
        (sunshine(author={"type": "business"}, source={"type": "api:conversations"}), BOTS),
        (sunshine(author={"type": "business", "subtypes": ["AI"]}, source={"type": "zd:agentWorkspace"}), BOTS),
        (
            sunshine(author={"type": "business", "displayName": "Jonas"}, source={"type": "zd:agentWorkspace"}),
            AgentMessage(SUN_ID, SUN, None, WORDS, "Jonas"),
        ),
        (
            sunshine(
                content={
                    "type": "image",
                    "mediaUrl": "https://a.example/p.jpg",
                    "mediaType": "image/jpeg",
                    "mediaSize": 9,
                }
            ),
            CustomerMessage(
                SUN_ID,
                SUN,
                "cust_42",
                "",
                (Attachment(name="p.jpg", content_type="image/jpeg", size=9, url="https://a.example/p.jpg"),),
            ),
        ),
        (sunshine(content={"type": "carousel"}), Ignored("a kind of message without text")),
        (sun("conversation:typing", None), OTHER),
        (sun("switchboard:passControl", {"id": "sb-2", "name": "zd-agentWorkspace"}), Handling(SUN, None, "human")),
        (sun("switchboard:passControl", {"id": "sb-1", "name": "memory"}), Handling(SUN, None, "agent")),
        (sun("switchboard:releaseControl", None), Ignored("nothing of whose it is")),
    ],
)
def test_sunshine_events(body: Body, event: Event) -> None:
    assert one("sunshine", body) == event


def test_every_event_of_a_delivery_is_read_and_one_that_a_person_has_is_said_to_be_theirs() -> None:
    body = sunshine()
    taken = sunshine("And now?", 2)["events"][0]
    taken["payload"]["conversation"]["activeSwitchboardIntegration"] = {"id": "sb-2", "name": "zd-agentWorkspace"}
    body["events"].append(taken)
    first, second, third = told("sunshine", body)
    assert isinstance(first, CustomerMessage)
    assert second == Handling(SUN, "cust_42", "human")
    assert isinstance(third, CustomerMessage)


def test_more_events_than_can_be_taken_are_refused_in_words_and_none_is_lost_in_silence() -> None:
    body = sunshine()
    body["events"] = [sunshine(WORDS, number)["events"][0] for number in range(MOST_EVENTS)]
    assert len(told("sunshine", body)) == MOST_EVENTS
    body["events"].append(sunshine(WORDS, MOST_EVENTS)["events"][0])
    with pytest.raises(Malformed, match="holds 501 events; post at most 500 at once"):
        told("sunshine", body)


ADMIN = {"type": "admin", "id": "8", "name": "Jonas"}


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (intercom(), CustomerMessage("4412", "524", "cust_42", WORDS)),
        (intercom(body="plain <b> & text"), CustomerMessage("4412", "524", "cust_42", "plain <b> & text")),
        (intercom(topic="conversation.user.created"), CustomerMessage("403918349", "524", "cust_42", WORDS)),
        (
            intercom(topic="conversation.admin.replied", author=ADMIN),
            AgentMessage("4412", "524", "cust_42", WORDS, "Jonas"),
        ),
        (intercom(topic="conversation.admin.replied", author={**ADMIN, "id": "31"}), OWN),
        (
            intercom(topic="conversation.admin.replied", author={"type": "bot", "id": "1"}),
            Ignored("no public message of a person"),
        ),
        (
            intercom(topic="conversation.admin.replied", author=ADMIN, part_type="note"),
            Ignored("no public message of a person"),
        ),
        (
            intercom(topic="conversation.user.replied", author={"type": "bot", "id": "1"}),
            Ignored("no public message of a person"),
        ),
        (intercom(topic="conversation.admin.noted", author=ADMIN, part_type="note"), NOTE),
        (intercom(topic="conversation.operator.replied"), OTHER),
        (intercom(topic="ping"), OTHER),
        (intercom(topic="contact.deleted"), OTHER),
        (intercom(topic="conversation.admin.closed"), Handling("524", "cust_42", "over")),
        (intercom(topic="conversation.admin.assigned", admin_assignee_id=8), Handling("524", "cust_42", "human")),
        (intercom(topic="conversation.admin.assigned", admin_assignee_id=31), Handling("524", "cust_42", "agent")),
        (intercom(topic="conversation.admin.assigned"), Ignored("assigned to no teammate")),
    ],
)
def test_intercom_notifications(body: Body, event: Event) -> None:
    assert one("intercom", body) == event


def test_a_message_in_a_conversation_that_a_teammate_has_is_theirs_to_answer() -> None:
    first, second = told("intercom", intercom(admin_assignee_id=8))
    assert first == Handling("524", "cust_42", "human")
    assert isinstance(second, CustomerMessage)


def group(*, topic: str = "conversation.user.replied", **more: Any) -> Body:
    body = intercom(topic=topic, **more)
    body["data"]["item"]["contacts"]["contacts"].append({"type": "contact", "id": "c-2", "external_id": "cust_43"})
    return body


@pytest.mark.parametrize(("author", "customer"), [("c-2", "cust_43"), ("c-3", "intercom:abc123:c-3")])
def test_in_a_group_the_customer_is_who_wrote_and_never_another_contact(author: str, customer: str) -> None:
    (found,) = told("intercom", group(author={"type": "user", "id": author}))
    assert isinstance(found, CustomerMessage)
    assert found.customer_id == customer


def test_a_group_that_a_person_takes_or_closes_is_theirs_for_every_contact() -> None:
    assert told("intercom", group(topic="conversation.admin.closed")) == [
        Handling("524", "cust_42", "over"),
        Handling("524", "cust_43", "over"),
    ]
    assert told("intercom", group(topic="conversation.admin.assigned", admin_assignee_id=8)) == [
        Handling("524", "cust_42", "human"),
        Handling("524", "cust_43", "human"),
    ]
    recorded, other = told("intercom", group(topic="conversation.admin.replied", author=ADMIN))
    assert isinstance(recorded, AgentMessage)
    assert other == Handling("524", "cust_43", "human")


def test_a_contact_without_an_id_of_its_own_is_named_by_its_workspace() -> None:
    body = intercom()
    body["data"]["item"]["contacts"]["contacts"][0]["external_id"] = None
    found = one("intercom", body)
    assert isinstance(found, CustomerMessage)
    assert found.customer_id == "intercom:abc123:6762f1571bb69f9f2193bbbb"


@pytest.mark.parametrize("text", ["a\x00b\x07", "\ud800 lone", "﻿ \x7f"])
def test_text_that_cannot_be_stored_is_let_in_without_what_makes_it_so(text: str) -> None:
    body = encoded_escaped(freshdesk(text))
    (found,) = INCOMING["freshdesk"].read(posted(body, {}), hook_of("freshdesk"))
    assert isinstance(found, CustomerMessage)
    assert not set(found.text) & {"\x00", "\x07", "\x7f", "\ud800"}


def encoded_escaped(body: Body) -> bytes:
    return json.dumps(body).encode()
