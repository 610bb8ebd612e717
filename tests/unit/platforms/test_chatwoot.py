"""What Chatwoot posts: whose words start a turn, and whose the conversation is."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import Malformed, NotGenuine
from shared.models import Attachment
from shared.platforms.types import AgentMessage, CustomerMessage, Handling, Ignored
from tests.support.deliveries import Body, chatwoot
from tests.unit.platforms.opened import one, told

WHO = "chatwoot:2:89"
AGAIN = {"automation_rule_id": 4}
BOT = {"id": 3, "name": "Bot", "type": "agent_bot"}
JONAS = {"id": 7, "name": "Jonas", "type": "user", "email": "jonas@acme.example"}


def status(event: str, state: str, assignee: Any = None, kind: str | None = None) -> Body:
    found: Body = chatwoot()["conversation"]
    meta = {**found["meta"], "assignee": assignee, "assignee_type": kind}
    return {**found, "event": event, "status": state, "meta": meta}


def test_a_customers_public_message_starts_a_turn() -> None:
    assert one("chatwoot", chatwoot("Café?")) == CustomerMessage("74", "2/15", WHO, "Café?")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (chatwoot(private=True, message_type="outgoing", sender=JONAS), "a private note"),
        (chatwoot(private=True), "a private note"),
        (chatwoot(message_type="outgoing", sender=BOT), "our own reply, or another bot's"),
        (chatwoot(message_type="outgoing", sender=None), "our own reply, or another bot's"),
        (chatwoot(message_type="activity", sender=None), "what Chatwoot wrote itself"),
        (chatwoot(message_type="template", sender=None), "what Chatwoot wrote itself"),
        (chatwoot(event="message_updated"), "another kind of event"),
        (chatwoot(event="conversation_typing_on"), "another kind of event"),
        (chatwoot(event="webwidget_triggered"), "another kind of event"),
        ({"event": "contact_created", "id": 89}, "another kind of event"),
        (chatwoot(message_type="outgoing", sender=JONAS, content_attributes=AGAIN), "our own reply, or another bot's"),
        (status("conversation_updated", "pending"), "nothing of whose it is"),
    ],
)
def test_what_is_no_customers_message_is_ignored(body: Body, reason: str) -> None:
    assert one("chatwoot", body) == Ignored(reason)


def test_other_inboxes_and_our_own_user_are_ignored_where_the_hook_names_them() -> None:
    assert one("chatwoot", chatwoot(), inboxIds=[9]) == Ignored("another inbox")
    assert one("chatwoot", status("conversation_opened", "open"), inboxIds=[9]) == Ignored("another inbox")
    own = chatwoot(message_type="outgoing", sender=JONAS)
    assert one("chatwoot", own, userId=7) == Ignored("our own reply")


def test_a_persons_public_message_is_theirs_and_names_the_customer_it_went_to() -> None:
    body = chatwoot("I am on it.", message_type="outgoing", sender=JONAS)
    assert one("chatwoot", body) == AgentMessage("74", "2/15", WHO, "I am on it.", "Jonas")


@pytest.mark.parametrize("state", ["open", "snoozed"])
def test_a_message_in_a_conversation_that_is_not_the_bots_is_a_persons_to_answer(state: str) -> None:
    first, second = told("chatwoot", chatwoot(conversation={"status": state}))
    assert first == Handling("2/15", WHO, "human")
    assert isinstance(second, CustomerMessage)


def test_where_the_hook_says_so_an_open_conversation_is_the_agents_until_somebody_takes_it() -> None:
    settings = {"answers": "unassigned"}
    assert isinstance(one("chatwoot", chatwoot(conversation={"status": "open"}), **settings), CustomerMessage)
    free, taken = status("conversation_updated", "open"), status("conversation_updated", "open", JONAS, "User")
    assert one("chatwoot", free, **settings) == Ignored("nothing of whose it is")
    assert one("chatwoot", taken, **settings) == Handling("2/15", WHO, "human")
    back = status("conversation_status_changed", "open")
    assert one("chatwoot", back, **settings) == Handling("2/15", WHO, "agent")


@pytest.mark.parametrize(
    ("body", "to"),
    [
        (status("conversation_status_changed", "pending"), "agent"),
        (status("conversation_status_changed", "open"), "human"),
        (status("conversation_status_changed", "snoozed"), "human"),
        (status("conversation_status_changed", "resolved"), "over"),
        (status("conversation_opened", "open"), "human"),
        (status("conversation_resolved", "resolved"), "over"),
        (status("conversation_updated", "open", JONAS, "User"), "human"),
        (status("conversation_updated", "pending", JONAS, "User"), "human"),
        (status("conversation_status_changed", "pending", {"id": 3, "name": "Bot"}, "AgentBot"), "agent"),
    ],
)
def test_status_and_assignee_say_whose_a_conversation_is(body: Body, to: str) -> None:
    assert one("chatwoot", body) == Handling("2/15", WHO, to)  # type: ignore[arg-type]  # one of the three


def test_the_sites_own_id_of_a_customer_counts_only_where_it_was_proven() -> None:
    meta = chatwoot()["conversation"]["meta"]
    proven = chatwoot(conversation={"meta": {**meta, "hmac_verified": True}})
    found = one("chatwoot", proven)
    assert isinstance(found, CustomerMessage)
    assert found.customer_id == "cust_42"
    nameless = {**meta, "hmac_verified": True, "sender": {**meta["sender"], "identifier": ""}}
    other = one("chatwoot", chatwoot(conversation={"meta": nameless}))
    assert isinstance(other, CustomerMessage)
    assert other.customer_id == WHO


def test_customers_of_two_installations_are_not_mixed_up() -> None:
    found = one("chatwoot", chatwoot(), baseUrl="https://chat.acme.example/")
    assert isinstance(found, CustomerMessage)
    assert found.customer_id == "chatwoot:chat.acme.example/2:89"


def test_files_are_told_by_what_is_known_of_them() -> None:
    file = {
        "id": 5,
        "message_id": 74,
        "file_type": "image",
        "data_url": "https://chat.example/a/parcel.jpg?x=1",
        "file_size": 4,
    }
    found = one("chatwoot", chatwoot("", content=None, attachments=[file]))
    assert isinstance(found, CustomerMessage)
    url = "https://chat.example/a/parcel.jpg?x=1"
    assert found.attachments == (Attachment(name="parcel.jpg", content_type="image", size=4, url=url),)
    assert found.text == ""


def test_other_accounts_and_broken_bodies_are_refused() -> None:
    with pytest.raises(NotGenuine):
        one("chatwoot", {**status("conversation_opened", "open"), "messages": [{"account_id": 3}]})
    bodies: list[Any] = [
        [],
        "text",
        None,
        {"event": 3},
        {"event": "message_created"},
        chatwoot(conversation={"meta": None}),
    ]
    for broken in bodies:
        with pytest.raises(Malformed):
            told("chatwoot", broken)
