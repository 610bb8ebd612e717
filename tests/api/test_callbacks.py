"""Results posted to their callers: asked for, signed, listed, posted again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from standardwebhooks import Webhook, WebhookVerificationError

from cli.main import main
from simulator.schema import Fault
from tests.api.caller import Caller, as_object
from tests.support.receiver import Posted, Receiver
from tests.support.schemas import Schema
from tests.support.stack import Stack
from tests.support.waiting import wait_for

SECRETS = "/api/callbacks/secret"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def new_secret(caller: Caller, hours: float = 24) -> str:
    response = caller.http.post(SECRETS, json={"overlapHours": hours})
    assert response.status_code == 201, response.text
    return str(response.json()["secret"])


def posted(receiver: Receiver, request_id: str, times: int = 1) -> list[Posted]:
    wait_for(f"{request_id} to be posted {times} times", lambda: len(receiver.of(request_id)) >= times)
    return receiver.of(request_id)


def delivery(caller: Caller, request_id: str, status: str) -> dict[str, Any]:
    """Wait until a delivery stands so; return it."""

    def look() -> dict[str, Any] | None:
        found = as_object(caller.http.get(f"/api/deliveries/evt_{request_id}"))
        return found if found.get("status") == status else None

    return wait_for(f"the delivery of {request_id} to be {status}", look)


def test_a_requests_own_address_is_posted_its_result(caller: Caller, receiver: Receiver) -> None:
    secret = new_secret(caller)
    request = caller.begin("Where is my parcel?", callbackUrl=receiver.url, metadata={"ticket": 7})
    (once,) = posted(receiver, request)
    event = once.event(secret)
    assert once.headers["content-type"] == "application/cloudevents+json"
    assert (event["id"], event["type"]) == (f"evt_{request}", "chat.reply.completed")
    assert event["data"]["result"]["reply"] == caller.result(request)["reply"]
    assert event["data"]["metadata"] == {"ticket": 7}
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 43 + "=").verify(once.body, once.headers)
    found = delivery(caller, request, "delivered")
    assert [(each["status"], each.get("error")) for each in found["attempts"]] == [(204, None)]
    assert found["url"] == receiver.url


def test_a_failure_is_posted_too(stack: Stack, caller: Caller, receiver: Receiver) -> None:
    secret = new_secret(caller)
    stack.simulator.add_faults(Fault(kind="status", status=400, match="BROKEN"))
    request = caller.begin("BROKEN", callbackUrl=receiver.url)
    event = posted(receiver, request)[0].event(secret)
    assert (event["type"], event["data"]["requestId"]) == ("chat.reply.failed", request)
    assert event["data"]["failure"] == caller.result(request)["failure"]


def test_the_tenants_address_is_posted_all_others(caller: Caller, receiver: Receiver) -> None:
    made = as_object(caller.http.put("/api/callbacks", json={"url": receiver.url}))
    assert made["secret"].startswith("whsec_")
    request = caller.begin("Hello")
    assert posted(receiver, request)[0].event(made["secret"])["data"]["requestId"] == request
    again = as_object(caller.http.put("/api/callbacks", json={"url": receiver.url}))
    shown = as_object(caller.http.get("/api/callbacks"))
    assert "secret" not in again
    assert "secret" not in shown
    assert (shown["url"], len(shown["secrets"])) == (receiver.url, 1)
    assert caller.http.delete("/api/callbacks").status_code == 204
    silent = caller.begin("Hello again")
    caller.result(silent)
    assert caller.http.get(f"/api/deliveries/{silent}").status_code == 404


def test_where_results_go_and_new_secrets_are_written_down(caller: Caller, receiver: Receiver) -> None:
    caller.http.put("/api/callbacks", json={"url": receiver.url})
    caller.http.post("/api/callbacks/secret", json={})
    caller.http.delete("/api/callbacks")
    actions = [each["action"] for each in caller.http.get("/api/actions").json()]
    assert actions == ["stop-callbacks", "make-callback-secret", "set-callbacks"]


def test_both_secrets_sign_while_they_rotate(caller: Caller, receiver: Receiver) -> None:
    old, new = new_secret(caller), new_secret(caller)
    (both,) = posted(receiver, caller.begin("Hello", callbackUrl=receiver.url))
    assert both.event(old) == both.event(new)
    newest = new_secret(caller, 0)
    (one,) = posted(receiver, caller.begin("Hello", callbackUrl=receiver.url))
    assert one.event(newest)
    with pytest.raises(WebhookVerificationError):
        one.event(new)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://10.0.0.1/", "not public"),
        ("https://169.254.169.254/latest", "not public"),
        ("https://[fec0::1]/", "not public"),
        ("https://me:word@hook.example/", "user or password"),
        ("https://2130706433/", "unusual way"),
        ("ftp://hook.example/", "https://"),
        ("https://hook.example/#a", "fragment"),
        ("not a url", "printable ASCII"),
    ],
)
def test_what_is_not_public_is_refused_at_the_door(caller: Caller, url: str, words: str) -> None:
    new_secret(caller)
    response = caller.post("Hello", callbackUrl=url)
    problem = as_object(response)
    assert (response.status_code, problem["errors"][0]["pointer"]) == (400, "/callbackUrl")
    assert words in problem["errors"][0]["message"]
    assert caller.http.put("/api/callbacks", json={"url": url}).json()["errors"][0]["pointer"] == "/url"


def test_without_a_secret_it_is_refused_and_the_mend_is_told(caller: Caller, receiver: Receiver) -> None:
    problem = as_object(caller.post("Hello", callbackUrl=receiver.url))
    assert problem["errors"] == [
        {
            "pointer": "/callbackUrl",
            "message": "needs a secret to be signed with; make one: POST /api/callbacks/secret",
        }
    ]


def test_the_same_key_with_another_address_is_another_request(caller: Caller, receiver: Receiver) -> None:
    new_secret(caller)
    key = {"Idempotency-Key": "one"}
    first = caller.post("Hello", headers=key, callbackUrl=receiver.url)
    again = caller.post("Hello", headers=key, callbackUrl=receiver.url)
    assert again.json()["requestId"] == first.json()["requestId"]
    assert caller.post("Hello", headers=key, callbackUrl=f"{receiver.url}?b").status_code == 422
    assert len(posted(receiver, first.json()["requestId"])) == 1


def test_what_fails_is_tried_again_and_says_how(caller: Caller, receiver: Receiver) -> None:
    new_secret(caller)
    receiver.answers = lambda _: (503, {"Retry-After": "1"}) if len(receiver.posted) == 1 else (200, {})
    request = caller.begin("Hello", callbackUrl=receiver.url)
    found = delivery(caller, request, "delivered")
    assert [each.get("error") for each in found["attempts"]] == ["answered 503", None]
    assert len({each.id for each in posted(receiver, request, 2)}) == 1


def test_410_stops_an_endpoint_until_it_is_resumed(caller: Caller, receiver: Receiver) -> None:
    new_secret(caller)
    receiver.answers = lambda _: (410, {})
    request = caller.begin("Hello", callbackUrl=f"{receiver.url}?a=1")
    assert "410" in delivery(caller, request, "dead")["reason"]
    assert [each["url"] for each in as_object(caller.http.get("/api/callbacks"))["stopped"]] == [receiver.url]
    receiver.answers = lambda _: (200, {})
    assert as_object(caller.http.post("/api/callbacks/resume", json={"url": receiver.url}))["stopped"] == []
    assert caller.http.post(f"/api/deliveries/evt_{request}/replay").status_code == 202
    delivery(caller, request, "delivered")
    assert len(posted(receiver, request, 2)) == 2


def test_deliveries_are_listed_and_posted_again(caller: Caller, receiver: Receiver) -> None:
    new_secret(caller)
    receiver.answers = lambda posted: (410, {}) if "dead" in posted.path else (200, {})
    fine = [caller.begin("Hello", callbackUrl=receiver.url, customerId=f"c-{n}") for n in range(2)]
    dead = [caller.begin("Hello", callbackUrl=f"{receiver.url}/dead-{n}", customerId=f"d-{n}") for n in range(3)]
    for request in fine:
        delivery(caller, request, "delivered")
    for request in dead:
        delivery(caller, request, "dead")

    def listed(**query: str) -> set[str]:
        return {each["requestId"] for each in caller.http.get("/api/deliveries", params=query).json()}

    assert listed() == {*fine, *dead}
    assert listed(status="dead") == set(dead)
    assert listed(requestId=fine[0]) == {fine[0]}
    assert listed(requestId=fine[0], status="dead") == set()
    assert listed(requestId=fine[0], hookId="hook_of_nobody") == listed(hookId="hook_of_nobody") == set()
    first = caller.http.get("/api/deliveries", params={"limit": 3})
    rest = caller.http.get(first.links["next"]["url"])
    assert {each["requestId"] for each in [*first.json(), *rest.json()]} == {*fine, *dead}
    receiver.answers = lambda _: (200, {})
    for number in range(3):
        caller.http.post("/api/callbacks/resume", json={"url": f"{receiver.url}/dead-{number}"})
    response = caller.http.post("/api/deliveries/replay", json={"since": "2026-01-01T00:00:00Z"})
    assert (response.status_code, response.json()) == (202, {"replayed": 3})
    for request in dead:
        delivery(caller, request, "delivered")
    for outcome, count in (("replayed", 3), ("delivered", 5)):
        caller.counted(f'customer_memory_callback_total{{outcome="{outcome}",tenant="{caller.tenant}"}} {count}.0')


def test_another_tenant_sees_no_delivery(caller: Caller, stranger: Caller, receiver: Receiver) -> None:
    new_secret(caller)
    request = caller.begin("Hello", callbackUrl=receiver.url)
    delivery(caller, request, "delivered")
    assert stranger.http.get(f"/api/deliveries/evt_{request}").status_code == 404
    assert stranger.http.post(f"/api/deliveries/evt_{request}/replay").status_code == 404
    assert stranger.http.get("/api/deliveries").json() == []
    assert as_object(stranger.http.get("/api/callbacks"))["secrets"] == []


@pytest.mark.parametrize(
    ("kind", "schema"),
    [("chat.reply.completed", "ReplyCompletedCallback"), ("chat.reply.failed", "ReplyFailedCallback")],
)
def test_the_document_tells_what_is_posted(caller: Caller, kind: str, schema: str) -> None:
    document = as_object(caller.http.get("/openapi.json"))
    posted = document["paths"]["/api/chat"]["post"]["callbacks"][kind]["{$request.body#/callbackUrl}"]["post"]
    assert {each["name"] for each in posted["parameters"]} == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert posted["responses"].keys() == {"2XX", "410", "429", "default"}
    assert posted["requestBody"]["content"]["application/cloudevents+json"]["schema"]["$ref"].endswith(f"/{schema}")
    assert document["webhooks"][kind]["post"] == posted


def test_what_is_posted_is_as_the_document_says(caller: Caller, receiver: Receiver) -> None:
    document = as_object(caller.http.get("/openapi.json"))
    new_secret(caller)
    request = caller.begin("Hello", callbackUrl=receiver.url, metadata={"channel": "web"})
    (heard,) = posted(receiver, request)
    described = document["webhooks"]["chat.reply.completed"]["post"]
    for parameter in described["parameters"]:
        text = heard.headers[parameter["name"]]
        Schema(document, parameter["schema"]).check(int(text) if parameter["schema"]["type"] == "integer" else text)
    (body,) = described["requestBody"]["content"].values()
    Schema(document, body["schema"]).check(json.loads(heard.body))


def test_the_commands_do_the_same(stack: Stack, caller: Caller, receiver: Receiver) -> None:
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(main, [*arguments, "--url", stack.url, "--key", caller.key], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    secret = run("callbacks", "set", receiver.url).splitlines()[-1]
    request = caller.begin("Hello")
    assert posted(receiver, request)[0].event(secret)
    delivery(caller, request, "delivered")
    assert f"evt_{request}" in run("deliveries", "list", "--status", "delivered")
    assert run("deliveries", "list", "--hook", "hook_of_nobody") == ""
    assert "answered 204" in run("deliveries", "show", f"evt_{request}")
    run("deliveries", "replay", f"evt_{request}")
    posted(receiver, request, 2)
    delivery(caller, request, "delivered")
    assert "1 are posted again" in run("deliveries", "replay", "--since", "2026-01-01", "--status", "delivered")
    assert run("callbacks", "secret").splitlines()[-1] != secret
    assert "whsec_" not in run("callbacks", "show")
    run("callbacks", "resume", receiver.url)
    run("callbacks", "clear")
    assert "none" in run("callbacks", "show")
