"""A reply while it is being written: server-sent events, and how a listener that was cut off goes on."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from simulator.schema import Fault
from tests.api.asked import asked
from tests.api.caller import Caller, make_key
from tests.api.problem import assert_problem
from tests.support.stack import Stack
from tests.support.waiting import wait_for

LONG = "Ihr Päckchen ist unterwegs — 荷物は明日届きます。 It comes tomorrow, between nine and noon. " * 2
TOKENS_PER_SECOND = 60
SILENCE_MS = 500
LONGEST_SILENCE_SECONDS = 20


@dataclass(frozen=True)
class Heard:
    """One event: its id, its name, its data."""

    id: str
    name: str
    data: Any


def listen(caller: Caller, request_id: str, after: str | None = None) -> Generator[Heard]:
    """Yield a request's events, those `after` an event's id where one is named, until the stream ends by itself."""
    headers = {"Last-Event-ID": after} if after else {}
    url = f"/api/chat/{request_id}/events"
    with caller.http.stream("GET", url, headers=headers, timeout=LONGEST_SILENCE_SECONDS) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["Cache-Control"] == "no-store"
        for event in httpx2.EventSource(response):
            if event.data:
                yield Heard(event.id, event.event, json.loads(event.data))


def begin_slowly(caller: Caller, stack: Stack, message: str, *faults: Fault) -> str:
    """Begin a request whose reply is long and slow; return its id once Claude has been asked, and is still silent."""
    said = Fault(kind="reply", text=LONG, delay_ms=SILENCE_MS, match=message)
    stack.simulator.add_faults(*faults, said)
    stack.simulator.pace(tokens_per_second=TOKENS_PER_SECOND)
    request_id = caller.begin(message)
    wait_for("Claude to be asked", lambda: asked(stack, message))
    return request_id


def joined(events: list[Heard]) -> str:
    """Return the text that was heard since the reply last began."""
    since = max((index for index, event in enumerate(events) if event.name == "reset"), default=-1)
    return "".join(event.data["text"] for event in events[since + 1 :] if event.name == "delta")


def offset(event: Heard) -> int:
    """Return how far an event's id says its listener has read."""
    return int(event.id.partition(".")[2])


@dataclass(frozen=True)
class Told:
    """A reply that one listener has heard from beginning to end."""

    caller: Caller
    request_id: str
    events: list[Heard]


@pytest.fixture(scope="module")
def told(stack: Stack) -> Iterator[Told]:
    with Caller(stack, "streaming", make_key(stack, "streaming")) as caller:
        request_id = begin_slowly(caller, stack, "STREAMED")
        yield Told(caller, request_id, list(listen(caller, request_id)))


def test_deltas_come_as_claude_writes_then_the_result(told: Told) -> None:
    *deltas, last = told.events
    assert {event.name for event in deltas} == {"delta"}
    assert len(deltas) >= 2
    assert [offset(event) for event in deltas] == sorted({offset(event) for event in deltas})
    assert LONG.startswith(joined(deltas))
    assert last.name == "result"
    assert last.data == told.caller.result(told.request_id)
    assert last.data["reply"] == LONG


def test_a_late_listener_hears_what_is_kept_and_the_result(told: Told) -> None:
    *deltas, last = listen(told.caller, told.request_id)
    assert joined(deltas) == joined(told.events)
    assert last == told.events[-1]


def test_a_listener_who_heard_all_is_told_the_result_alone(told: Told) -> None:
    (last,) = listen(told.caller, told.request_id, after=told.events[-1].id)
    assert last == told.events[-1]


@pytest.mark.parametrize("place", [1, 2], ids=["after the first", "after the second"])
def test_a_listener_who_comes_again_hears_the_rest(place: int, told: Told) -> None:
    heard = told.events[:place]
    *rest, last = listen(told.caller, told.request_id, after=heard[-1].id)
    assert joined(heard) + joined(rest) == joined(told.events)
    assert joined(rest) != joined(told.events)
    assert last == told.events[-1]


@pytest.mark.parametrize("place", ["junk", "1", "-1.0", "1.5e3", "1." + "9" * 40])
def test_a_place_that_is_none_is_the_beginning(place: str, told: Told) -> None:
    *deltas, last = listen(told.caller, told.request_id, after=place)
    assert joined(deltas) == joined(told.events)
    assert last == told.events[-1]


@pytest.mark.parametrize("place", ["999.0", "1.9999999"], ids=["another attempt", "beyond the end"])
def test_a_place_that_never_was_still_leads_to_the_result(place: str, told: Told) -> None:
    *_, last = listen(told.caller, told.request_id, after=place)
    assert (last.name, last.data) == ("result", told.events[-1].data)


def test_a_place_within_a_letter_still_leads_to_the_result(told: Told) -> None:
    """Offsets count bytes; nobody was given one inside a letter, and whoever sends it does not break the stream."""
    token = told.events[0].id.partition(".")[0]
    inside = len("Ihr P\u00e4".encode()) - 1
    *_, last = listen(told.caller, told.request_id, after=f"{token}.{inside}")
    assert (last.name, last.data) == ("result", told.events[-1].data)


def test_a_listener_cut_off_while_claude_writes_goes_on_where_it_was(caller: Caller, stack: Stack) -> None:
    request_id = begin_slowly(caller, stack, "INTERRUPTED")
    with closing(listen(caller, request_id)) as listening:
        first = next(listening)
    assert first.name == "delta"
    *rest, last = listen(caller, request_id, after=first.id)
    assert all(offset(event) > offset(first) for event in rest)
    assert LONG.startswith(joined([first, *rest]))
    assert last.name == "result"
    assert last.data["reply"] == LONG


def test_two_listeners_hear_the_same(caller: Caller, stack: Stack) -> None:
    request_id = begin_slowly(caller, stack, "SHARED")
    with closing(listen(caller, request_id)) as one, closing(listen(caller, request_id)) as other:
        first, second = next(one), next(other)
        heard = [[first, *one], [second, *other]]
    for events in heard:
        assert LONG.startswith(joined(events))
        assert joined(events)
        assert events[-1].name == "result"
    assert heard[0][-1].data == heard[1][-1].data


def test_a_reply_that_begins_again_says_reset(caller: Caller, stack: Stack) -> None:
    """Given a reply that is heard in part, and then cut off, its listener is told to forget that part."""
    message = f"AGAIN: {LONG[:110]}"
    cut = Fault(kind="cut", after_chars=100, delay_ms=SILENCE_MS, match=message)
    request_id = begin_slowly(caller, stack, message, cut)
    events = list(listen(caller, request_id))
    names = [event.name for event in events]
    assert names.count("reset") == 1
    assert names[0] == "delta"
    assert names[-1] == "result"
    assert LONG.startswith(joined(events))
    assert joined(events)
    assert events[-1].data["reply"] == LONG


def test_who_comes_after_the_end_hears_the_result(caller: Caller) -> None:
    result = caller.ask("Nobody listened to this.")
    (last,) = listen(caller, result["requestId"])
    assert (last.name, last.data) == ("result", result)


@pytest.mark.parametrize("late", [False, True], ids=["while it fails", "after it failed"])
def test_a_request_that_fails_says_so(late: bool, caller: Caller, stack: Stack) -> None:  # noqa: FBT001 - a parameter of the table
    stack.simulator.add_faults(Fault(kind="status", status=400, delay_ms=0 if late else SILENCE_MS, match="DOOMED"))
    request_id = caller.begin("DOOMED")
    if late:
        caller.result(request_id)
    (last,) = listen(caller, request_id)
    assert last.name == "failed"
    assert last.data["status"] == "failed"
    assert last.data["failure"]["type"] == "claude-invalid-request"


def test_a_session_deleted_meanwhile_ends_the_stream(caller: Caller, stack: Stack) -> None:
    stack.simulator.add_faults(Fault(kind="status", status=429, retry_after=60.0, match="DELETED"))
    request_id = caller.begin("DELETED")
    session_id = caller.http.get(f"/api/chat/{request_id}").json()["sessionId"]
    with caller.http.stream("GET", f"/api/chat/{request_id}/events") as response:
        assert caller.http.delete(f"/api/sessions/{session_id}").status_code == 204
        events = [event for event in httpx2.EventSource(response) if event.data]
    assert [event.event for event in events] == ["failed"]
    assert json.loads(events[0].data)["failure"]["type"] == "session-deleted"


@pytest.mark.parametrize("request_id", ["req_none", "req_7k01jd3m0q8wxyz0123456789a", "ses_x", "%00"])
def test_an_unknown_request_is_a_problem_not_a_stream(request_id: str, caller: Caller) -> None:
    assert_problem(caller.http.get(f"/api/chat/{request_id}/events"), 404, "unknown-request")
