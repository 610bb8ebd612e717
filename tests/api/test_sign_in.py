"""A browser's way in: a cookie in a key's place."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.api.caller import Caller, make_key, make_key_record, revoke_key
from tests.support.stack import Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

ENTRY = {"customerId": "cust-1", "key": "language", "value": "German"}


@pytest.fixture
def browser(stack: Stack) -> Iterator[httpx2.Client]:
    """A client that keeps cookies, and has no key."""
    with httpx2.Client(base_url=stack.url, timeout=60, verify=False) as client:
        yield client


def sign_in(browser: httpx2.Client, key: str) -> dict[str, str]:
    response = browser.post("/sign-in", json={"key": key})
    assert response.status_code == 200, response.text
    told: dict[str, str] = response.json()
    return told


def test_a_key_is_exchanged_for_a_cookie_that_no_script_reads(browser: httpx2.Client, caller: Caller) -> None:
    response = browser.post("/sign-in", json={"key": caller.key})
    told = response.json()
    assert (told["signedIn"], told["tenant"], told["role"]) == (True, caller.tenant, "tenant")
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert caller.key not in cookie
    assert browser.get("/api/memory", params={"customerId": "cust-1"}).status_code == 200
    assert browser.get("/sign-in").json() == told


def test_it_is_secure_behind_tls(browser: httpx2.Client, caller: Caller) -> None:
    response = browser.post("/sign-in", json={"key": caller.key}, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in response.headers["Set-Cookie"]


def test_whatever_changes_something_needs_the_token(browser: httpx2.Client, caller: Caller, stranger: Caller) -> None:
    token = sign_in(browser, caller.key)["csrfToken"]
    assert browser.post("/api/memory", json=ENTRY).status_code == 403
    others = httpx2.post(f"{caller.http.base_url}/sign-in", json={"key": stranger.key}).json()["csrfToken"]
    for wrong in ("", "guess", others, token[:-1]):
        assert browser.post("/api/memory", json=ENTRY, headers={"X-Csrf-Token": wrong}).status_code == 403
    assert browser.post("/api/memory", json=ENTRY, headers={"X-Csrf-Token": token}).status_code == 201


def test_a_cookie_ends_with_its_key(browser: httpx2.Client, stack: Stack, server: Valkey) -> None:
    record, key = make_key_record(server.url(0), "brief")
    sign_in(browser, key)
    revoke_key(server.url(0), record.key_id)
    path, params = "/api/memory", {"customerId": "cust-1"}
    wait_for("the cookie to open nothing", lambda: browser.get(path, params=params).status_code == 401)
    assert browser.get("/sign-in").json()["signedIn"] is False


def test_a_cookie_of_another_key_or_forged_opens_nothing(browser: httpx2.Client, caller: Caller) -> None:
    sign_in(browser, caller.key)
    name, value = next(iter(browser.cookies.items()))
    key_id, rest = value.split(".", 1)
    for forged in (f"{'0' * 16}.{rest}", f"{key_id}.{rest[:-2]}", key_id, f"{key_id}.", "x" * 5000):
        with httpx2.Client(base_url=browser.base_url, cookies={name: forged}, verify=False) as other:
            assert other.get("/api/memory", params={"customerId": "cust-1"}).status_code == 401


def test_signing_out_takes_the_cookie_away(browser: httpx2.Client, caller: Caller) -> None:
    sign_in(browser, caller.key)
    assert browser.delete("/sign-in").status_code == 204
    assert not browser.cookies
    assert browser.get("/api/memory", params={"customerId": "cust-1"}).status_code == 401


def test_pages_of_other_origins_sign_nobody_in(browser: httpx2.Client, caller: Caller) -> None:
    response = browser.post("/sign-in", json={"key": caller.key}, headers={"Origin": "https://elsewhere.example"})
    assert response.status_code == 403
    assert "Set-Cookie" not in response.headers


def test_an_operator_names_the_tenant(browser: httpx2.Client, stack: Stack, caller: Caller) -> None:
    caller.remember("cust-1", "language", "German")
    told = sign_in(browser, make_key(stack, "operators", "operator"))
    assert told["role"] == "operator"
    path, params = "/api/memory", {"customerId": "cust-1"}
    assert browser.get(path, params=params).status_code == 400
    assert [each["key"] for each in browser.get(path, params=params, headers={"X-Tenant": caller.tenant}).json()] == [
        "language"
    ]


def test_many_wrong_keys_are_turned_away_for_a_while(browser: httpx2.Client, caller: Caller) -> None:
    elsewhere = {"X-Forwarded-For": "203.0.113.7"}  # an address of its own, so that no other test is turned away
    answers = [browser.post("/sign-in", json={"key": "cmk_wrong"}, headers=elsewhere) for _ in range(11)]
    assert [each.status_code for each in answers] == [401] * 10 + [429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert "/problems/too-many-attempts" in answers[-1].text
    assert browser.post("/sign-in", json={"key": caller.key}, headers=elsewhere).status_code == 429
    assert browser.post("/sign-in", json={"key": caller.key}).status_code == 200
