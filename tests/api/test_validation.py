"""What is refused, and how it is told: one table of requests that cannot be."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.api.caller import Caller, make_key
from tests.api.problem import MARK, assert_problem
from tests.support.stack import Stack

JSON = {"Content-Type": "application/json"}
SESSIONS, MEMORY, AGENT = "/api/sessions", "/api/memory", "/api/agent"
SESSION, MESSAGES = "/api/sessions/ses_none", "/api/sessions/ses_none/messages"
MEGABYTE = 1_000_000

Body = bytes | Callable[[], Iterator[bytes]] | None


@dataclass(frozen=True)
class Refused:
    """A request that is refused: what is sent, and what is answered."""

    body: Body = None
    pointer: str | None = None
    status: int = 400
    slug: str = "invalid-request"
    method: str = "POST"
    path: str = "/api/chat"
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)


def chat(**fields: Any) -> bytes:
    """Return a good chat request with some fields in place of its own."""
    return json.dumps({"customerId": "cust-1", "message": f"{MARK}: where is my parcel?", **fields}).encode()


def raw(pair: str) -> bytes:
    """Return a good chat request with one more pair, as it is written."""
    return chat()[:-1] + b", " + pair.encode() + b"}"


def body(**fields: Any) -> bytes:
    """Return a JSON object."""
    return json.dumps(fields).encode()


def session(**fields: Any) -> bytes:
    """Return a session to begin."""
    return body(customerId=MARK, **fields)


def in_chunks() -> Iterator[bytes]:
    """Yield five megabytes without saying beforehand how many."""
    yield b'{"message": "' + MARK.encode()
    for _ in range(50):
        yield b"a" * (MEGABYTE // 10)


def too_large(body: Body, pointer: str | None = None, path: str = "/api/chat") -> Refused:
    return Refused(body, pointer, 413, "too-large", path=path)


def asked(query: str, pointer: str | None, slug: str = "invalid-request") -> Refused:
    return Refused(None, pointer, 400, slug, "GET", query)


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


NOT_JSON = {
    "cut short": Refused(chat()[:-2]),
    "no JSON": Refused(MARK.encode()),
    "NaN": Refused(raw('"metadata": {"weight": NaN}')),
    "Infinity": Refused(raw('"metadata": {"weight": -Infinity}')),
    "a number no double holds": Refused(raw('"metadata": {"weight": 1e999}')),
    "a value no double holds": Refused(b'{"customerId": "c", "key": "k", "value": 1e999}', path=MEMORY),
    "an integer of 500,000 digits": Refused(raw('"metadata": {"weight": ' + "9" * 500_000 + "}")),
    "100,000 levels of arrays": Refused(raw('"metadata": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}")),
    "100,000 levels of objects": Refused(raw('"metadata": ' + '{"a":' * 100_000 + "1" + "}" * 100_000)),
    "a name twice": Refused(raw('"message": "once more"'), "/message"),
    "a name twice, inside": Refused(raw('"metadata": {"a": 1, "a": 2}'), "/a"),
    "a lone surrogate twice": Refused(raw(r'"\ud800": 1, "\ud800": 2')),
    "an array": Refused(b'["' + MARK.encode() + b'"]'),
    "a string": Refused(b'"' + MARK.encode() + b'"'),
    "a number": Refused(b"4711"),
    "null": Refused(b"null"),
    "empty": Refused(b""),
    "white space": Refused(b" \r\n\t "),
    "not UTF-8": Refused(chat().replace(b"parcel", b"parc\xe9l")),
    "UTF-16": Refused(chat().decode().encode("utf-16")),
    "plain text": Refused(chat(), headers={"Content-Type": "text/plain"}),
    "a form": Refused(b"customerId=c", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    "no content type": Refused(chat(), headers={}),
}

TOO_LARGE = {
    "five megabytes": too_large(chat(message=MARK + "a" * 5 * MEGABYTE)),
    "five megabytes in chunks": too_large(in_chunks),
    "a message too long": too_large(chat(message=MARK + "a" * 100_000), "/message"),
    "metadata too large": too_large(chat(metadata={"note": MARK + "a" * 4096}), "/metadata"),
    "attachments too large together": too_large(
        chat(attachments=[{"name": "a", "url": "https://x.example/" + MARK + "a" * 1000}] * 5), "/attachments"
    ),
    "a session's metadata too large": too_large(session(metadata={"note": "a" * 4096}), "/metadata", SESSIONS),
    "a value too large": too_large(body(customerId="c", key="k", value=MARK + "a" * 4096), "/value", MEMORY),
    "a record too long": too_large(body(role="assistant", content=MARK + "a" * 100_000), "/content", MESSAGES),
}

FIELDS = {
    "a customer of the wrong type": Refused(chat(customerId=4711), "/customerId"),
    "a customer that is null": Refused(chat(customerId=None), "/customerId"),
    "a customer without a name": Refused(chat(customerId=""), "/customerId"),
    "a customer's id too long": Refused(chat(customerId=MARK + "c" * 256), "/customerId"),
    "a message of the wrong type": Refused(chat(message=[MARK]), "/message"),
    "attachments of the wrong type": Refused(chat(attachments={"name": MARK}), "/attachments"),
    "an attachment without a name": Refused(chat(attachments=[{"size": 1}]), "/attachments/0/name"),
    "a blank name of an attachment": Refused(chat(attachments=[{"name": " "}]), "/attachments/0/name"),
    "a control character in one": Refused(chat(attachments=[{"name": "a\0"}]), "/attachments/0/name"),
    "no content type in one": Refused(
        chat(attachments=[{"name": "a", "contentType": "pdf"}]), "/attachments/0/contentType"
    ),
    "another name for it": Refused(
        chat(attachments=[{"name": "a", "content_type": "text/plain"}]), "/attachments/0/content_type"
    ),
    "a size below nothing": Refused(chat(attachments=[{"name": "a", "size": -1}]), "/attachments/0/size"),
    "an address of another kind": Refused(
        chat(attachments=[{"name": "a", "url": "file:///etc/passwd"}]), "/attachments/0/url"
    ),
    "eleven attachments": Refused(chat(attachments=[{"name": "a"}] * 11), "/attachments"),
    "a session of the wrong type": Refused(chat(sessionId=1), "/sessionId"),
    "metadata of the wrong type": Refused(chat(metadata=[MARK]), "/metadata"),
    "no customer": Refused(body(message=MARK), "/customerId"),
    "no message": Refused(body(customerId=MARK), "/message"),
    "nothing": Refused(b"{}", "/message"),
    "an empty message": Refused(chat(message=""), "/message"),
    "a blank message": Refused(chat(message=" \n\t"), "/message"),
    "a message of wide spaces": Refused(chat(message="\u2003\u00a0\u3000"), "/message"),
    "an unknown field": Refused(chat(colour=MARK), "/colour"),
    "a field by another name": Refused(chat(customer_id="c"), "/customer_id"),
    "an unknown field with a slash": Refused(chat(**{"a/b~c": 1}), "/a~1b~0c"),
    "an unknown field that is a lone surrogate": Refused(raw(r'"\ud800": 1')),
    "an unknown field of 300,000 letters": Refused(chat(**{"x" * 300_000: 1})),
    "20,000 unknown fields": Refused(chat(**{f"field{number}": 1 for number in range(20_000)})),
    "NUL in a customer's id": Refused(chat(customerId="a\0b"), "/customerId"),
    "BEL in a message": Refused(chat(message=f"{MARK} \a"), "/message"),
    "DEL in a conversation's id": Refused(chat(conversationId="a\x7f"), "/conversationId"),
    "NEL in a message": Refused(chat(message=f"{MARK} \x85"), "/message"),
    "a lone surrogate in a message": Refused(chat(message=f"{MARK} \ud800"), "/message"),
    "a lone surrogate in a customer's id": Refused(chat(customerId="\udfff"), "/customerId"),
    "a lone surrogate in metadata": Refused(chat(metadata={"order": "\ud800"}), "/metadata/order"),
    "a lone surrogate in a name of metadata": Refused(chat(metadata={"\ud800": MARK}), "/metadata"),
    "a control character in metadata": Refused(chat(metadata={"order": f"{MARK} \0"}), "/metadata/order"),
    "a control character deep in metadata": Refused(chat(metadata={"a": [{"b": "\x1b"}]}), "/metadata/a/0/b"),
    "a control character in a name of metadata": Refused(chat(metadata={"\x1b": MARK}), "/metadata"),
    "a model that is not allowed": Refused(chat(model="claude-9"), "/model"),
    "a session's model that is not allowed": Refused(session(model="claude-9"), "/model", path=SESSIONS),
    "a strategy unknown": Refused(session(compressionStrategy="magic"), "/compressionStrategy", path=SESSIONS),
    "a budget too small": Refused(session(tokenBudget={"max": 511, "reserve": 1}), "/tokenBudget/max", path=SESSIONS),
    "a budget without a reserve": Refused(session(tokenBudget={"max": 4096}), "/tokenBudget/reserve", path=SESSIONS),
    "a budget all in reserve": Refused(
        session(tokenBudget={"max": 4096, "reserve": 4096}), "/tokenBudget", path=SESSIONS
    ),
    "a budget of words": Refused(session(tokenBudget={"max": MARK, "reserve": 1}), "/tokenBudget/max", path=SESSIONS),
    "a role unknown": Refused(body(role="system", content=MARK), "/role", path=MESSAGES),
    "an author who is the customer": Refused(body(role="user", content=MARK, author="Ann"), "/author", path=MESSAGES),
    "a time without its zone": Refused(
        body(role="assistant", content=MARK, at="2026-01-01T12:00:00"), "/at", path=MESSAGES
    ),
    "a blank record": Refused(body(role="assistant", content=" "), "/content", path=MESSAGES),
    "a status unknown": Refused(body(status="done"), "/status", method="PATCH", path=SESSION),
    "a title of control characters": Refused(body(title=f"{MARK} \0"), "/title", method="PATCH", path=SESSION),
    "too many tags": Refused(body(tags=["a"] * 33), "/tags", method="PATCH", path=SESSION),
    "a blank tag": Refused(body(tags=["good", " "]), "/tags/1", method="PATCH", path=SESSION),
    "a scope unknown": Refused(body(customerId="c", key="k", value=MARK, scope="secret"), "/scope", path=MEMORY),
    "a key too long": Refused(body(customerId="c", key="k" * 257, value=MARK), "/key", path=MEMORY),
    "instructions that are blank": Refused(body(instructions=" "), "/instructions", method="PUT", path=AGENT),
    "instructions too long": Refused(body(instructions=MARK + "a" * 20_000), "/instructions", method="PUT", path=AGENT),
}

QUERIES = {
    "a parameter unknown": asked(f"{SESSIONS}?customerId=c&colour=red", "/colour"),
    "no customer to list": asked(SESSIONS, "/customerId"),
    "NUL in a parameter": asked(f"{SESSIONS}?customerId=%00", "/customerId"),
    "a limit of none": asked(f"{SESSIONS}?customerId=c&limit=0", "/limit"),
    "a limit below none": asked(f"{MEMORY}?customerId=c&limit=-1", "/limit"),
    "a limit too high": asked(f"{MESSAGES}?limit=201", "/limit"),
    "a limit in words": asked(f"{MEMORY}?customerId=c&limit=all", "/limit"),
    "a limit of 5,000 digits": asked(f"{SESSIONS}?customerId=c&limit=" + "9" * 5000, "/limit"),
    "a scope unknown to read": asked(f"{MEMORY}?customerId=c&scope=secret", "/scope"),
    "a wait in words": asked("/api/chat/req_none?wait=long", "/wait"),
    "a wait below none": asked("/api/chat/req_none?wait=-1", "/wait"),
    "a cursor of words": asked(f"{SESSIONS}?customerId=c&cursor=zzz", None, "invalid-cursor"),
    "a cursor of accents": asked(f"{SESSIONS}?customerId=c&cursor=%C3%A9", None, "invalid-cursor"),
    "a cursor of three": asked(f"{SESSIONS}?customerId=c&cursor={cursor('1 a b')}", None, "invalid-cursor"),
    "a cursor beyond time": asked(f"{SESSIONS}?customerId=c&cursor={cursor('9' * 80 + ' a')}", None, "invalid-cursor"),
    "a cursor too long": asked(f"{SESSIONS}?customerId=c&cursor=" + "a" * 201, "/cursor"),
    "a cursor of memory in words": asked(f"{MEMORY}?customerId=c&cursor=zzz", None, "invalid-cursor"),
    "a cursor of messages in words": asked(f"{MESSAGES}?cursor=zzz", "/cursor"),
    "a cursor of messages below none": asked(f"{MESSAGES}?cursor=-1", "/cursor"),
    "a key without a customer": Refused(None, "/customerId", method="DELETE", path=f"{MEMORY}?key=k"),
}

ELSEWHERE = {
    "an Idempotency-Key that is empty": Refused(chat(), headers={**JSON, "Idempotency-Key": ""}),
    "an Idempotency-Key too long": Refused(chat(), headers={**JSON, "Idempotency-Key": "k" * 256}),
    "an Idempotency-Key with a tab": Refused(chat(), headers={**JSON, "Idempotency-Key": "a\tb"}),
    "a path unknown": Refused(chat(), None, 404, "unknown-path", path="/api/nothing"),
    "a request unknown": Refused(None, None, 404, "unknown-request", "GET", "/api/chat/req_none"),
    "a session unknown": Refused(None, None, 404, "unknown-session", "GET", SESSION),
    "a session with a line feed": Refused(None, None, 404, "unknown-session", "GET", SESSIONS + "/ses_%0a"),
    "a method of no path": Refused(None, None, 405, "method-not-allowed", "DELETE", "/api/chat"),
    "another method of no path": Refused(chat(), None, 405, "method-not-allowed", "PUT", SESSION),
}

TABLE = {**NOT_JSON, **TOO_LARGE, **FIELDS, **QUERIES, **ELSEWHERE}


@pytest.fixture(scope="module")
def caller(stack: Stack) -> Iterator[Caller]:
    """One tenant for all of them: what is refused leaves no trace."""
    with Caller(stack, "refused", make_key(stack, "refused")) as caller:
        yield caller


def test_the_table_has_no_name_twice() -> None:
    assert len(TABLE) == sum(map(len, (NOT_JSON, TOO_LARGE, FIELDS, QUERIES, ELSEWHERE)))


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE.keys())
def test_refused(case: Refused, caller: Caller) -> None:
    content = case.body() if callable(case.body) else case.body
    headers = {**case.headers, "X-Request-Id": "given-by-the-caller"}
    response = caller.http.request(case.method, case.path, content=content, headers=headers)
    assert_problem(response, case.status, case.slug, case.pointer, "given-by-the-caller")


def test_an_integer_of_a_million_digits_is_refused(caller: Caller) -> None:
    """Given more bytes than a deployment takes it is too large, else it is no number anyone reads."""
    digits = raw('"metadata": {"weight": ' + "9" * MEGABYTE + "}")
    response = caller.http.post("/api/chat", content=digits, headers=JSON)
    assert_problem(response, *{413: (413, "too-large")}.get(response.status_code, (400, "invalid-request")))


def test_a_wrong_method_is_told_the_right_ones(caller: Caller) -> None:
    response = caller.http.request("DELETE", "/api/sessions")
    assert_problem(response, 405, "method-not-allowed")
    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))
    assert "DELETE" not in response.headers["Allow"]


@pytest.mark.parametrize("path", ["/healthz", "/api/nothing", "/api/chat/req_none"])
def test_every_answer_has_a_request_id(path: str, caller: Caller) -> None:
    first, second = caller.http.get(path), caller.http.get(path)
    assert first.headers["X-Request-Id"]
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]


@pytest.mark.parametrize("given", ["two words", "semi;colon", "x" * 129], ids=["words", "punctuation", "too long"])
def test_a_request_id_that_will_not_do_is_replaced(given: str, caller: Caller) -> None:
    response = caller.http.get("/healthz", headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] not in {"", given}


WITHIN = {
    "a message of as many letters as are taken": chat(message="a" * 100_000),
    "the same in emoji, each written as two escapes": chat(message="\U0001f600" * 100_000),
    "metadata of as many bytes as are taken": chat(metadata={"n": "a" * (4096 - len('{"n":""}'))}),
    "a customer's id of as many letters as are taken": chat(customerId="ü" * 256),
    "tabs, line feeds and carriage returns": chat(message="a\tb\r\nc", metadata={"a": "\t\r\n"}),
    "names of any script": chat(customerId="客户/№ 1?&#%", metadata={"имя": "Ольга 👩‍👩‍👧"}),
    "nothing where nothing is needed": chat(sessionId=None, conversationId=None, model=None),
}


@pytest.mark.parametrize("body", WITHIN.values(), ids=WITHIN.keys())
def test_what_is_just_within_is_taken(body: bytes, caller: Caller) -> None:
    """Given a session that is not there, a body that is taken is refused for that alone."""
    taken = json.dumps({**json.loads(body), "sessionId": "ses_none"}).encode()
    assert_problem(caller.http.post("/api/chat", content=taken, headers=JSON), 404, "unknown-session")


@pytest.mark.parametrize("levels", [100, 250, 300, 600, 980])
def test_a_nested_value_is_kept_or_refused(levels: int, caller: Caller) -> None:
    """Whatever depth is taken can also be read: a record nobody can read would shut its customer out."""
    nested = "[" * levels + "1" + "]" * levels
    customer = f"nested-{levels}"
    entry = f'{{"customerId": "{customer}", "key": "deep", "value": {nested}}}'
    response = caller.http.post("/api/memory", content=entry, headers=JSON)
    if response.status_code == 400:
        assert_problem(response, 400, "invalid-request")
        return
    assert response.status_code == 201, response.text[:500]
    kept = caller.http.get("/api/memory", params={"customerId": customer})
    assert kept.status_code == 200, kept.text[:500]
    assert f'"value":{nested}' in kept.text


@pytest.mark.parametrize("levels", [100, 250, 300, 600, 980])
def test_nested_metadata_is_carried_through_or_refused(levels: int, caller: Caller) -> None:
    nested = '{"a":' + "[" * levels + "1" + "]" * levels + "}"
    response = caller.http.post(
        "/api/chat", content=raw(f'"metadata": {nested}'), headers={**JSON, "Prefer": "wait=30"}
    )
    if response.status_code == 400:
        assert_problem(response, 400, "invalid-request")
        return
    assert response.status_code == 200, response.text[:500]
    assert f'"metadata":{nested}' in response.text
