"""`/api/hooks`: connections to platforms, their secrets told once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api.caller import Caller, as_object
from tests.api.hooked import Hooked
from tests.api.problem import MARK, assert_problem
from tests.api.stored import everything_stored
from tests.support.deliveries import GENERIC, SAMPLES, chatwoot, encoded
from tests.support.stack import Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

CHATWOOT = {"platform": "chatwoot", "settings": {"accountId": 2}}


def add(caller: Caller, **body: Any) -> dict[str, Any]:
    response = caller.http.post("/api/hooks", json=body)
    assert response.status_code == 201, response.text
    return as_object(response)


@pytest.mark.parametrize("platform", list(SAMPLES))
def test_every_platform_can_be_added_read_and_listed(caller: Caller, platform: str) -> None:
    sample = SAMPLES[platform]  # type: ignore[index]  # its own keys
    made = add(caller, platform=platform, settings=sample.settings, name="Front desk")
    read = as_object(caller.http.get(f"/api/hooks/{made['id']}"))
    assert read == {name: value for name, value in made.items() if name not in {"made", "url"}} | {"url": read["url"]}
    assert read["url"].endswith(f"/webhooks/{platform}/{made['id']}")
    assert caller.http.get("/api/hooks").json() == [read]
    assert read["name"] == "Front desk"


def test_a_secret_of_our_making_is_told_once_and_belongs_into_the_address_where_nothing_can_be_signed(
    caller: Caller,
) -> None:
    made = add(caller, **CHATWOOT)
    secret = made["made"]["shared"]
    assert made["url"].endswith(f"?token={secret}")
    again = caller.http.get(f"/api/hooks/{made['id']}")
    assert secret not in again.text
    assert [each["name"] for each in again.json()["secrets"]] == ["shared"]
    known = add(caller, **CHATWOOT, secrets={"signing": "given"})
    assert "made" not in known
    assert "?" not in known["url"]
    freshdesk = add(caller, platform="freshdesk", settings={"domain": "acme"})
    assert "?" not in freshdesk["url"]
    assert len(freshdesk["made"]["shared"]) == 43


def test_secrets_are_nowhere_in_clear(caller: Caller, stack: Stack, server: Valkey) -> None:
    hooked = Hooked(caller, "chatwoot", secrets={"signing": f"signing-{MARK}", "token": f"token-{MARK}"})
    hooked.post(hooked.message("Hello?"), secret=f"signing-{MARK}")
    hooked.post(hooked.message("Hello?"), secret="wrong")
    shared = add(caller, platform="freshdesk", settings={"domain": "acme"})["made"]["shared"]
    stored = everything_stored(server)
    assert hooked.hook["id"] in stored
    logs = "".join(stack.log(name) for name in stack._processes)
    for secret in (MARK, shared):
        assert secret not in stored
        assert secret not in logs
    answers = [caller.http.get(path).text for path in ("/api/hooks", f"/api/hooks/{hooked.hook['id']}")]
    assert MARK not in "".join(answers)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"platform": "chatwoot"}, "/settings/accountId"),
        ({"platform": "chatwoot", "settings": {"accountId": 0}}, "/settings/accountId"),
        ({"platform": "chatwoot", "settings": {"accountId": 2, "acountId": 2}}, "/settings/acountId"),
        ({"platform": "chatwoot", "settings": {"accountId": 2, "baseUrl": "javascript:x"}}, "/settings/baseUrl"),
        ({"platform": "chatwoot", "settings": {"accountId": 2, "coalesceSeconds": 61}}, "/settings/coalesceSeconds"),
        ({"platform": "telepathy"}, "/platform"),
        ({**CHATWOOT, "secrets": {"sining": "x"}}, None),
        ({"platform": "slack", "settings": SAMPLES["slack"].settings, "secrets": {"shared": "x"}}, "/secrets"),
        ({"platform": "freshchat", "settings": SAMPLES["freshchat"].settings, "secrets": {"signing": "x"}}, "/secrets"),
        ({"platform": "generic", "settings": {**GENERIC, "proof": {"kind": "trust"}}}, None),
        ({"platform": "generic", "settings": {**GENERIC, "proof": None}}, None),
        ({"platform": "zendesk", "settings": {"subdomain": "evil.example/"}}, "/settings/subdomain"),
    ],
)
def test_what_cannot_be_a_hook_is_refused_and_its_field_named(
    caller: Caller, body: dict[str, Any], pointer: str | None
) -> None:
    response = caller.http.post("/api/hooks", json=body)
    assert_problem(response, 400, "invalid-request", pointer)
    assert caller.http.get("/api/hooks").json() == []


def test_settings_change_one_by_one_and_null_is_the_default_again(caller: Caller) -> None:
    made = add(caller, platform="chatwoot", settings={"accountId": 2, "inboxIds": [8]})
    path = f"/api/hooks/{made['id']}"
    changed = caller.http.patch(
        path, json={"settings": {"answers": "unassigned", "inboxIds": None}, "name": "New"}
    ).json()
    assert (changed["settings"]["answers"], changed["settings"]["inboxIds"]) == ("unassigned", [])
    assert (changed["settings"]["accountId"], changed["name"]) == (2, "New")
    assert changed["secrets"] == made["secrets"]
    assert_problem(caller.http.patch(path, json={"settings": {"accountId": None}}), 400, "invalid-request")
    assert_problem(caller.http.patch(path, json={"settings": {"nonsense": 1}}), 400, "invalid-request")
    assert caller.http.get(path).json() == changed


def test_a_change_of_host_drops_the_token_and_says_so(caller: Caller) -> None:
    made = add(caller, **CHATWOOT, secrets={"signing": "s", "token": "t"})
    path = f"/api/hooks/{made['id']}"
    assert "notice" not in caller.http.patch(path, json={"name": "New"}).json()
    changed = caller.http.patch(path, json={"settings": {"baseUrl": "https://evil.example"}}).json()
    assert [each["name"] for each in changed["secrets"]] == ["signing"]
    assert f"hooks rotate {made['id']} token" in changed["notice"]
    assert [each["name"] for each in caller.http.get(path).json()["secrets"]] == ["signing"]


def test_two_secrets_are_valid_while_one_takes_over_and_then_only_the_new_one(caller: Caller) -> None:
    hooked = Hooked(caller, "slack")
    path = f"/api/hooks/{hooked.hook['id']}/secrets"

    def rotate(secret: str, hours: float) -> None:
        response = caller.http.post(path, json={"name": "signing", "secret": secret, "overlapHours": hours})
        assert response.status_code == 201, response.text
        wait_for(
            "every process to know", lambda: hooked.post(hooked.message("?"), secret=secret).status_code == 200, 15
        )

    rotate("second", 1)
    assert hooked.post(hooked.message("?")).status_code == 200
    rotate("third", 0)
    for old in (hooked.sample.secret, "second"):
        assert_problem(hooked.post(hooked.message("?"), secret=old), 401, "not-genuine")
    assert [each["name"] for each in caller.http.get(f"/api/hooks/{hooked.hook['id']}").json()["secrets"]] == [
        "signing"
    ] * 2


def test_ids_may_be_written_as_numbers(caller: Caller) -> None:
    made = add(caller, platform="intercom", settings={"appId": "abc123", "adminId": 3156780})
    assert made["settings"]["adminId"] == "3156780"


def test_only_what_is_ours_to_make_is_made_here(caller: Caller) -> None:
    slack = add(caller, platform="slack", settings=SAMPLES["slack"].settings)
    assert_problem(
        caller.http.post(f"/api/hooks/{slack['id']}/secrets", json={"name": "signing"}), 400, "invalid-request"
    )
    standard = add(caller, platform="generic", settings={**GENERIC, "proof": {"kind": "standard-webhooks"}})
    assert "made" not in standard
    made = caller.http.post(f"/api/hooks/{standard['id']}/secrets", json={"name": "signing"}).json()
    assert made["made"]["signing"].startswith("whsec_")
    wrong = {"name": "signing", "secret": "no-prefix"}
    assert_problem(caller.http.post(f"/api/hooks/{standard['id']}/secrets", json=wrong), 400, "invalid-request")


def test_a_hook_without_its_platforms_secret_takes_nothing_yet(caller: Caller) -> None:
    hooked = Hooked(caller, "zendesk", secrets={})
    assert_problem(hooked.post(hooked.message("Hello?")), 401, "not-genuine")


def test_a_delivery_can_be_tried_and_nothing_comes_of_it(caller: Caller) -> None:
    hooked = Hooked(caller, "chatwoot")
    raw = encoded(chatwoot("Where is it?"))
    path = f"/api/hooks/{hooked.hook['id']}/test"
    at = datetime(2026, 7, 20, 11, 15, 29, tzinfo=UTC)
    told = {"body": raw.decode(), "headers": hooked.sample.sign(hooked.secret, raw, at), "at": at.isoformat()}
    assert caller.http.post(path, json=told).json() == {
        "genuine": True,
        "events": [
            {
                "kind": "customer message",
                "messageId": "74",
                "conversation": "2/15",
                "customerId": "chatwoot:2:89",
                "text": "Where is it?",
                "attachments": [],
                "metadata": {},
            }
        ],
    }
    stale = caller.http.post(path, json={**told, "at": None}).json()
    assert stale["genuine"] is False
    assert "five minutes" in stale["problem"]
    assert len(stale["events"]) == 1
    broken = caller.http.post(path, json={"body": "{", "headers": {}}).json()
    assert broken["events"] == []
    assert hooked.sessions("chatwoot:2:89") == []


def test_an_agents_reply_that_comes_back_as_a_persons_is_known_for_what_it_is(caller: Caller) -> None:
    """Zendesk's hook does not say whose API token replies are posted with."""
    hooked = Hooked(caller, "zendesk", {"userId": None})
    who = "zendesk:acme:8447388090494"
    assert hooked.taken(hooked.message("My order number is A-4711.")) == 1

    def replied() -> str | None:
        sessions = hooked.sessions(who)
        said = caller.messages(sessions[0]["id"]) if sessions else []
        return str(said[1]["content"]) if len(said) == 2 else None

    reply = wait_for("the reply", replied, 60)
    staff = {"id": "11", "is_staff": True, "name": "Jonas"}
    assert hooked.taken(hooked.message(f"\n{reply} ", author=staff)) == 0
    assert hooked.taken(hooked.message("I shall look into it.", author=staff)) == 1
    (session,) = hooked.sessions(who)
    assert session["handler"] == "human"
    assert [each.get("author") for each in caller.messages(session["id"])] == [None, None, "Jonas"]


def test_what_a_hook_lacks_is_told_until_it_is_given(caller: Caller) -> None:
    made = add(caller, platform="zendesk", settings={"subdomain": "acme", "email": "a@acme.example", "userId": 1})
    assert [each["name"] for each in made["missing"]] == ["signing", "token"]
    assert made["missing"][0]["what"] == "the signing secret of the webhook"
    for name in ("signing", "token"):
        caller.http.post(f"/api/hooks/{made['id']}/secrets", json={"name": name, "secret": "given"})
    assert caller.http.get(f"/api/hooks/{made['id']}").json()["missing"] == []
    assert [each["name"] for each in add(caller, **CHATWOOT)["missing"]] == ["token"]  # proven by what was made here


def test_a_generic_hook_lacks_a_token_only_where_a_call_needs_one(caller: Caller) -> None:
    silent = add(caller, platform="generic", settings=GENERIC, secrets={"signing": "given"})
    assert silent["missing"] == []
    call = {"url": "https://desk.example/{conversation}", "headers": {"x": "{token}"}, "body": {"text": "{text}"}}
    answered = add(caller, platform="generic", settings={**GENERIC, "reply": call}, secrets={"signing": "given"})
    assert [each["name"] for each in answered["missing"]] == ["token"]


def test_what_is_done_to_a_hook_is_written_down(caller: Caller) -> None:
    hook = add(caller, **CHATWOOT)["id"]
    for change in ({"name": "Shop"}, {"disabled": True}, {"disabled": False}):
        assert caller.http.patch(f"/api/hooks/{hook}", json=change).status_code == 200
    caller.http.post(f"/api/hooks/{hook}/secrets", json={"name": "token", "secret": "let-me-in"})
    assert caller.http.delete(f"/api/hooks/{hook}").status_code == 204
    actions = caller.http.get("/api/actions").json()
    done = ["add-hook", "change-hook", "disable-hook", "enable-hook", "give-hook-secret", "delete-hook"]
    assert [each["action"] for each in reversed(actions)] == done
    assert {each["subject"] for each in actions} == {f"hook {hook}"}
    assert "let-me-in" not in str(actions)
