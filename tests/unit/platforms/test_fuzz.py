"""Whatever is posted is understood, or refused in words: nothing else happens."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import Malformed, NotGenuine
from shared.platforms.incoming import INCOMING
from shared.platforms.types import AgentMessage, CustomerMessage, Handling, Ignored, PlatformName
from tests.support.deliveries import NOW, SAMPLES
from tests.support.signers import as_json
from tests.unit.platforms.opened import hook_of, posted

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
NAMES = (
    "x-chatwoot-timestamp x-chatwoot-signature x-zendesk-webhook-signature x-zendesk-webhook-signature-timestamp "
    "x-api-key x-hub-signature x-freshchat-signature x-hook-token authorization x-slack-request-timestamp "
    "x-slack-signature x-desk-signature x-desk-time content-type"
)
VALUES = ["sha256=", "v0=x", "1e999", "nan", "-1", "Basic =", "application/x-www-form-urlencoded"]
headers = st.dictionaries(st.sampled_from(NAMES.split()), st.text(max_size=60) | st.sampled_from(VALUES), max_size=6)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ALL = pytest.mark.parametrize("platform", list(SAMPLES))


def read(platform: PlatformName, body: bytes, given_headers: dict[str, str] | None = None) -> None:
    """Read a body as if it were genuine."""
    reader, hook, delivery = INCOMING[platform], hook_of(platform), posted(body, given_headers or {})
    with suppress(Malformed, NotGenuine):
        reader.challenge(delivery, hook)
        for event in reader.read(delivery, hook):
            assert isinstance(event, CustomerMessage | AgentMessage | Handling | Ignored)


@ALL
@quick
@given(body=st.binary(max_size=200), given_headers=headers)
def test_any_bytes(platform: PlatformName, body: bytes, given_headers: dict[str, str]) -> None:
    read(platform, body, given_headers)
    with suppress(NotGenuine):
        INCOMING[platform].verify(posted(body, given_headers), hook_of(platform))
        pytest.fail("nobody signed this")


@ALL
@quick
@given(value=json_values)
def test_any_json(platform: PlatformName, value: Any) -> None:
    read(platform, as_json_bytes(value))


@ALL
@quick
@given(data=st.data())
def test_a_delivery_with_something_else_in_a_place_of_it(platform: PlatformName, data: st.DataObject) -> None:
    body = copy.deepcopy(SAMPLES[platform].message(at=NOW))
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(_places(body))
        parent, key = data.draw(st.sampled_from(places))
        if data.draw(st.booleans()):
            parent[key] = data.draw(json_values)
        elif isinstance(parent, dict):
            del parent[key]
    read(platform, as_json_bytes(body))


@ALL
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5_000,
        b"NaN",
        b'"\\ud800"',
        b'{"event":"message_created","id":1e999}',
        b"\xff\xfe",
        b"a=1&a=2&=&%ff",
        b"{} {}",
    ],
)
def test_known_traps(platform: PlatformName, body: bytes) -> None:
    read(platform, body)
    read(platform, body, {"content-type": "application/x-www-form-urlencoded"})


def as_json_bytes(value: Any) -> bytes:
    """Return JSON, with lone surrogates as the escapes that they may come as."""
    try:
        return as_json(value)
    except UnicodeEncodeError:
        return ascii_json(value)


def ascii_json(value: Any) -> bytes:
    """Return JSON in ASCII."""
    return json.dumps(value).encode()


def _places(value: Any) -> Any:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in list(children):
        yield value, key
        yield from _places(child)
