"""What the console asks: lists of the whole tenant, usage, status, what people did, and what changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from simulator.schema import Fault
from tests.api.caller import Caller, as_object, frozen, make_key
from tests.api.conftest import MakeCaller
from tests.api.problem import assert_problem
from tests.support.stack import Stack
from tests.support.waiting import wait_for

MODEL = "claude-sonnet-4-6"


def rows(caller: Caller, path: str, **params: Any) -> list[dict[str, Any]]:
    response = caller.http.get(path, params=params)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()
    return found


def listed(caller: Caller, path: str, enough: Callable[[list[dict[str, Any]]], object], **params: Any) -> Any:
    """Return a list once it holds enough: the index lags behind."""

    def look() -> list[dict[str, Any]] | None:
        found = rows(caller, path, **params)
        return found if enough(found) else None

    return wait_for(f"{path} to tell enough", look)


def failed_request(caller: Caller, stack: Stack, **more: Any) -> dict[str, Any]:
    """Post a message that Claude refuses; return the request's end."""
    stack.simulator.add_faults(Fault(kind="status", status=400, times=1, match="Fail, please"))
    return caller.result(caller.begin("Fail, please", **more))


def test_customers_are_listed_by_activity_and_found_by_a_part_of_their_id(caller: Caller) -> None:
    for customer in ("Maria/1", "ben", "anna-maria"):
        caller.ask("Hello", customerId=customer)
    caller.remember("ben", "language", "German")
    found = listed(caller, "/api/customers", lambda told: len(told) == 3 and told[0]["customerId"] == "ben")
    assert [each["customerId"] for each in found] == ["ben", "anna-maria", "Maria/1"]
    assert [(each["sessions"], each["entries"]) for each in found] == [(1, 1), (1, 0), (1, 0)]
    assert [each["customerId"] for each in rows(caller, "/api/customers", query="maria")] == ["anna-maria", "Maria/1"]
    first = caller.http.get("/api/customers", params={"limit": 2})
    rest = caller.http.get(first.links["next"]["url"])
    assert [each["customerId"] for each in [*first.json(), *rest.json()]] == ["ben", "anna-maria", "Maria/1"]
    assert "next" not in rest.links or caller.http.get(rest.links["next"]["url"]).json() == []


def test_one_customer_is_told_whatever_their_id(caller: Caller) -> None:
    customer = "a/b c%2F?#&{}"
    caller.ask("Hello", customerId=customer)
    path = f"/api/customers/{quote(customer, safe='')}"
    told = as_object(caller.http.get(path))
    assert (told["customerId"], told["sessions"], told["entries"], told["quarantined"]) == (customer, 1, 0, 0)
    assert len(told["pseudonym"]) == 16
    assert caller.http.get(f"{path}/digests").json() == []
    assert_problem(caller.http.get("/api/customers/nobody"), 404, "unknown-customer")


def test_recorded_history_counts_as_activity_of_its_own_time(caller: Caller) -> None:
    session = caller.new_session("old-one")["id"]
    before = caller.http.post(
        f"/api/sessions/{session}/messages",
        json={"role": "user", "content": "Hi", "at": "2026-01-02T03:04:05Z"},
    )
    assert before.status_code == 201
    (told,) = listed(caller, "/api/customers", len)
    assert (told["customerId"], told["sessions"]) == ("old-one", 1)


def test_an_erased_customer_disappears_from_every_list(caller: Caller) -> None:
    caller.ask("Hello", customerId="gone-one")
    caller.ask("Hello", customerId="ben")
    listed(caller, "/api/customers", lambda told: len(told) == 2)
    pseudonym = caller.http.get("/api/customers/gone-one").json()["pseudonym"]
    assert caller.http.delete("/api/customers/gone-one").status_code in {202, 204}
    assert [each["customerId"] for each in rows(caller, "/api/customers")] == ["ben"]
    assert {each["customerId"] for each in rows(caller, "/api/requests")} == {"ben"}
    assert_problem(caller.http.get("/api/customers/gone-one"), 404, "unknown-customer")
    (action,) = rows(caller, "/api/actions")
    assert (action["action"], action["subject"]) == ("erase-customer", f"customer #{pseudonym}")
    assert "gone-one" not in str(rows(caller, "/api/actions"))


def test_requests_are_listed_by_how_they_stand(caller: Caller, stack: Stack) -> None:
    failed = failed_request(caller, stack)
    done = caller.ask("Hello", customerId="ben")["requestId"]
    with frozen(stack, "chat"):
        waits = caller.begin("Later", customerId="carla")
        (queued,) = listed(caller, "/api/requests", len, status="queued")
        assert queued["requestId"] == waits
        assert caller.http.get("/api/status").json()["openRequests"] >= 1
    caller.result(waits)
    listed(caller, "/api/requests", lambda told: len(told) == 2, status="succeeded")
    (told,) = listed(caller, "/api/requests", len, status="failed")
    assert (told["requestId"], told["failure"]) == (failed["requestId"], failed["failure"])
    assert [each["requestId"] for each in rows(caller, "/api/requests")] == [waits, done, failed["requestId"]]
    assert "Fail, please" not in str(rows(caller, "/api/requests"))
    wait_for("nothing to be open", lambda: caller.http.get("/api/status").json()["openRequests"] == 0)


def test_requests_of_a_deleted_session_disappear(caller: Caller) -> None:
    told = caller.ask("Hello")
    listed(caller, "/api/requests", len)
    assert caller.http.delete(f"/api/sessions/{told['sessionId']}").status_code == 204
    assert rows(caller, "/api/requests") == []
    assert rows(caller, "/api/customers") == []
    (action,) = rows(caller, "/api/actions")
    assert (action["action"], action["subject"]) == ("delete-session", f"session {told['sessionId']}")


def test_a_failed_request_is_asked_again_at_the_end_of_its_session_once(caller: Caller, stack: Stack) -> None:
    failed = failed_request(caller, stack, metadata={"a": 1})
    path = f"/api/chat/{failed['requestId']}/replay"
    first, second = caller.http.post(path), caller.http.post(path)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    again = first.json()
    assert (again["replayOf"], again["sessionId"]) == (failed["requestId"], failed["sessionId"])
    assert first.headers["Location"] == f"/api/chat/{again['requestId']}"
    status = caller.result(again["requestId"])
    assert (status["status"], status["replayOf"], status["metadata"]) == ("succeeded", failed["requestId"], {"a": 1})
    texts = caller.transcript(failed["sessionId"])
    assert [role for role, _ in texts] == ["user", "user", "assistant"]
    assert texts[0] == texts[1] == ("user", "Fail, please")
    assert_problem(caller.http.post(f"/api/chat/{again['requestId']}/replay"), 409, "not-replayable")
    kinds = [each["action"] for each in rows(caller, "/api/actions")]
    assert set(kinds) == {"replay-request"}


def test_what_was_taken_out_or_closed_is_not_replayed(caller: Caller, stack: Stack) -> None:
    failed = failed_request(caller, stack)
    session = failed["sessionId"]
    assert caller.http.patch(f"/api/sessions/{session}", json={"status": "closed"}).status_code == 200
    assert_problem(caller.http.post(f"/api/chat/{failed['requestId']}/replay"), 409, "session-closed")
    assert caller.http.patch(f"/api/sessions/{session}", json={"status": "open"}).status_code == 200
    assert caller.http.delete(f"/api/sessions/{session}/messages/1").status_code == 204
    assert_problem(caller.http.post(f"/api/chat/{failed['requestId']}/replay"), 409, "not-replayable")
    assert_problem(caller.http.post("/api/chat/req_none/replay"), 404, "unknown-request")


def test_usage_is_what_the_replies_say_and_not_more(caller: Caller) -> None:
    told = [caller.ask(f"Hello {number}")["tokenUsage"] for number in range(3)]

    def whole(found: list[dict[str, Any]]) -> bool:
        return [row["turns"] for row in found if row["purpose"] == "reply"] == [3]

    found = listed(caller, "/api/usage", whole)
    (row,) = [row for row in found if row["purpose"] == "reply"]
    assert (row["day"], row["model"], row["simulated"]) == (datetime.now(UTC).date().isoformat(), MODEL, True)
    assert row["turns"] == 3
    assert row["input"] == sum(usage["input"] for usage in told)
    assert row["output"] == sum(usage["output"] for usage in told)
    assert row["cacheRead"] == sum(usage["cacheRead"] for usage in told)
    fresh = row["input"] - row["cacheRead"] - row["cacheWrite"]
    price = 3 * (fresh + 1.25 * row["cacheWrite"]) + 0.3 * row["cacheRead"] + 15 * row["output"]
    assert row["estimatedCost"] == pytest.approx(price / 1_000_000, abs=1e-6)


def test_claudes_errors_are_told_by_type(caller: Caller, stack: Stack) -> None:
    failed_request(caller, stack)

    def told() -> bool:
        return bool(caller.http.get("/api/status").json()["claude"]["errors"].get("invalid-request") == 1)

    wait_for("the error to be counted", told)


def test_operators_see_queues_workers_and_what_waits(stack: Stack) -> None:
    key = {"Authorization": f"Bearer {make_key(stack, 'operations', 'operator')}", "X-Tenant": "house"}
    with stack.client(**key) as operator:

        def seen() -> dict[str, Any] | None:
            told = as_object(operator.get("/api/status"))
            roles = {each["role"] for each in told["workers"]}
            return told if {"chat", "maintenance", "summaries", "callbacks", "quarantine"} <= roles else None

        told = wait_for("every role to be heard of", seen, 60)
    assert {each["name"] for each in told["queues"]} == {"chat", "quarantine", "maintenance", "summaries", "callbacks"}
    assert all(each["depth"] >= 0 for each in told["queues"])
    assert (told["store"], told["broker"], told["claude"]["simulated"]) == ("ok", "ok", True)
    assert told["claude"]["breaker"] in {"closed", "open", "half-open", "unknown"}
    assert told["overdue"] <= told["dueWork"]


def test_a_queue_tells_how_many_messages_wait_in_it(caller: Caller, stack: Stack) -> None:
    key = {"Authorization": f"Bearer {make_key(stack, 'operations', 'operator')}", "X-Tenant": caller.tenant}
    with frozen(stack, "chat"), stack.client(**key) as operator:
        requests = [caller.begin("Later", customerId=f"cust-{number}") for number in range(5)]

        def waits() -> bool:
            told = {each["name"]: each["depth"] for each in operator.get("/api/status").json()["queues"]}
            return bool(told["chat"] >= 1)

        wait_for("messages to be counted", waits)
        assert operator.get("/api/status").json()["dueWork"] >= 5
    for request in requests:
        caller.result(request)


def test_actions_tell_who_and_never_the_key(caller: Caller) -> None:
    caller.remember("anna", "language", "German")
    assert caller.http.delete("/api/memory", params={"customerId": "anna", "key": "language"}).status_code == 204
    (action,) = rows(caller, "/api/actions")
    _, key_id, secret = caller.key.split("_", 2)
    assert (action["action"], action["by"], action["tenant"]) == ("delete-entry", key_id, caller.tenant)
    assert action["subject"].startswith("entry of customer #")
    assert secret not in str(action)
    assert "anna" not in str(action)


def test_approving_what_is_no_entry_is_refused(caller: Caller) -> None:
    body = {"customerId": "anna", "key": "language"}
    assert_problem(caller.http.post("/api/memory/approve", json=body), 404, "unknown-memory")
    caller.remember("anna", "language", "German")
    approved = caller.http.post("/api/memory/approve", json=body)
    assert (approved.status_code, approved.json()["version"]) == (200, 1)


def test_a_page_that_is_open_hears_of_changes_of_its_tenant_alone(make_caller: MakeCaller) -> None:
    mine, other = make_caller(), make_caller()
    with hearing(mine) as events, hearing(other) as of_other:
        everything = next(events)
        assert everything == next(of_other)
        assert set(everything) == {"requests", "customers", "usage", "deliveries", "batches", "actions"}
        mine.ask("Hello")
        heard: set[str] = set()
        while not {"requests", "customers", "usage"} <= heard:
            heard |= set(next(events))
        mine.http.delete("/api/memory", params={"customerId": "cust-1", "key": "none"})
        other.remember("anna", "language", "German")
        assert "customers" in next(of_other)


def test_hundreds_that_listen_hold_up_nobody(caller: Caller) -> None:
    pages = [hearing(caller) for _ in range(100)]
    opened = [page.__enter__() for page in pages]
    try:
        assert all(len(next(events)) == 6 for events in opened)
        assert caller.http.get("/api/requests").elapsed.total_seconds() < 2
    finally:
        for page in pages:
            page.__exit__(None, None, None)


@contextmanager
def hearing(caller: Caller) -> Iterator[Iterator[list[str]]]:
    """Yield the topics of each event of a stream."""
    with (
        httpx2.Client(base_url=str(caller.http.base_url), headers=caller.headers, timeout=30, verify=False) as client,
        client.stream("GET", "/api/live") as response,
    ):
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield (
            json.loads(line.removeprefix("data:"))["topics"]
            for line in response.iter_lines()
            if line.startswith("data:")
        )
