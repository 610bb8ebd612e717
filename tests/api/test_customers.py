"""Customers as a whole, over HTTP."""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.caller import Caller, as_object, frozen
from tests.api.problem import assert_problem
from tests.api.stored import everything_stored
from tests.support.stack import Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for


def erase(caller: Caller, customer: str) -> None:
    """Erase a customer, however long it takes."""
    path = f"/api/customers/{quote(customer, safe='')}"
    wait_for(f"{customer} to be erased", lambda: caller.http.delete(path).status_code == 204)


def test_erasing_a_customer_leaves_nothing(caller: Caller, server: Valkey) -> None:
    canary, customer = f"canary-{secrets.token_hex(8)}", f"erased-{secrets.token_hex(8)}"
    result = caller.ask(f"{canary}, my order", customerId=customer, metadata={"note": canary}, conversationId=canary)
    caller.remember(customer, "word", canary)
    caller.http.post(f"/api/sessions/{result['sessionId']}/messages", json={"role": "assistant", "content": canary})
    assert canary in everything_stored(server)
    erase(caller, customer)
    wait_for("answers kept for retries to go", lambda: canary not in everything_stored(server))
    assert customer not in everything_stored(server)
    assert_problem(caller.http.get(f"/api/sessions/{result['sessionId']}"), 404, "unknown-session")
    assert_problem(caller.http.get(f"/api/chat/{result['requestId']}"), 404, "unknown-request")
    assert caller.http.get("/api/memory", params={"customerId": customer}).json() == []


def test_erasing_a_customer_ends_a_turn_under_way(caller: Caller, stack: Stack, server: Valkey) -> None:
    """Given a message that nobody has answered yet, its sender is told, and what comes later is thrown away."""
    canary, customer = f"canary-{secrets.token_hex(8)}", f"erased-{secrets.token_hex(8)}"
    with frozen(stack, "chat"):
        request_id = caller.begin(canary, customerId=customer)
        erase(caller, customer)
        status = as_object(caller.http.get(f"/api/chat/{request_id}"))
    assert (status["status"], status["failure"]["type"]) == ("failed", "session-deleted")
    again = caller.ask("Hello again", customerId=customer)
    assert again["sessionId"] != status["sessionId"]
    assert canary not in everything_stored(server)


@pytest.mark.parametrize("customer", ["a/b", "//", "..%", "ключ 🗝", "x/export"], ids=ascii)
def test_any_id_can_be_erased_and_no_other_goes_with_it(customer: str, caller: Caller) -> None:
    for name in (customer, "a"):
        assert caller.remember(name, "kept", 1).status_code in {200, 201}
    erase(caller, customer)
    assert caller.http.get("/api/memory", params={"customerId": customer}).json() == []
    assert len(caller.http.get("/api/memory", params={"customerId": "a"}).json()) == 1


def exported(caller: Caller, customer: str) -> list[dict[str, Any]]:
    """Return the lines of a customer's export."""
    response = caller.http.get(f"/api/customers/{quote(customer, safe='')}/export")
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def test_an_export_holds_all_that_is_kept(caller: Caller) -> None:
    customer = f"exported-{secrets.token_hex(8)}/x"
    other = caller.ask("Of another", customerId=customer[:-2])["sessionId"]
    sessions = [caller.ask(f"Message {number}", customerId=customer)["sessionId"] for number in range(2)]
    for number in range(60):  # more than a page
        body = {"role": "user", "content": f"{number} 🗝"}
        assert caller.http.post(f"/api/sessions/{sessions[0]}/messages", json=body).status_code == 201
    caller.http.post(f"/api/sessions/{sessions[0]}/summary")
    path = f"/api/sessions/{sessions[0]}/summary"
    wait_for("the summary", lambda: caller.http.get(path).status_code == 200)
    for value in ("German", None):
        caller.remember(customer, "language", value, scope="preference")
    lines = exported(caller, customer)
    assert [line["id"] for line in lines if line["type"] == "session"] == sessions[::-1]
    said = [line for line in lines if line["type"] == "message" and line["sessionId"] == sessions[0]]
    assert [line["seq"] for line in said] == list(range(1, 63))
    assert said[-1]["content"] == "59 🗝"
    assert [line["sessionId"] for line in lines if line["type"] == "summary"] == sessions[:1]
    (entry,) = [line for line in lines if line["type"] == "memory" and line["key"] == "language"]
    assert (entry["value"], [each["value"] for each in entry["history"]]) == (None, ["German"])
    assert other not in str(lines)
    counts = {kind: sum(line["type"] == kind for line in lines) for kind in {line["type"] for line in lines} - {"end"}}
    assert lines[-1] == {"type": "end", "customerId": customer, "counts": counts}


def test_an_export_of_nobody_holds_nothing(caller: Caller) -> None:
    assert exported(caller, "nobody") == [{"type": "end", "customerId": "nobody", "counts": {}}]


def merge(caller: Caller, source: str, into: str) -> dict[str, Any]:
    """Merge two customers, however long it takes; return the last answer."""
    path = f"/api/customers/{quote(into, safe='')}/merge"

    def merged() -> dict[str, Any] | None:
        response = caller.http.post(path, json={"from": source})
        assert response.status_code in {200, 202}, response.text
        return as_object(response) if response.status_code == 200 else None

    return wait_for(f"{source} to be merged", merged)


def test_an_anonymous_visitor_turns_out_to_be_a_known_customer(caller: Caller) -> None:
    anon, maria = f"anon/{secrets.token_hex(8)}", f"maria-{secrets.token_hex(8)}"
    first = caller.ask("My order is A-1", customerId=anon, conversationId="chat-1")
    caller.remember(anon, "order", "A-1")
    caller.remember(maria, "order", "B-2")
    assert merge(caller, anon, maria) == {"status": "merged", "customerId": maria, "from": anon, "sessionsLeft": 0}
    for customer in (anon, maria):
        sessions = caller.http.get("/api/sessions", params={"customerId": customer}).json()
        assert [(each["id"], each["customerId"]) for each in sessions] == [(first["sessionId"], maria)]
        (entry,) = caller.http.get("/api/memory", params={"customerId": customer}).json()
        assert (entry["value"], [each["value"] for each in entry["history"]]) == ("B-2", ["A-1"])
        again = caller.ask("And now?", customerId=customer, conversationId="chat-1")
        assert again["sessionId"] == first["sessionId"]
        assert as_object(caller.http.get(f"/api/chat/{again['requestId']}"))["status"] == "succeeded"
        assert [line["type"] for line in exported(caller, customer)].count("session") == 1
    assert len(caller.http.get(f"/api/sessions/{first['sessionId']}/messages").json()) == 6
    actions = caller.http.get("/api/actions").json()
    assert "merge-customer" in {each["action"] for each in actions}


def test_a_retry_under_its_key_finds_what_was_accepted_before_the_merge(caller: Caller) -> None:
    anon, maria = f"anon-{secrets.token_hex(8)}", f"maria-{secrets.token_hex(8)}"
    body = {"customerId": anon, "message": "Once", "conversationId": "chat-1"}
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    before = as_object(caller.http.post("/api/chat", json=body, headers=headers))
    merge(caller, anon, maria)
    after = as_object(caller.http.post("/api/chat", json=body, headers=headers))
    assert (after["requestId"], after["sessionId"]) == (before["requestId"], before["sessionId"])
    new = {"Idempotency-Key": secrets.token_hex(8)}
    twice = [as_object(caller.http.post("/api/chat", json=body, headers=new)) for _ in range(2)]
    assert twice[0]["requestId"] == twice[1]["requestId"]
    assert twice[0]["sessionId"] == before["sessionId"]


def test_erasing_reaches_who_was_merged(caller: Caller, server: Valkey) -> None:
    canary, anon, maria = (f"{name}-{secrets.token_hex(8)}" for name in ("canary", "anon", "maria"))
    caller.ask(f"{canary}, my order", customerId=anon)
    caller.remember(maria, "word", canary)
    merge(caller, anon, maria)
    assert_problem(caller.http.delete(f"/api/customers/{anon}"), 409, "customer-merged")
    erase(caller, maria)

    def left() -> list[str]:
        stored = everything_stored(server)
        return [word for word in (canary, anon, maria) if word in stored]

    wait_for("answers kept for retries to go", lambda: not left())


def test_a_merge_that_cannot_be_is_refused(caller: Caller) -> None:
    anon, maria, other = (f"{name}-{secrets.token_hex(8)}" for name in ("anon", "maria", "other"))
    for name in (anon, other):
        caller.remember(name, "known", 1)

    def refused(source: str, into: str, status: int, kind: str) -> None:
        assert_problem(caller.http.post(f"/api/customers/{into}/merge", json={"from": source}), status, kind)

    refused(maria, maria, 400, "invalid-request")
    refused(maria, anon, 404, "unknown-customer")
    merge(caller, anon, maria)
    assert merge(caller, anon, maria)["status"] == "merged"
    refused(maria, anon, 409, "merge-refused")
    refused(anon, other, 409, "customer-merged")
    assert_problem(caller.http.post(f"/api/customers/{maria}/merge", json={"from": ""}), 400, "invalid-request")


def test_an_id_that_is_none_is_refused(caller: Caller) -> None:
    assert_problem(caller.http.delete(f"/api/customers/{'x' * 257}"), 400, "invalid-request")
    assert_problem(caller.http.delete("/api/customers/a%07b"), 400, "invalid-request")
