"""Who may do what: every door of the API, tried with every key that should not open it.

`DOORS` is checked against the application's own map of routes: a route that is not in it fails a test.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from api.app import create_flask
from api.services import ApiServices
from tests.api.caller import Caller, as_object, make_key, make_key_record, revoke_key
from tests.api.problem import assert_problem
from tests.api.stored import everything_stored
from tests.support.stack import Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

CANARY = "CANARY-leave-it-with-the-neighbour"
CUSTOMER = "anna"


@dataclass(frozen=True)
class Door:
    """A route of the API: what is sent to it, and what another tenant with a good key is answered."""

    stranger: int
    json: Mapping[str, Any] | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    endless: bool = False


OF_CUSTOMER = {"customerId": CUSTOMER}

DOORS = {
    ("POST", "/api/chat"): Door(404, {**OF_CUSTOMER, "message": "Hello", "sessionId": "<session_id>"}),
    ("GET", "/api/chat/<request_id>"): Door(404),
    ("GET", "/api/chat/<request_id>/events"): Door(404),
    ("GET", "/api/chat/<request_id>/receipt"): Door(404),
    ("GET", "/api/chat/<request_id>/context"): Door(404),
    ("POST", "/api/chat/<request_id>/replay"): Door(404),
    ("GET", "/api/tenants"): Door(403),
    ("GET", "/api/customers"): Door(200),
    ("GET", "/api/customers/<anything:customer_id>"): Door(404),
    ("GET", "/api/customers/<anything:customer_id>/digests"): Door(200),
    ("POST", "/api/memory/approve"): Door(404, {**OF_CUSTOMER, "key": "delivery"}),
    ("GET", "/api/requests"): Door(200),
    ("GET", "/api/usage"): Door(200),
    ("GET", "/api/status"): Door(200),
    ("GET", "/api/actions"): Door(200),
    ("GET", "/api/live"): Door(200, endless=True),
    ("GET", "/api/callbacks"): Door(200),
    ("PUT", "/api/callbacks"): Door(200, {"url": "http://127.0.0.1/"}),
    ("DELETE", "/api/callbacks"): Door(204),
    ("POST", "/api/callbacks/secret"): Door(201, {}),
    ("POST", "/api/callbacks/resume"): Door(200, {"url": "http://127.0.0.1/"}),
    ("GET", "/api/deliveries"): Door(200),
    ("GET", "/api/deliveries/<delivery_id>"): Door(404),
    ("POST", "/api/deliveries/<delivery_id>/replay"): Door(404),
    ("POST", "/api/deliveries/replay"): Door(202, {"since": "2026-01-01T00:00:00Z"}),
    ("GET", "/api/hooks"): Door(200),
    ("POST", "/api/hooks"): Door(201, {"platform": "freshdesk", "settings": {"domain": "mine"}}),
    ("GET", "/api/hooks/<hook_id>"): Door(404),
    ("PATCH", "/api/hooks/<hook_id>"): Door(404, {"name": "Mine now", "disabled": True}),
    ("DELETE", "/api/hooks/<hook_id>"): Door(404),
    ("POST", "/api/hooks/<hook_id>/secrets"): Door(404, {"name": "shared"}),
    ("POST", "/api/hooks/<hook_id>/test"): Door(404, {"body": "{}"}),
    ("GET", "/api/sessions"): Door(200, params=OF_CUSTOMER),
    ("POST", "/api/sessions"): Door(201, OF_CUSTOMER),
    ("GET", "/api/sessions/<session_id>"): Door(404),
    ("PATCH", "/api/sessions/<session_id>"): Door(404, {"title": "Mine now", "status": "closed"}),
    ("DELETE", "/api/sessions/<session_id>"): Door(404),
    ("GET", "/api/sessions/<session_id>/messages"): Door(404),
    ("GET", "/api/sessions/<session_id>/context"): Door(404),
    ("POST", "/api/sessions/<session_id>/messages"): Door(404, {"role": "user", "content": "Hello"}),
    ("GET", "/api/sessions/<session_id>/summary"): Door(404),
    ("GET", "/api/sessions/<session_id>/summaries"): Door(404),
    ("POST", "/api/sessions/<session_id>/summary"): Door(404),
    ("GET", "/api/digests"): Door(200, params=OF_CUSTOMER),
    ("POST", "/api/summaries/batch"): Door(202, OF_CUSTOMER),
    ("DELETE", "/api/sessions/<session_id>/messages/<seq>"): Door(404),
    ("GET", "/api/summaries/batch"): Door(200),
    ("GET", "/api/summaries/batch/<batch_id>"): Door(404),
    ("GET", "/api/summaries/batch/<batch_id>/results"): Door(404),
    ("POST", "/api/summaries/batch/<batch_id>/cancel"): Door(404),
    ("GET", "/api/memory"): Door(200, params=OF_CUSTOMER),
    ("POST", "/api/memory"): Door(201, {**OF_CUSTOMER, "key": "delivery", "value": "to me"}),
    ("DELETE", "/api/memory"): Door(404, params={**OF_CUSTOMER, "key": "delivery"}),
    ("GET", "/api/customers/<anything:customer_id>/export"): Door(200),
    ("DELETE", "/api/customers/<anything:customer_id>"): Door(204),
    ("POST", "/api/customers/<anything:customer_id>/merge"): Door(404, {"from": "nobody"}),
    ("GET", "/api/agent"): Door(200),
    ("GET", "/metrics"): Door(200),
    ("PUT", "/api/agent"): Door(200, {"instructions": "Tell me everything."}),
}

PUBLIC = {
    ("POST", "/webhooks/<platform>/<hook_id>"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
    ("GET", "/asyncapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/<name>"),
    ("GET", "/problems/<slug>"),
    ("GET", "/"),
    ("GET", "/console"),
    ("GET", "/static/<path:name>"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("DELETE", "/sign-in"),
}


@dataclass(frozen=True)
class House:
    """A tenant's records, each with the canary in it."""

    owner: Caller
    session_id: str
    request_id: str
    hook_id: str

    def try_door(
        self, client: httpx2.Client, door: tuple[str, str], headers: Mapping[str, str], method: str | None = None
    ) -> httpx2.Response:
        """Knock at a door of this house."""
        known, (verb, rule) = DOORS[door], door
        told = (known.json or {}).items()
        filled = {name: self._fill(value) if isinstance(value, str) else value for name, value in told}
        sent = filled if known.json is not None else None
        asked: dict[str, Any] = {"params": dict(known.params), "json": sent, "headers": headers}
        if not known.endless:
            return client.request(method or verb, self._fill(rule), **asked)
        with client.stream(method or verb, self._fill(rule), **asked) as response:
            heard, parts = "", response.iter_text()
            while response.status_code == 200 and "data:" not in heard:
                heard += next(parts)
            heard += "" if heard else "".join(parts)
            return httpx2.Response(response.status_code, headers=response.headers, text=heard)

    def contents(self) -> list[Any]:
        """Return all that is in the house, as its owner reads it."""
        get = self.owner.http.get
        return [
            get(f"/api/sessions/{self.session_id}").json(),
            get("/api/sessions", params=OF_CUSTOMER).json(),
            get(f"/api/sessions/{self.session_id}/messages").json(),
            get(f"/api/chat/{self.request_id}").json(),
            get("/api/memory", params=OF_CUSTOMER).json(),
            get("/api/agent").json(),
            get(f"/api/hooks/{self.hook_id}").json(),
        ]

    def _fill(self, text: str) -> str:
        known = {"<session_id>": self.session_id, "<request_id>": self.request_id, "<seq>": "1"}
        known |= {"<delivery_id>": f"evt_{self.request_id}", "<anything:customer_id>": CUSTOMER}
        known |= {"<hook_id>": self.hook_id, "<platform>": "freshdesk"}
        for name, value in known.items():
            text = text.replace(name, value)
        return text


@pytest.fixture(scope="module")
def house(stack: Stack) -> Iterator[House]:
    with Caller(stack, "house", make_key(stack, "house")) as owner:
        owner.http.put("/api/agent", json={"instructions": f"{CANARY}. Be brief."})
        owner.remember(CUSTOMER, "delivery", CANARY, scope="preference")
        owner.http.post("/api/callbacks/secret", json={})
        named = {"metadata": {"note": CANARY}, "callbackUrl": f"http://127.0.0.1:9/{CANARY}"}
        result = owner.ask(f"{CANARY}!", customerId=CUSTOMER, **named)
        hook = {"platform": "freshdesk", "name": CANARY, "settings": {"domain": "house"}}
        made = as_object(owner.http.post("/api/hooks", json=hook))
        yield House(owner, result["sessionId"], result["requestId"], str(made["id"]))


@pytest.fixture(scope="module")
def bad_keys(stack: Stack, house: House) -> dict[str, dict[str, str]]:
    """Headers that open nothing, by what is wrong with them."""
    url = stack.settings["REDIS_URL"]
    record, revoked = make_key_record(url, "house")
    revoke_key(url, record.key_id)
    good = house.owner.key
    other_secret = good[:-1] + ("A" if good[-1] != "A" else "B")
    basic = base64.b64encode(f"{good}:".encode()).decode()
    return {
        "none": {},
        "empty": {"Authorization": "Bearer"},
        "malformed": {"Authorization": "Bearer let-me-in"},
        "cut short": {"Authorization": f"Bearer {good[:-1]}"},
        "another secret": {"Authorization": f"Bearer {other_secret}"},
        "no id known": {"Authorization": f"Bearer cmk_{'0' * 16}_{good[-43:]}"},
        "revoked": {"Authorization": f"Bearer {revoked}"},
        "revoked, the other way": {"X-Api-Key": revoked},
        "another scheme": {"Authorization": f"Basic {basic}"},
        "only a tenant's name": {"X-Tenant": "house"},
    }


def test_every_route_is_in_the_table() -> None:
    nobody = SimpleNamespace(store=SimpleNamespace(access=None))
    rules = create_flask(cast("ApiServices", nobody)).url_map.iter_rules()
    routes = {(method, rule.rule) for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert routes == set(DOORS) | PUBLIC


@pytest.mark.parametrize("door", DOORS, ids=" ".join)
def test_without_a_good_key_no_door_opens(
    door: tuple[str, str], house: House, bad_keys: dict[str, dict[str, str]], stack: Stack
) -> None:
    before = house.contents()
    with stack.client() as anybody:
        for headers in bad_keys.values():
            response = house.try_door(anybody, door, headers)
            assert_problem(response, 401, "unauthenticated")
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
            assert CANARY not in response.text
            for method in ("OPTIONS", *(["HEAD"] if door[0] == "GET" else [])):
                assert house.try_door(anybody, door, headers, method).status_code == 401
    assert house.contents() == before


@pytest.mark.parametrize("door", DOORS, ids=" ".join)
def test_another_tenant_finds_an_empty_house(door: tuple[str, str], house: House, stranger: Caller) -> None:
    before = house.contents()
    assert CANARY in str(before)
    response = house.try_door(stranger.http, door, {})
    assert response.status_code == DOORS[door].stranger, response.text
    assert CANARY not in response.text
    assert CANARY not in str(response.headers)
    assert house.contents() == before


@pytest.mark.parametrize("door", DOORS, ids=" ".join)
def test_a_tenant_cannot_call_itself_another(door: tuple[str, str], house: House, stranger: Caller) -> None:
    response = house.try_door(stranger.http, door, {"X-Tenant": "house"})
    assert_problem(response, 403, "forbidden")
    assert CANARY not in response.text


@pytest.mark.parametrize("path", sorted(path for _, path in PUBLIC if "<platform>" not in path))
def test_what_is_public_says_nothing_of_anyone(path: str, house: House, stack: Stack) -> None:
    known = path.replace("/static/<path:name>", "/static/console/console.js")
    known = known.replace("<name>", "start.js").replace("<slug>", "session-closed")
    with stack.client() as anybody:
        response = anybody.get(known)
    assert response.status_code == 200
    assert CANARY not in response.text


def test_where_platforms_post_a_key_opens_nothing_and_a_proof_is_asked_of_everybody(house: House) -> None:
    for path in (f"/webhooks/freshdesk/{house.hook_id}", "/webhooks/freshdesk/hook_0"):
        response = house.owner.http.post(path, json={})
        assert response.status_code in {401, 404}
        assert CANARY not in response.text


def test_a_key_may_come_in_either_header(house: House, stack: Stack) -> None:
    with stack.client() as anybody:
        for headers in ({"X-Api-Key": house.owner.key}, {"Authorization": f"bearer {house.owner.key}"}):
            response = house.try_door(anybody, ("GET", "/api/sessions/<session_id>"), headers)
            assert response.json()["id"] == house.session_id
            own = house.try_door(anybody, ("GET", "/api/agent"), {**headers, "X-Tenant": "house"})
            assert CANARY in own.text


def test_an_operator_acts_for_the_tenant_it_names(house: House, stack: Stack) -> None:
    key = {"Authorization": f"Bearer {make_key(stack, 'operations', 'operator')}"}
    door = ("GET", "/api/sessions/<session_id>")
    with stack.client() as operator:
        assert house.try_door(operator, door, {**key, "X-Tenant": "house"}).json()["id"] == house.session_id
        for other in ("operations", "neighbours"):
            assert_problem(house.try_door(operator, door, {**key, "X-Tenant": other}), 404, "unknown-session")
        assert_problem(house.try_door(operator, door, key), 400, "invalid-request")
        for bad in ("", "House", "-house", "a.b", "a/b", "h" * 64):
            assert_problem(house.try_door(operator, door, {**key, "X-Tenant": bad}), 400, "invalid-request")


def test_only_an_operator_lists_tenants_and_names_none_for_it(house: House, stack: Stack) -> None:
    key = {"Authorization": f"Bearer {make_key(stack, 'operations', 'operator')}"}
    with stack.client(**key) as operator:
        told = operator.get("/api/tenants").json()
        assert {"tenant": "house", "keys": 2} in told or {"tenant": "house", "keys": 1} in told
        assert "operations" not in {each["tenant"] for each in told}
        assert CANARY not in str(told)


def test_what_concerns_others_is_told_to_operators_alone(house: House, stack: Stack) -> None:
    key = {"Authorization": f"Bearer {make_key(stack, 'operations', 'operator')}", "X-Tenant": "house"}
    wide = {"queues", "workers", "dueWork", "overdue"}
    assert not wide & house.owner.http.get("/api/status").json().keys()
    with stack.client(**key) as operator:
        assert wide <= operator.get("/api/status").json().keys()


def test_a_revoked_key_stops_working_soon(stack: Stack) -> None:
    url = stack.settings["REDIS_URL"]
    record, key = make_key_record(url, "leaving")
    with stack.client(Authorization=f"Bearer {key}") as client:
        assert client.get("/api/agent").status_code == 200
        revoke_key(url, record.key_id)
        wait_for("the key to be refused", lambda: client.get("/api/agent").status_code == 401)


def test_a_key_is_nowhere_in_clear(house: House, stack: Stack, server: Valkey) -> None:
    """Given a key that was used, neither the store nor any log holds its secret; its id they may."""
    house.owner.ask("Keep my key")
    _, key_id, secret = house.owner.key.split("_", 2)
    stored = everything_stored(server)
    assert key_id in stored
    assert secret not in stored
    logs = "".join(stack.log(name) for name in stack._processes)
    assert "turn" in logs
    assert secret not in logs
