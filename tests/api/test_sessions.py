"""Sessions: begun, listed, read, changed, recorded into, deleted."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.api.asked import asked
from tests.api.caller import Caller, as_object, frozen
from tests.api.problem import assert_problem
from tests.api.stored import everything_stored
from tests.support.stack import Stack
from tests.support.valkey import Valkey
from tests.support.waiting import wait_for

ODD_CUSTOMER = "küche & co/1?#%25 +客户"


def pages(caller: Caller, path: str, **parameters: Any) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages of a listing, following each one's link to the next."""
    response = caller.http.get(path, params=parameters)
    while True:
        assert response.status_code == 200, response.text
        yield response.json()
        if "next" not in response.links:
            return
        response = caller.http.get(response.links["next"]["url"])


def patch(caller: Caller, session_id: str, **changes: Any) -> httpx2.Response:
    return caller.http.patch(f"/api/sessions/{session_id}", json=changes)


def record(caller: Caller, session_id: str, content: str, role: str = "assistant", **more: Any) -> dict[str, Any]:
    """Record a message without asking for a reply."""
    message = {"role": role, "content": content, **more}
    response = caller.http.post(f"/api/sessions/{session_id}/messages", json=message)
    assert response.status_code == 201, response.text
    return as_object(response)


def test_a_session_is_begun_and_read(caller: Caller) -> None:
    given = {
        "conversationId": "ticket/7",
        "metadata": {"channel": "mail", "nested": [1, {"a": None}]},
        "model": "claude-haiku-4-5",
        "compressionStrategy": "sliding_window",
        "tokenBudget": {"max": 2048, "reserve": 300},
    }
    response = caller.http.post("/api/sessions", json={"customerId": ODD_CUSTOMER, **given})
    assert response.status_code == 201
    session = as_object(response)
    assert session["id"].startswith("ses_")
    assert response.headers["Location"] == f"/api/sessions/{session['id']}"
    assert session["customerId"] == ODD_CUSTOMER
    assert {name: session[name] for name in given} == given
    assert (session["status"], session["messageCount"], session["openRequests"]) == ("open", 0, 0)
    assert session["createdAt"] < session["expiresAt"]
    assert caller.session(session["id"]) == session


def test_a_session_s_budget_bounds_its_context(caller: Caller) -> None:
    session_id = caller.new_session(tokenBudget={"max": 1024, "reserve": 300})["id"]
    result = caller.ask("A long story. " * 2000, sessionId=session_id)
    receipt = as_object(caller.http.get(f"/api/chat/{result['requestId']}/receipt"))
    assert receipt["budget"] == {"max": 1024, "reserve": 300}
    assert receipt["tokens"] <= 1024 - 300


def test_a_list_tells_how_each_session_began_where_that_is_asked_for(caller: Caller) -> None:
    long, short, redacted, empty = (caller.new_session(ODD_CUSTOMER)["id"] for _ in range(4))
    for session_id, text in (
        (long, "订单在哪里" * 50),
        (short, "Where\n is it? "),
        (redacted, "Secret"),
        (short, "And now?"),
    ):
        recorded = caller.http.post(f"/api/sessions/{session_id}/messages", json={"role": "user", "content": text})
        assert recorded.status_code == 201
    assert caller.http.delete(f"/api/sessions/{redacted}/messages/1").status_code == 204

    listing = pages(caller, "/api/sessions", customerId=ODD_CUSTOMER, limit=2, opening="true")
    told = {each["id"]: each.get("opening") for page in listing for each in page}
    assert told == {long: "订单在哪里" * 19 + "订单在哪…", short: "Where is it?", redacted: None, empty: None}
    (plain,) = pages(caller, "/api/sessions", customerId=ODD_CUSTOMER)
    assert [each["id"] for each in plain] == [empty, redacted, short, long]
    assert not any("opening" in each for each in plain)


@pytest.mark.parametrize(("count", "limit", "sizes"), [(7, 3, [3, 3, 1]), (6, 3, [3, 3]), (2, 3, [2]), (0, 3, [0])])
def test_sessions_are_listed_newest_first(count: int, limit: int, sizes: list[int], caller: Caller) -> None:
    made = [caller.new_session(ODD_CUSTOMER)["id"] for _ in range(count)]
    caller.new_session("someone else")
    listed = list(pages(caller, "/api/sessions", customerId=ODD_CUSTOMER, limit=limit))
    assert [len(page) for page in listed] == sizes
    assert [session["id"] for page in listed for session in page] == made[::-1]
    assert {session["customerId"] for page in listed for session in page} <= {ODD_CUSTOMER}


def test_a_session_begun_between_two_pages_moves_none(caller: Caller) -> None:
    made = [caller.new_session()["id"] for _ in range(4)]
    listing = pages(caller, "/api/sessions", customerId="cust-1", limit=2)
    first = next(listing)
    caller.new_session()
    assert [session["id"] for session in [*first, *next(listing)]] == made[::-1]


def test_messages_are_listed_oldest_first(caller: Caller) -> None:
    session_id = caller.new_session()["id"]
    said = [record(caller, session_id, f"Message {number}")["id"] for number in range(5)]
    listed = list(pages(caller, f"/api/sessions/{session_id}/messages", limit=2))
    assert [len(page) for page in listed] == [2, 2, 1]
    assert [message["id"] for page in listed for message in page] == said
    assert [message["seq"] for page in listed for message in page] == [1, 2, 3, 4, 5]


def test_a_session_is_closed_and_opened_again(caller: Caller) -> None:
    session_id = caller.ask("Hello")["sessionId"]
    closed = as_object(patch(caller, session_id, status="closed"))
    assert (closed["status"], "closedAt" in closed) == ("closed", True)
    assert caller.session(session_id) == closed
    assert_problem(caller.post("Once more", sessionId=session_id), 409, "session-closed")
    late = caller.http.post(f"/api/sessions/{session_id}/messages", json={"role": "assistant", "content": "Late"})
    assert_problem(late, 409, "session-closed")
    assert len(caller.messages(session_id)) == 2

    opened = as_object(patch(caller, session_id, status="open"))
    assert (opened["status"], "closedAt" in opened) == ("open", False)
    assert caller.ask("Once more", sessionId=session_id)["sessionId"] == session_id
    assert len(caller.messages(session_id)) == 4


def test_a_session_whose_conversation_moved_on_stays_closed(caller: Caller) -> None:
    old = caller.ask("Hello", conversationId="ticket/7")["sessionId"]
    patch(caller, old, status="closed")
    new = caller.ask("Hello again", conversationId="ticket/7")["sessionId"]
    assert new != old
    assert_problem(patch(caller, old, status="open"), 409, "conversation-moved")
    assert caller.session(old)["status"] == "closed"


def test_a_closed_session_still_answers_what_it_took(caller: Caller, stack: Stack) -> None:
    session_id = caller.new_session()["id"]
    with frozen(stack, "chat"):
        request_id = caller.begin("Asked in time", sessionId=session_id)
        patch(caller, session_id, status="closed")
        assert caller.session(session_id)["openRequests"] == 1
    result = caller.result(request_id)
    assert result["status"] == "succeeded"
    assert caller.transcript(session_id) == [("user", "Asked in time"), ("assistant", result["reply"])]


def test_title_and_tags_are_changed_one_by_one(caller: Caller) -> None:
    session_id = caller.new_session()["id"]
    patch(caller, session_id, title="Päckchen 📦", tags=["vip", "lost"])
    patch(caller, session_id, tags=["found"])
    changed = as_object(patch(caller, session_id))
    assert (changed["title"], changed["tags"], changed["status"]) == ("Päckchen 📦", ["found"], "open")
    assert as_object(patch(caller, session_id, tags=[]))["tags"] == []
    assert caller.session(session_id)["title"] == "Päckchen 📦"


def test_a_colleague_s_answer_is_read_with_its_name(caller: Caller, stack: Stack) -> None:
    session_id = caller.ask("My parcel is lost.")["sessionId"]
    said = record(caller, session_id, "We send a new one today.", author="Ann Berg")
    assert (said["seq"], said["author"], said["role"]) == (3, "Ann Berg", "assistant")
    caller.ask("COLLEAGUE: when?", sessionId=session_id)
    (request,) = asked(stack, "COLLEAGUE")
    role, texts = request.turns[-2]
    assert role == "assistant"
    assert "We send a new one today." in texts[-1]
    assert "Ann Berg" in texts[-1]


def test_what_a_customer_wrote_elsewhere_is_recorded_too(caller: Caller, stack: Stack) -> None:
    session_id = caller.new_session()["id"]
    record(caller, session_id, "I wrote this by mail.", role="user")
    caller.ask("ELSEWHERE: and now here", sessionId=session_id)
    (request,) = asked(stack, "ELSEWHERE")
    assert request.turns == [("user", ["I wrote this by mail.", "ELSEWHERE: and now here"])]


def test_a_record_behind_an_open_request_takes_its_turn(caller: Caller, stack: Stack) -> None:
    session_id = caller.new_session()["id"]
    with frozen(stack, "chat"):
        first = caller.begin("BEHIND one", sessionId=session_id)
        said = record(caller, session_id, "A colleague's word", author="Ann")
        second = caller.begin("BEHIND two", sessionId=session_id)
        assert said["seq"] == 0
        assert caller.messages(session_id) == []
        assert caller.session(session_id)["openRequests"] == 3
    replies = [caller.result(request_id)["reply"] for request_id in (first, second)]
    assert caller.transcript(session_id) == [
        ("user", "BEHIND one"),
        ("assistant", replies[0]),
        ("assistant", "A colleague's word"),
        ("user", "BEHIND two"),
        ("assistant", replies[1]),
    ]
    assert "A colleague's word" in asked(stack, "BEHIND two")[0].everything


def test_history_is_imported_with_its_own_times(caller: Caller) -> None:
    """Given last week's messages, they keep their times, and the session is as old as they are."""
    session_id = caller.new_session()["id"]
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=7)
    times = [start + timedelta(minutes=number) for number in range(3)]
    for number, at in enumerate(times):
        said = record(caller, session_id, f"Message {number}", role="user", at=at.isoformat())
        assert datetime.fromisoformat(said["at"]) == at
    assert [datetime.fromisoformat(message["at"]) for message in caller.messages(session_id)] == times
    session = caller.session(session_id)
    assert session["messageCount"] == 3
    assert datetime.fromisoformat(session["createdAt"]) == start
    assert datetime.fromisoformat(session["lastMessageAt"]) == times[-1]


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"]
)
def test_the_ends_of_time_break_nothing(at: str, caller: Caller) -> None:
    """Whatever time is taken, the session and the customer's list of sessions can still be read."""
    session_id = caller.new_session()["id"]
    message = {"role": "assistant", "content": "Once upon a time", "at": at}
    response = caller.http.post(f"/api/sessions/{session_id}/messages", json=message)
    assert response.status_code in {201, 400, 409}, response.text
    assert caller.http.get(f"/api/sessions/{session_id}").status_code == 200
    assert caller.http.get("/api/sessions", params={"customerId": "cust-1"}).status_code == 200
    assert len(caller.messages(session_id)) == (response.status_code == 201)


def test_a_deleted_session_is_gone_with_all_it_held(caller: Caller, server: Valkey) -> None:
    canary = secrets.token_hex(8)
    result = caller.ask(f"Forget {canary}.", conversationId="ticket/7", metadata={"note": canary})
    session_id, request_id = result["sessionId"], result["requestId"]
    record(caller, session_id, canary)
    assert canary in everything_stored(server)
    assert caller.http.delete(f"/api/sessions/{session_id}").status_code == 204
    for path in (f"/api/sessions/{session_id}", f"/api/sessions/{session_id}/messages"):
        assert_problem(caller.http.get(path), 404, "unknown-session")
    for path in (f"/api/chat/{request_id}", f"/api/chat/{request_id}/receipt", f"/api/chat/{request_id}/events"):
        assert_problem(caller.http.get(path), 404, "unknown-request")
    assert_problem(caller.http.delete(f"/api/sessions/{session_id}"), 404, "unknown-session")
    assert_problem(patch(caller, session_id, status="open"), 404, "unknown-session")
    assert_problem(caller.post("Hello?", sessionId=session_id), 404, "unknown-session")
    assert caller.http.get("/api/sessions", params={"customerId": "cust-1"}).json() == []
    wait_for("its metadata to be announced and forgotten", lambda: canary not in everything_stored(server))
    assert caller.ask("Hello", conversationId="ticket/7")["sessionId"] != session_id


def test_a_person_takes_a_session_and_hands_it_back(caller: Caller) -> None:
    session_id = caller.new_session()["id"]
    taken = as_object(patch(caller, session_id, handler="human"))
    assert (taken["handler"], caller.session(session_id)["handler"]) == ("human", "human")
    assert as_object(patch(caller, session_id, handler="agent"))["handler"] == "agent"
    assert_problem(patch(caller, session_id, handler="bot"), 400, "invalid-request", "/handler")


def test_a_deleted_session_s_title_is_gone_too(caller: Caller, server: Valkey) -> None:
    canary, session_id = secrets.token_hex(8), caller.new_session()["id"]
    patch(caller, session_id, title=canary, tags=[canary])
    assert canary in everything_stored(server)
    assert caller.http.delete(f"/api/sessions/{session_id}").status_code == 204
    assert canary not in everything_stored(server)


def test_a_session_deleted_with_requests_open_fails_them(caller: Caller, stack: Stack, server: Valkey) -> None:
    canary = secrets.token_hex(8)
    session_id = caller.new_session()["id"]
    with frozen(stack, "chat"):
        request_id = caller.begin(f"Never answered: {canary}", sessionId=session_id)
        assert canary in everything_stored(server)
        assert caller.http.delete(f"/api/sessions/{session_id}").status_code == 204
        status = as_object(caller.http.get(f"/api/chat/{request_id}"))
    assert (status["status"], status["failure"]["type"]) == ("failed", "session-deleted")
    assert canary not in everything_stored(server)
    assert_problem(caller.http.get(f"/api/sessions/{session_id}"), 404, "unknown-session")
