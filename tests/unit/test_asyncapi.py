"""The AsyncAPI document: whole, in agreement with the code, and true of the events that the code makes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.asyncapi import asyncapi_document
from shared.broker import EVENTS
from shared.events import EVENT_TYPES, envelope, routing_key
from tests.support.schemas import Schema, examples_in, found_at, references_in
from tests.unit.test_rules import ROW

SHARED = Path(__file__).parents[2] / "shared"
DOCUMENT: dict[str, Any] = json.loads(json.dumps(asyncapi_document("1.2.3")))
# Where a row of the outbox is given its type: in a script, and in Python.
PUBLISHED = re.compile(
    r"""(?:add_row\(|_event\(|kind = |event=|type=)\s*['"](\w+(?:\.\w+)+)['"](?: if .* else ['"](\w+(?:\.\w+)+)['"])?"""
)
ATTRIBUTE = re.compile(r"[a-z0-9]{1,20}")


def published() -> set[str]:
    """Return every type that the code gives to a row of the outbox."""
    sources = [*SHARED.rglob("*.py"), *SHARED.rglob("*.lua")]
    return {kind for source in sources for pair in PUBLISHED.findall(source.read_text()) for kind in pair if kind != ""}


def test_every_type_that_the_code_publishes_is_described_and_no_other() -> None:
    described = {message["name"] for message in DOCUMENT["components"]["messages"].values()}
    assert published() == described == set(EVENT_TYPES)


def test_it_is_asyncapi_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert {server["protocol"] for server in DOCUMENT["servers"].values()} == {"redis", "amqp", "sns"}
    for server in DOCUMENT["servers"].values():
        assert set(re.findall(r"{(\w+)}", server["host"])) == server["variables"].keys()


def test_its_references_lead_somewhere() -> None:
    references = set(references_in(DOCUMENT))
    assert references
    for reference in references:
        assert found_at(DOCUMENT, reference)


def test_each_channel_is_sent_its_message_and_says_how_on_each_broker() -> None:
    protocols = {server["protocol"] for server in DOCUMENT["servers"].values()}
    for name, channel in DOCUMENT["channels"].items():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == channel["parameters"].keys() == {"tenant"}
        (message,) = channel["messages"].values()
        assert channel["address"] == "{tenant}." + found_at(DOCUMENT, message["$ref"])["name"]
        assert channel["bindings"].keys() == protocols
        assert channel["bindings"]["amqp"]["exchange"]["name"] == EVENTS.name
        (sending,) = [each for each in DOCUMENT["operations"].values() if each["channel"]["$ref"].endswith(f"/{name}")]
        assert sending["action"] == "send"
        assert [found_at(DOCUMENT, each["$ref"]) for each in sending["messages"]] == [message]


def test_its_examples_are_as_their_schemas_say() -> None:
    checked = 0
    for message in DOCUMENT["components"]["messages"].values():
        for example in message["examples"]:
            Schema(DOCUMENT, message["payload"]).check(example["payload"])
            assert example["payload"]["type"] == message["name"]
            checked += 1
    assert checked == len(EVENT_TYPES) + 2
    assert list(examples_in(DOCUMENT["components"]["schemas"])) == []


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_a_wrong_event_is_told_from_a_right_one(kind: str) -> None:
    """What the schemas let through is not just anything."""
    model = EVENT_TYPES[kind]
    (example, *_) = DOCUMENT["components"]["messages"][model.__name__]["examples"]
    schema = Schema(DOCUMENT, {"$ref": f"#/components/schemas/{model.__name__}"})
    schema.check({**example["payload"], "more": "fields may be added"})
    wrongs: list[dict[str, Any]] = [{"specversion": "0.3"}, {"type": "other"}, {"time": "yesterday"}, {"data": {}}]
    for wrong in wrongs:
        with pytest.raises(AssertionError):
            schema.check({**example["payload"], **wrong})


@given(
    kind=st.sampled_from(sorted(EVENT_TYPES)),
    customer=st.text(min_size=1).map(lambda text: f"CUSTOMER{text}"),
    metadata=st.dictionaries(st.text(), st.none() | st.text() | st.integers()),
)
def test_who_the_customer_is_stands_in_data_alone(kind: str, customer: str, metadata: dict[str, Any]) -> None:
    row = replace(ROW, type=kind, customer_id=customer, metadata={**metadata, "email": "PRIVATE"})
    event = envelope(row)
    attributes = {name: value for name, value in event.items() if name != "data"}
    told = json.dumps([attributes, routing_key(row)], ensure_ascii=False)
    assert "CUSTOMER" not in told
    assert "PRIVATE" not in told
    assert event["data"]["customerId"] == customer
    assert all(ATTRIBUTE.fullmatch(name) and isinstance(value, str) for name, value in attributes.items())
    row = replace(row, request_id=row.request_id if "reply" in kind else None)
    if kind == "customer.merged":
        row = replace(row, session_id="", merged=f"{customer}!")
        assert "CUSTOMER" not in json.dumps({name: value for name, value in envelope(row).items() if name != "data"})
    if kind == "session.assigned":
        row = replace(row, handler="human", by="platform")
    EVENT_TYPES[kind].model_validate(envelope(row))


def test_one_who_was_erased_is_not_told() -> None:
    event = envelope(replace(ROW, type="chat.reply.failed", customer_id=""))
    assert "customerId" not in event["data"]
    EVENT_TYPES["chat.reply.failed"].model_validate(event)
