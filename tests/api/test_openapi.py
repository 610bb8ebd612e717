"""What the service says of itself: its OpenAPI document, its page, its health, its problems."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any, cast

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.app import create_flask
from api.problems import KINDS
from api.services import ApiServices
from tests.api.caller import Caller, as_object
from tests.support.schemas import Schema, examples_in, references_in
from tests.support.stack import Stack

METHODS = ("get", "put", "post", "delete", "patch")
ADDRESS = re.compile(r"(?:https?:)?//[^\s\"']+")


@pytest.fixture
def document(caller: Caller) -> dict[str, Any]:
    return as_object(caller.http.get("/openapi.json"))


class References(HTMLParser):
    """Gathers what a page refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in {"src", "href", "action"} and value]


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (method, path, operation) of everything documented."""
    return [
        (method, path, item[method]) for path, item in document["paths"].items() for method in METHODS if method in item
    ]


def parameters(operation: dict[str, Any], place: str) -> set[str]:
    """Return the names of an operation's parameters in the path, the query, or the headers."""
    return {each["name"] for each in operation.get("parameters", []) if each["in"] == place}


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] == "Customer Memory"
    assert document["info"]["version"]
    assert "Replies are simulated" in document["info"]["description"]
    assert "[AsyncAPI](/asyncapi.json)" in document["info"]["description"]
    for reference in references_in(document):
        assert reference.startswith("#/components/schemas/")
        assert reference.rpartition("/")[2] in document["components"]["schemas"]
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))


def test_it_is_valid_by_the_specification(document: dict[str, Any]) -> None:
    problems = [f"{each.json_path}: {each.message}" for each in OpenAPIV31SpecValidator(document).iter_errors()]
    assert problems == []


def test_its_examples_are_as_their_schemas_say(document: dict[str, Any]) -> None:
    examples = list(examples_in(document))
    places = {place for place, _, _ in examples}
    for needed in ("/paths/~api~chat/post/requestBody", "/webhooks/chat.reply.failed/post/requestBody"):
        assert [place for place in places if needed.replace("~", "/") in place], needed
    for _, schema, example in examples:
        Schema(document, schema).check(example)


def test_it_documents_every_route_of_the_api(document: dict[str, Any]) -> None:
    nobody = SimpleNamespace(store=SimpleNamespace(access=None))
    rules = create_flask(cast("ApiServices", nobody)).url_map.iter_rules()
    routes = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in rules
        if rule.rule.startswith("/api/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {(method, path) for method, path, _ in operations(document)}
    assert routes <= documented
    signing_in = {(method, "/sign-in") for method in ("get", "post", "delete")}
    posted_to = {("post", "/webhooks/{platform}/{hook_id}")}
    service = {("get", "/healthz"), ("get", "/metrics"), ("get", "/readyz")}
    assert documented - routes == service | signing_in | posted_to


def test_its_names_are_camel_case(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    names = {name for schema in schemas.values() for name in schema.get("properties", {})}
    names |= {name for _, _, operation in operations(document) for name in parameters(operation, "query")}
    assert {"customerId", "tokenUsage", "memoryUpdated", "limit"} <= names
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name)] == []


def test_what_a_path_leaves_open_is_a_parameter_of_that_name(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert set(re.findall(r"{(\w+)}", path)) == parameters(operation, "path"), f"{method} {path}"


def test_problems_are_described_as_problems(document: dict[str, Any]) -> None:
    described = [
        list(response["content"])
        for _, _, operation in operations(document)
        for response in operation["responses"].values()
        if any(reference.endswith("/ProblemDetails") for reference in references_in(response))
    ]
    assert described
    assert all(kinds == ["application/problem+json"] for kinds in described)


def test_it_says_that_a_key_is_needed(document: dict[str, Any]) -> None:
    (scheme,) = document["components"]["securitySchemes"]
    for method, path, operation in operations(document):
        needed = operation.get("security", document.get("security", []))
        assert (needed == [{scheme: []}]) == path.startswith("/api/"), f"{method} {path}"


def test_chat_is_described_as_it_is(document: dict[str, Any]) -> None:
    chat = document["paths"]["/api/chat"]["post"]
    told = {"200", "202", "400", "401", "403", "404", "409", "413", "422", "429", "503"}
    assert told <= chat["responses"].keys()
    assert {"Prefer", "Idempotency-Key"} <= parameters(chat, "header")
    body = document["components"]["schemas"]["ChatBody"]
    assert body["required"] == ["customerId", "message"]
    assert {"sessionId", "conversationId", "model", "metadata"} <= body["properties"].keys()
    assert body["additionalProperties"] is False


def test_the_stream_is_described_as_one(document: dict[str, Any]) -> None:
    (stream,) = [operation for _, path, operation in operations(document) if path.endswith("/events")]
    assert "Last-Event-ID" in parameters(stream, "header")
    assert list(stream["responses"]["200"]["content"]) == ["text/event-stream"]


def test_every_documented_path_answers_as_documented(document: dict[str, Any], caller: Caller) -> None:
    """Given a session and a request that are there, each operation is asked with an empty body, or none."""
    result = caller.ask("Hello")
    everything = sorted(operations(document), key=lambda operation: operation[0] == "delete")
    assert len(everything) >= 18
    for method, path, operation in everything:
        address = re.sub(r"{session_?[iI]d}", result["sessionId"], path)
        address = re.sub(r"{request_?[iI]d}", result["requestId"], address)
        asked = {"customerId": "cust-1", "key": "none"}
        known = {name: value for name, value in asked.items() if name in parameters(operation, "query")}
        body: dict[str, Any] | None = {} if "requestBody" in operation else None
        with caller.http.stream(method.upper(), address, params=known, json=body) as response:
            problem = "problem+json" in response.headers.get("Content-Type", "")
            said = response.read().decode() if problem else ""
        assert "/problems/unknown-path" not in said, f"{method} {path}"
        assert str(response.status_code) in operation["responses"], f"{method} {path}: {response.status_code} {said}"


def test_the_page_refers_to_nothing_elsewhere(caller: Caller) -> None:
    response = caller.http.get("/docs")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert not ADDRESS.search(policy)
    assert not ADDRESS.search(response.text)
    found = [reference for reference in References(response.text).found if not reference.startswith("data:")]
    assert len(found) >= 3
    assert all(reference.startswith("/docs/") for reference in found)


@pytest.mark.parametrize(
    ("asset", "kind", "holds"),
    [
        ("swagger-ui.css", "text/css", ".swagger-ui"),
        ("swagger-ui-bundle.js", "text/javascript", "SwaggerUIBundle"),
        ("start.js", "text/javascript", "/openapi.json"),
    ],
)
def test_the_page_s_own_files_are_served(asset: str, kind: str, holds: str, caller: Caller) -> None:
    assert f"/docs/{asset}" in References(caller.http.get("/docs").text).found
    response = caller.http.get(f"/docs/{asset}")
    assert response.status_code == 200, response.text[:300]
    assert response.headers["Content-Type"].startswith(kind)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert holds in response.text


@pytest.mark.parametrize("asset", ["nothing.js", "..%2f..%2fpyproject.toml", "css%2fswagger-ui.css"])
def test_no_other_file_is(asset: str, caller: Caller) -> None:
    assert caller.http.get(f"/docs/{asset}").status_code == 404


def test_it_is_alive(stack: Stack) -> None:
    with stack.client() as anybody:
        response = anybody.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


def test_it_is_ready_and_says_on_what(stack: Stack) -> None:
    with stack.client() as anybody:
        response = anybody.get("/readyz")
    assert response.status_code == 200
    readiness = as_object(response)
    assert readiness.pop("version")
    assert readiness == {
        "status": "ready",
        "store": "ok",
        "broker": "ok",
        "simulated": True,
        "counter": "cl100k_base",
    }


def test_every_problem_s_type_leads_to_its_explanation(stack: Stack) -> None:
    with stack.client() as anybody:
        for kind in KINDS.values():
            response = anybody.get(f"/problems/{kind.slug}")
            assert response.status_code == 200, response.text
            assert response.headers["Content-Type"].startswith("text/plain")
            assert kind.title in response.text
            assert str(kind.status) in response.text


def test_a_type_unknown_is_explained_as_text_only(stack: Stack) -> None:
    with stack.client() as anybody:
        response = anybody.get("/problems/<script>alert(1)<%2fscript>")
    assert response.status_code in {200, 404}
    assert "html" not in response.headers["Content-Type"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
