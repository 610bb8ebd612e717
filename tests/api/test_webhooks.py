"""What platforms post: taken once, answered at once, and refused where it is not theirs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.asked import asked
from tests.api.caller import Caller
from tests.api.hooked import Hooked
from tests.api.problem import assert_problem
from tests.support.deliveries import SAMPLES, encoded
from tests.support.stack import Stack
from tests.support.waiting import wait_for

WHO = {
    "chatwoot": "chatwoot:2:89",
    "zendesk": "zendesk:acme:8447388090494",
    "sunshine": "cust_42",
    "intercom": "cust_42",
    "freshchat": "freshchat:app-1:u-1",
    "freshdesk": "cust_42",
    "slack": "slack:T1:U1",
    "generic": "desk:acme:c-9",
}
AGENT = {"id": 7, "name": "Jonas", "type": "user"}
ALL = pytest.mark.parametrize("platform", list(SAMPLES))


@pytest.fixture
def every_hook(caller: Caller) -> list[Hooked]:
    """A hook of each platform."""
    return [Hooked(caller, platform) for platform in SAMPLES]


def transcript(hooked: Hooked, customer: str, count: int) -> list[tuple[str, str]]:
    """Wait until the customer's newest session holds so many messages; return them."""

    def look() -> list[tuple[str, str]] | None:
        sessions = hooked.sessions(customer)
        found = hooked.caller.transcript(sessions[0]["id"]) if sessions else []
        return found if len(found) >= count else None

    return wait_for(f"{count} messages of {customer}", look, 60)


@ALL
def test_a_customers_message_is_accepted_once_however_often_it_is_posted(caller: Caller, platform: str) -> None:
    hooked = Hooked(caller, platform)
    body = hooked.message("My order number is A-4711.")
    assert hooked.taken(body) == 1
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda _: hooked.post(body).status_code, range(8)))
    assert again == [200] * 8
    said = transcript(hooked, WHO[platform], 2)
    assert [role for role, _ in said] == ["user", "assistant"]
    assert said[0][1] == "My order number is A-4711."
    (session,) = hooked.sessions(WHO[platform])
    assert session["messageCount"] == 2
    assert session["openRequests"] == 0


@ALL
def test_what_is_not_the_platforms_own_is_refused_and_changes_nothing(
    caller: Caller, stranger: Caller, platform: str
) -> None:
    hooked, other = Hooked(caller, platform), Hooked(stranger, platform)
    body = hooked.message("Tell me everything.")
    raw = encoded(body)
    refused = [
        hooked.post(body, secret=hooked.sample.other_secret),
        other.post(body, secret=hooked.sample.other_secret),
        httpx2.post(hooked.address(), content=raw, verify=False),
    ]
    if hooked.sample.has_time:
        refused += [hooked.post(body, age=timedelta(minutes=6)), hooked.post(body, age=timedelta(minutes=-6))]
    for response in refused:
        assert_problem(response, 401, "not-genuine")
    # A genuine delivery of one tenant's hook proves nothing to another's, nor to another platform's.
    if platform == "freshdesk":
        assert_problem(hooked.post(body, path=other.path), 401, "not-genuine")
    elsewhere = "generic" if platform != "generic" else "slack"
    for path in (f"/webhooks/{elsewhere}/{hooked.hook['id']}", "/webhooks/chatwoot/hook_0", "/webhooks/nobody/x"):
        assert_problem(hooked.post(body, path=path), 404, "unknown-hook")
    assert hooked.sessions(WHO[platform]) == []
    assert other.sessions(WHO[platform]) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=80) | st.recursive(st.text(max_size=8), st.lists, max_leaves=5).map(repr).map(str.encode)
)
def test_genuine_nonsense_is_refused_in_words(every_hook: list[Hooked], body: bytes) -> None:
    for hooked in every_hook:
        response = hooked.post(body)
        assert response.status_code in {200, 400}, response.text
        if response.status_code == 400:
            assert_problem(response, 400, "malformed-delivery")


def test_too_large_a_body_is_refused(caller: Caller) -> None:
    hooked = Hooked(caller, "chatwoot")
    assert_problem(hooked.post(b" " * 1_048_577), 413, "too-large")


def test_an_agents_message_is_recorded_once_as_theirs_and_nobody_answers_any_more(caller: Caller) -> None:
    hooked = Hooked(caller, "chatwoot")
    hooked.taken(hooked.message("Hello?"))
    transcript(hooked, WHO["chatwoot"], 2)
    theirs = hooked.message("I am on it.", message_type="outgoing", sender=AGENT)
    for _ in range(3):
        assert hooked.taken(theirs) == 1
    assert hooked.taken(hooked.message("Thank you, Jonas.")) == 1
    (session,) = hooked.sessions(WHO["chatwoot"])

    def look() -> bool:
        return len(caller.messages(session["id"])) == 4 and not caller.session(session["id"])["openRequests"]

    wait_for("the customer's message to be stored", look, 60)
    found = caller.messages(session["id"])
    assert [(each["role"], each["content"], each.get("author")) for each in found[2:]] == [
        ("assistant", "I am on it.", "Jonas"),
        ("user", "Thank you, Jonas.", None),
    ]
    assert caller.session(session["id"])["handler"] == "human"


def test_private_notes_own_replies_and_edits_leave_no_trace(caller: Caller) -> None:
    hooked = Hooked(caller, "chatwoot")
    hooked.taken(hooked.message("Hello?"))
    transcript(hooked, WHO["chatwoot"], 2)
    ignored = [
        hooked.message("secret", private=True, message_type="outgoing", sender=AGENT),
        hooked.message("Hi!", message_type="outgoing", sender={"id": 3, "type": "agent_bot"}),
        {**hooked.message("Hello???"), "event": "message_updated"},
    ]
    assert [hooked.taken(body) for body in ignored] == [0, 0, 0]
    (session,) = hooked.sessions(WHO["chatwoot"])
    assert session["messageCount"] == 2
    assert session["handler"] == "agent"


def test_a_resolved_conversation_ends_its_session_and_the_next_message_begins_another(caller: Caller) -> None:
    hooked = Hooked(caller, "chatwoot")
    hooked.taken(hooked.message("Hello?"))
    transcript(hooked, WHO["chatwoot"], 2)
    conversation = hooked.message("")["conversation"]
    told = {**conversation, "event": "conversation_resolved", "status": "resolved"}
    assert hooked.taken(told) == 1
    (first,) = hooked.sessions(WHO["chatwoot"])
    assert first["status"] == "closed"
    hooked.taken(hooked.message("Me again."))
    second, _ = hooked.sessions(WHO["chatwoot"])
    assert (second["status"], second["handler"], second["conversationId"]) == ("open", "agent", first["conversationId"])


def test_a_conversation_that_a_person_began_is_theirs_from_the_first_message_on(caller: Caller) -> None:
    hooked = Hooked(caller, "chatwoot")
    assert hooked.taken(hooked.message("Hi", conversation={"status": "open"})) == 2
    (session,) = hooked.sessions(WHO["chatwoot"])
    assert session["handler"] == "human"
    wait_for("the message to be stored", lambda: caller.session(session["id"])["messageCount"] == 1, 60)
    assert caller.transcript(session["id"]) == [("user", "Hi")]


def test_whose_a_conversation_is_may_be_told_without_its_customer(caller: Caller) -> None:
    """Sunshine names a conversation, and not whose it is."""
    hooked = Hooked(caller, "sunshine")
    body = hooked.message("Hello?")
    hooked.taken(body)
    transcript(hooked, "cust_42", 2)
    active = {"id": "sb-2", "name": "zd-agentWorkspace"}
    conversation = {"id": "13f32c6cf7d0d38e6e0eba93", "activeSwitchboardIntegration": active}
    event = {"id": "e", "type": "switchboard:passControl", "payload": {"conversation": conversation}}
    assert hooked.taken({**body, "events": [event]}) == 1
    (session,) = hooked.sessions("cust_42")
    assert session["handler"] == "human"
    unknown = {**event, "payload": {"conversation": {**conversation, "id": "another"}}}
    assert hooked.taken({**body, "events": [unknown]}) == 0


def test_files_are_told_to_the_agent_by_what_is_known_of_them(caller: Caller, stack: Stack) -> None:
    hooked = Hooked(caller, "chatwoot")
    file = {"id": 5, "file_type": "image", "data_url": "https://chat.example/broken-parcel.jpg"}
    hooked.taken(hooked.message("", content=None, attachments=[file]))
    transcript(hooked, WHO["chatwoot"], 2)
    assert any("broken-parcel.jpg" in each.everything for each in asked(stack))
    (session,) = hooked.sessions(WHO["chatwoot"])
    (first, _) = caller.messages(session["id"])
    assert [each["name"] for each in first["attachments"]] == ["broken-parcel.jpg"]


def test_slack_is_answered_its_challenge_only_where_it_signed_it(caller: Caller) -> None:
    hooked = Hooked(caller, "slack")
    first: dict[str, Any] = {"type": "url_verification", "challenge": "3eZbrw1aB"}
    assert hooked.post(first).json() == {"challenge": "3eZbrw1aB"}
    assert_problem(hooked.post(first, secret="another"), 401, "not-genuine")


def test_a_quick_succession_is_one_request_for_the_agent_by_default(caller: Caller) -> None:
    hooked = Hooked(caller, "chatwoot", {"coalesceSeconds": 2})
    for text in ("Hi", "my parcel", "where is it?"):
        hooked.taken(hooked.message(text))
    said = transcript(hooked, WHO["chatwoot"], 4)
    assert [text for role, text in said if role == "user"] == ["Hi", "my parcel", "where is it?"]
    assert [role for role, _ in said].count("assistant") == 1


def test_a_request_that_came_through_a_hook_says_so(caller: Caller) -> None:
    hooked = Hooked(caller, "zendesk")
    hooked.taken(hooked.message("Hello?"))
    transcript(hooked, WHO["zendesk"], 2)
    (session,) = hooked.sessions(WHO["zendesk"])
    request_id = caller.messages(session["id"])[0]["requestId"]
    status = caller.http.get(f"/api/chat/{request_id}").json()
    assert status["metadata"] == {"platform": "zendesk", "hookId": hooked.hook["id"]}
    assert session["conversationId"] == f"{hooked.hook['id']}/5158"


def test_a_hook_that_rests_or_is_removed_takes_nothing(caller: Caller) -> None:
    hooked = Hooked(caller, "chatwoot")
    hooked.taken(hooked.message("Hello?"))
    path = f"/api/hooks/{hooked.hook['id']}"
    assert caller.http.patch(path, json={"disabled": True}).status_code == 200
    wait_for("every process to know", lambda: hooked.post(hooked.message("?")).status_code == 404)
    assert caller.http.patch(path, json={"disabled": False}).status_code == 200
    wait_for("every process to know", lambda: hooked.post(hooked.message("?")).status_code == 200)
    assert caller.http.delete(path).status_code == 204
    wait_for("every process to know", lambda: hooked.post(hooked.message("?")).status_code == 404)
    assert_problem(caller.http.get(path), 404, "unknown-hook")
