"""Before the first key is made: open to this machine alone, and shut as soon as there is a key."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from cli.embedded import free_port
from tests.api.caller import as_object, make_key_record
from tests.api.problem import assert_problem
from tests.support.stack import Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

SESSIONS = "/api/sessions?customerId=cust-1"


class OpenHouse:
    """A web process of its own over a store in which no key was made."""

    def __init__(self, stack: Stack, server: Valkey, name: str, database: int, host: str = "127.0.0.1") -> None:
        self.port = free_port()
        self.store_url = server.url(database)
        self._stack, self._name = stack, name
        environment = {
            "HOST": host,
            "PORT": str(self.port),
            "REDIS_URL": self.store_url,
            "BROKER_URL": server.url(database + 1),
        }
        stack.start(name, "api", env=environment)
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def wait(self) -> None:
        """Wait until it answers."""
        wait_for(f"{self._name} to serve", self._answers, 60)

    def close(self) -> None:
        """End it."""
        self.client.close()
        self._stack.kill(self._name)

    def _answers(self) -> bool:
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx2.TransportError:
            return False


@pytest.fixture(scope="module")
def house(stack: Stack, server: Valkey) -> Iterator[OpenHouse]:
    house = OpenHouse(stack, server, "open-web", 2)
    house.wait()
    yield house
    house.close()


def test_this_machine_needs_no_key(house: OpenHouse) -> None:
    for host in (f"127.0.0.1:{house.port}", f"localhost:{house.port}", "LOCALHOST", f"[::1]:{house.port}"):
        response = house.client.get(SESSIONS, headers={"Host": host})
        assert response.status_code == 200, response.text


def test_whoever_is_here_sees_what_an_operator_sees(house: OpenHouse) -> None:
    told = house.client.get("/api/status").json()
    assert {"queues", "workers", "dueWork", "overdue", "openRequests"} <= told.keys()
    assert house.client.get("/api/tenants").json() == [{"tenant": "default", "keys": 0}]
    house.client.post("/api/memory", json={"customerId": "anna", "key": "a"})
    assert house.client.delete("/api/memory", params={"customerId": "anna", "key": "a"}).status_code == 204
    (action,) = house.client.get("/api/actions").json()
    assert (action["action"], action["by"], action["tenant"]) == ("delete-entry", "open", "default")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "[::2]", "[", ""]
)
def test_another_name_is_refused(host: str, house: OpenHouse) -> None:
    """A name that someone else's DNS may point here: the page behind it must not read what is kept here."""
    assert_problem(house.client.get(SESSIONS, headers={"Host": host}), 403, "forbidden")
    posted = house.client.post("/api/sessions", json={"customerId": "cust-1"}, headers={"Host": host})
    assert_problem(posted, 403, "forbidden")
    assert house.client.get(SESSIONS).json() == []


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:1", "http://127.0.0.1", "http://[", "null", ""]
)
def test_a_page_of_another_origin_is_refused(origin: str, house: OpenHouse) -> None:
    assert_problem(house.client.get(SESSIONS, headers={"Origin": origin}), 403, "forbidden")
    posted = house.client.post("/api/sessions", json={"customerId": "cust-1"}, headers={"Origin": origin})
    assert_problem(posted, 403, "forbidden")
    assert house.client.get(SESSIONS).json() == []


def test_its_own_pages_may_ask(house: OpenHouse) -> None:
    own = {"Origin": f"http://127.0.0.1:{house.port}"}
    assert house.client.get(SESSIONS, headers=own).status_code == 200


def test_a_key_that_is_none_is_refused_here_too(house: OpenHouse) -> None:
    response = house.client.get(SESSIONS, headers={"Authorization": "Bearer let-me-in"})
    assert_problem(response, 401, "unauthenticated")


def test_the_first_key_shuts_the_door(stack: Stack, server: Valkey) -> None:
    """Given records of the open time, they belong to the tenant `default` when keys have been made."""
    house = OpenHouse(stack, server, "closing-web", 4)
    try:
        house.wait()
        session = as_object(house.client.post("/api/sessions", json={"customerId": "cust-1"}))
        _, default = make_key_record(house.store_url, "default")
        _, other = make_key_record(house.store_url, "acme")
        wait_for("the door to shut", lambda: house.client.get(SESSIONS).status_code == 401)
        found = house.client.get(SESSIONS, headers={"Authorization": f"Bearer {default}"}).json()
        assert [each["id"] for each in found] == [session["id"]]
        assert house.client.get(SESSIONS, headers={"Authorization": f"Bearer {other}"}).json() == []
    finally:
        house.close()


def test_without_a_key_it_does_not_listen_for_others(stack: Stack, server: Valkey) -> None:
    house = OpenHouse(stack, server, "exposed-web", 6, host="0.0.0.0")
    house.client.close()
    assert stack.died("exposed-web") == 2
    said = stack.log("exposed-web")
    assert "HOST is 0.0.0.0" in said
    assert "customer-memory keys create" in said
    assert "Traceback" not in said


def test_with_a_key_it_listens_for_others(stack: Stack, server: Valkey) -> None:
    _, key = make_key_record(server.url(8), "acme")
    house = OpenHouse(stack, server, "exposed-web-with-key", 8, host="0.0.0.0")
    try:
        house.wait()
        assert_problem(house.client.get(SESSIONS), 401, "unauthenticated")
        foreign = {"Authorization": f"Bearer {key}", "Host": "support.example"}
        assert house.client.get(SESSIONS, headers=foreign).status_code == 200
    finally:
        house.close()
