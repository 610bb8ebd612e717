"""Two platforms without an adapter, by the mappings that the how-to shows; and what a mapping may not say."""

from __future__ import annotations

import base64
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.errors import NotGenuine
from shared.models import Attachment
from shared.platforms.answering import OUTGOING
from shared.platforms.generic.paths import find, holds
from shared.platforms.generic.settings import GenericSettings
from shared.platforms.incoming import INCOMING
from shared.platforms.types import AgentMessage, CustomerMessage, Handling, Ignored, OpenHook, Posted, Words
from tests.support import signers
from tests.support.deliveries import GENERIC, NOW
from tests.unit.platforms.opened import hook_of, posted

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "connect-any-platform.md"
FRONT, FRONT_RULE, HUBSPOT, FRONT_ANSWERS, HUBSPOT_ANSWERS = (
    json.loads(found) for found in re.findall(r"```json\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
)
READER = INCOMING["generic"]
SECRET = "s3cret"
AT = datetime.fromtimestamp(1784546129, UTC)
BODY = '{"event":"message_created","id":74,"content":"Café?"}'.encode()


def generic(settings: dict[str, Any], **secrets: list[str]) -> OpenHook:
    return hook_of("generic", settings, secrets or {"signing": [SECRET]})


def front(kind: str = "inbound", **message: Any) -> dict[str, Any]:
    data = {
        "id": "msg_1",
        "type": "email",
        "is_inbound": kind == "inbound",
        "blurb": "Where is…",
        "text": "Where is my parcel?",
        "author": None,
        "attachments": [
            {"filename": "p.pdf", "url": "https://a.example/p.pdf", "content_type": "application/pdf", "size": 7}
        ],
        **message,
    }
    conversation = {"id": "cnv_1", "subject": "Parcel", "recipient": {"handle": "jane@example.com", "role": "from"}}
    event = {"id": "evt_1", "type": kind, "conversation": conversation, "target": {"_meta": {}, "data": data}}
    return {"type": kind, "authorization": {"id": "cmp_abc"}, "payload": event}


def hubspot(**more: Any) -> dict[str, Any]:
    event = {"eventId": 100, "subscriptionId": 1, "portalId": 1234567, "occurredAt": 1784546129000, "objectId": 55}
    asked = {"subscriptionType": "ticket.propertyChange", "propertyName": "customer_message"}
    return {**event, **asked, "propertyValue": "Where is my parcel?", **more}


def test_front_is_mapped_without_code() -> None:
    hook = generic(FRONT)
    body = signers.as_json(front())
    delivery = posted(body, signers.front(SECRET, body, NOW))
    READER.verify(delivery, hook)
    assert READER.challenge(delivery, hook) is None
    file = Attachment(name="p.pdf", content_type="application/pdf", size=7, url="https://a.example/p.pdf")
    told = CustomerMessage(
        "msg_1", "cnv_1", "front:acme:jane@example.com", "Where is my parcel?", (file,), {"subject": "Parcel"}
    )
    assert READER.read(delivery, hook) == [told]


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (
            front("outbound", author={"first_name": "Jonas"}),
            AgentMessage("msg_1", "cnv_1", "front:acme:jane@example.com", "Where is my parcel?", "Jonas"),
        ),
        (front("outbound"), Ignored("another kind of event")),
        (front("comment"), Ignored("another kind of event")),
        (front("assign"), Handling("cnv_1", "front:acme:jane@example.com", "human")),
        (front("unassign"), Handling("cnv_1", "front:acme:jane@example.com", "agent")),
        (front("archive"), Handling("cnv_1", "front:acme:jane@example.com", "over")),
    ],
)
def test_the_other_events_of_front(body: dict[str, Any], event: Any) -> None:
    assert READER.read(posted(signers.as_json(body), {}), generic(FRONT)) == [event]


def test_fronts_first_request_is_answered_with_its_challenge() -> None:
    body = signers.as_json({"type": "sync", "authorization": {"id": "cmp_abc"}})
    delivery = posted(body, {**signers.front(SECRET, body, NOW), "X-Front-Challenge": "abc"})
    READER.verify(delivery, generic(FRONT))
    assert READER.challenge(delivery, generic(FRONT)) == {"challenge": "abc"}


def test_the_published_vectors_of_front_and_hubspot_are_genuine() -> None:
    secret = {"signing": ["fr_secret_123"]}
    stamp = {"X-Front-Request-Timestamp": "1784546129000"}
    application = {**stamp, "X-Front-Signature": "Qn6aK7a5NsHjym/sj2a+1p51bfaske76dcA03KTBvzY="}
    READER.verify(posted(BODY, application, AT), generic(FRONT, **secret))
    rule = {**FRONT, "proof": FRONT_RULE}
    READER.verify(posted(BODY, {"X-Front-Signature": "yX82y3cnI1QBuRuLP5T+CFMOs8g="}, AT), generic(rule, **secret))
    url = "https://memory.example.com/v1/ingest/hubspot"
    signed = {
        "X-HubSpot-Request-Timestamp": "1784546129000",
        "X-HubSpot-Signature-v3": "cRjAQOb2UOcuzAH0lfqBGsEEkx6FZPh0eOe1xJHbE64=",
    }
    hook = generic(HUBSPOT, signing=["hs_secret_123"])
    READER.verify(posted(BODY, signed, AT, url), hook)
    for other in (f"{url}?a=1", url.replace("memory", "other"), f"{url}/"):
        with pytest.raises(NotGenuine):
            READER.verify(posted(BODY, signed, AT, other), hook)


def test_hubspot_is_mapped_without_code_each_event_of_its_list() -> None:
    hook, url = generic(HUBSPOT), "https://memory.example.com/webhooks/generic/hook_1"
    taken = hubspot(propertyName="hubspot_owner_id", propertyValue="9")
    body = signers.as_json([hubspot(), taken, hubspot(propertyValue="", eventId=101), hubspot(portalId=1)])
    delivery = posted(body, signers.hubspot_at(url)(SECRET, body, NOW), url=url)
    READER.verify(delivery, hook)
    assert READER.read(delivery, hook) == [
        CustomerMessage("100", "55", "hubspot:1234567:55", "Where is my parcel?"),
        Handling("55", "hubspot:1234567:55", "human"),
        Ignored("another kind of event"),
    ]


WHSEC = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def test_standard_webhooks_are_proven_and_odd_ones_refused() -> None:
    hook = generic({**GENERIC, "proof": {"kind": "standard-webhooks"}}, signing=[WHSEC])
    body = b'{"type":"reply.completed","timestamp":"2026-07-20T11:15:29Z","data":{"job_id":"job_1"}}'
    vector = {
        "webhook-id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        "webhook-timestamp": "1784546129",
        "webhook-signature": "v1,juKfWKFE4hSyekPDfg0TC4v7mIDkuElC2Njv0g/WLHA=",
    }
    good = posted(body, vector, AT)
    READER.verify(good, hook)
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    READER.verify(good, generic({**GENERIC, "proof": {"kind": "standard-webhooks"}}, signing=[other, WHSEC]))
    several = {**vector, "webhook-signature": f"v1,AAAA v1a,BBBB {vector['webhook-signature']}"}
    READER.verify(posted(body, several, AT), hook)
    for name, value in (
        ("webhook-signature", "v1"),
        ("webhook-signature", "v1,a,b"),
        ("webhook-signature", "v2," + vector["webhook-signature"][3:]),
        ("webhook-timestamp", "now"),
        ("webhook-timestamp", "1784546130"),
        ("webhook-id", "msg_other"),
    ):
        with pytest.raises(NotGenuine):
            READER.verify(posted(body, {**vector, name: value}, AT), hook)
    for stale in (AT + timedelta(minutes=6), AT - timedelta(minutes=6)):
        with pytest.raises(NotGenuine):
            READER.verify(posted(body, vector, stale), hook)
    with pytest.raises(NotGenuine):
        READER.verify(posted(b"\xff", vector, AT), hook)
    with pytest.raises(NotGenuine):
        READER.verify(good, generic({**GENERIC, "proof": {"kind": "standard-webhooks"}}, signing=["whsk_AAAA"]))


@pytest.mark.parametrize(
    ("proof", "delivery"),
    [
        ({"place": "header"}, posted(b"", {"X-Hook-Token": SECRET})),
        (
            {"place": "header", "header": "Authorization", "prefix": "Bearer "},
            posted(b"", {"Authorization": f"Bearer {SECRET}"}),
        ),
        (
            {"place": "basic"},
            posted(b"", {"Authorization": "Basic " + base64.b64encode(f"desk:{SECRET}".encode()).decode()}),
        ),
        ({"place": "query"}, posted(b"", {}, url=f"https://memory.example.com/webhooks/generic/hook_1?token={SECRET}")),
    ],
)
def test_a_shared_secret_comes_back_in_the_place_that_was_chosen_and_in_no_other(
    proof: dict[str, Any], delivery: Posted
) -> None:
    hook = generic({**GENERIC, "proof": {"kind": "shared", **proof}}, shared=[SECRET])
    READER.verify(delivery, hook)
    others = [place for place in ("header", "basic", "query") if place != proof["place"]]
    for place in others:
        with pytest.raises(NotGenuine):
            READER.verify(delivery, generic({**GENERIC, "proof": {"kind": "shared", "place": place}}, shared=[SECRET]))
    with pytest.raises(NotGenuine):
        READER.verify(delivery, generic({**GENERIC, "proof": {"kind": "shared", **proof}}, shared=["another"]))


@pytest.mark.parametrize("encoding", ["base64", "hex", "text"])
def test_a_key_may_be_written_in_base64_or_hexadecimal(encoding: str) -> None:
    key = b"\x00\x01\xff" * 9
    texts = {"base64": base64.b64encode(key).decode(), "hex": key.hex(), "text": "plain"}
    raw = {"base64": key, "hex": key, "text": b"plain"}[encoding]
    proof = {"kind": "hmac", "header": "X-Sig", "algorithm": "sha512", "prefix": "sha512=", "keyEncoding": encoding}
    hook = generic({**GENERIC, "proof": proof}, signing=[texts[encoding]])
    signature = hmac.new(raw, BODY, "sha512").hexdigest()
    READER.verify(posted(BODY, {"X-Sig": f"sha512={signature.upper()}"}), hook)
    with pytest.raises(NotGenuine):
        READER.verify(posted(BODY, {"X-Sig": signature}), hook)
    with pytest.raises(NotGenuine):
        READER.verify(
            posted(BODY, {"X-Sig": f"sha512={signature}"}), generic({**GENERIC, "proof": proof}, signing=["???"])
        )


def test_a_base_string_may_hold_other_headers_and_literal_braces() -> None:
    proof = {"kind": "hmac", "header": "X-Sig", "base": "{{v1}}:{header.X-Id}:{path}:{body}"}
    hook = generic({**GENERIC, "proof": proof})
    signature = signers.mac(SECRET, b"{v1}:42:/webhooks:" + BODY).hex()
    READER.verify(posted(BODY, {"X-Sig": signature, "X-Id": "42"}), hook)
    with pytest.raises(NotGenuine):
        READER.verify(posted(BODY, {"X-Sig": signature, "X-Id": "43"}), hook)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("proof", "base"), "{timestamp}"),
        (("proof", "base"), "{body}"),  # its time would be nobody's
        (("proof", "timestampHeader"), None),
        (("proof", "base"), "{body}{secret}"),
        (("proof", "base"), "{body!r}"),
        (("proof", "base"), "{body:>100000000}"),
        (("proof", "base"), "{body"),
        (("proof", "base"), "{body.__class__}{body}"),
        (("proof", "header"), "X Sig"),
        (("proof", "windowSeconds"), 86_400),
        (("customer", "when"), "a ="),
        (("customer", "text"), "max_by(a, &b)"),
        (("customer", "text"), "map(&a, b)"),
        (("customer", "text"), "sort(a)"),
        (("customer", "text"), "[@,@][] | [@,@][] | [@,@][]"),
        (("customer", "text"), "{a: @, b: @}"),
        (("customer", "text"), "a." * 300 + "a"),
        (("events",), ""),
    ],
)
def test_a_mapping_that_could_not_work_or_could_cost_too_much_is_refused(place: tuple[str, ...], wrong: Any) -> None:
    settings = json.loads(json.dumps(GENERIC))
    inner = settings
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = wrong
    with pytest.raises(ValidationError):
        GenericSettings.model_validate(settings)


def test_an_expression_that_does_not_fit_a_value_finds_nothing() -> None:
    assert find("contains(a, 'b')", {"a": 3}) is None
    assert find("join('/', [a, b])", {"a": "x"}) is None
    assert not holds("length(a)", {})
    assert not holds("a", {"a": False})
    assert not holds("a", {"a": []})
    assert holds("a", {"a": 0})  # as JMESPath has it: zero is true
    assert holds("a == `0`", {"a": 0})


WORDS = Words("On its way &\nsoon", "evt_req_1/reply", NOW)


def test_front_is_answered_as_the_how_to_says() -> None:
    hook, answers = generic({**FRONT, **FRONT_ANSWERS}, token=["t0k3n"]), OUTGOING["generic"]
    call = answers.reply(hook, "cnv_1", WORDS)
    assert call is not None
    assert (call.method, call.url) == ("POST", "https://api2.frontapp.com/conversations/cnv_1/messages")
    assert call.headers == {"authorization": "Bearer t0k3n"}
    assert call.json == {"body": "On its way &amp;<br>soon"}
    listed = {"_results": [{"is_inbound": True, "text": "Hi"}, {"is_inbound": False, "text": "On its way & soon"}]}
    assert answers.is_there(hook, listed, WORDS, private=False)
    assert not answers.is_there(hook, {"_results": listed["_results"][:1]}, WORDS, private=False)
    assert answers.is_ours(hook, {"id": "cnv_1", "assignee": None})
    assert not answers.is_ours(hook, {"id": "cnv_1", "assignee": {"id": "tea_1"}})
    handing = answers.hand_off(hook, "cnv_1", "brief")
    assert handing is not None
    assert (handing.method, handing.json) == ("PUT", {"assignee_id": "tea_55c8c149"})


def test_hubspot_is_answered_as_the_how_to_says() -> None:
    hook, answers = generic({**HUBSPOT, **HUBSPOT_ANSWERS}, token=["t0k3n"]), OUTGOING["generic"]
    call = answers.reply(hook, "55", WORDS)
    assert call is not None
    assert (call.method, call.url) == ("PATCH", "https://api.hubapi.com/crm/v3/objects/tickets/55")
    assert call.json == {"properties": {"agent_reply": WORDS.text}}
    assert answers.is_there(hook, {"properties": {"agent_reply": WORDS.text}}, WORDS, private=False)
    assert not answers.is_there(hook, {"properties": {"agent_reply": None}}, WORDS, private=False)
    assert answers.is_ours(hook, {"properties": {"hubspot_owner_id": ""}})
    assert not answers.is_ours(hook, {"properties": {"hubspot_owner_id": "7"}})


@pytest.mark.parametrize(
    ("found", "kept"), [("x" * 600_000, "x" * 500), (float("1e999"), None), (7, 7), (0.5, 0.5), (True, True)]
)
def test_further_things_are_kept_as_far_as_they_can_be_stored(found: Any, kept: Any) -> None:
    delivery = front()
    delivery["payload"]["conversation"]["subject"] = found
    raw = json.dumps(delivery).replace("Infinity", "1e999").encode()
    (message,) = READER.read(posted(raw, {}), generic(FRONT))
    assert isinstance(message, CustomerMessage)
    assert message.metadata.get("subject") == kept
