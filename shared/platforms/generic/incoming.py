"""What any platform posts, read by the mapping of its hook."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from string import Formatter
from typing import Any, Final
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from shared.errors import Malformed, NotGenuine
from shared.models import Attachment
from shared.platforms.generic.paths import find, holds
from shared.platforms.generic.proof import HmacProof, SharedProof, StandardProof
from shared.platforms.generic.settings import AgentRule, GenericSettings, HandlingRule, Rule
from shared.platforms.html import text_of
from shared.platforms.proving import (
    base64_mac,
    basic_password,
    from_epoch,
    from_iso,
    header,
    hex_mac,
    in_query,
    require_any,
    require_fresh,
    same,
)
from shared.platforms.reading import MOST_ATTACHMENTS, attachment, clean, few, read_fields
from shared.platforms.types import (
    SHARED,
    SIGNING,
    AgentMessage,
    CustomerMessage,
    Event,
    Handling,
    Ignored,
    OpenHook,
    Posted,
)

LONGEST_ID: Final = 200
LONGEST_FURTHER: Final = 500  # characters
MOST_GIVEN: Final = 10
PREFIX: Final = "whsec_"


class GenericIncoming:
    """Implements `shared.platforms.types.Incoming`."""

    def verify(self, posted: Posted, hook: OpenHook) -> None:
        """See `Incoming.verify`."""
        proof = hook.settings_as(GenericSettings).proof
        if isinstance(proof, HmacProof):
            _verify_hmac(proof, posted, hook.secrets.get(SIGNING, ()))
        elif isinstance(proof, StandardProof):
            _verify_standard(posted, hook.secrets.get(SIGNING, ()))
        else:
            require_any(_given(proof, posted), hook.secrets.get(SHARED, ()), str)

    def challenge(self, posted: Posted, hook: OpenHook) -> dict[str, Any] | None:
        """See `Incoming.challenge`."""
        asked = hook.settings_as(GenericSettings).challenge
        if asked is None:
            return None
        found = posted.headers.get(asked.header) if asked.header else None
        if asked.path is not None and not found:
            found = find(asked.path, read_fields(posted))
        return {asked.answer: found} if isinstance(found, str) and found else None

    def read(self, posted: Posted, hook: OpenHook) -> Sequence[Event]:
        """See `Incoming.read`."""
        settings = hook.settings_as(GenericSettings)
        found = find(settings.events, read_fields(posted))
        events = found if isinstance(found, list) else [found]
        return [told for event in few(events) for told in _of_event(event, settings)]


def _of_event(event: Any, settings: GenericSettings) -> list[Event]:
    found: list[Event] = []
    if settings.handling is not None:
        found += _handling(event, settings.handling, settings)
    if settings.human is not None and holds(settings.human.when, event):
        found.append(_agent_message(event, settings.human, settings))
    elif holds(settings.customer.when, event):
        found.append(_customer_message(event, settings))
    return found or [Ignored("another kind of event")]


def _customer_message(event: Any, settings: GenericSettings) -> CustomerMessage:
    rule = settings.customer
    metadata = {name: _further(find(path, event)) for name, path in rule.metadata.items()}
    return CustomerMessage(
        _id(rule.id, event, "id"),
        _id(rule.conversation, event, "conversation"),
        str(_customer(rule.customer, event, settings)),
        _text(rule, event),
        _files(rule, event),
        {name: value for name, value in metadata.items() if value is not None},
    )


def _agent_message(event: Any, rule: AgentRule, settings: GenericSettings) -> AgentMessage:
    author = find(rule.author, event) if rule.author else None
    return AgentMessage(
        _id(rule.id, event, "id"),
        _id(rule.conversation, event, "conversation"),
        _customer(rule.customer, event, settings) if rule.customer else None,
        _text(rule, event),
        clean(author)[:LONGEST_ID] or None if isinstance(author, str) else None,
        _files(rule, event),
    )


def _handling(event: Any, rule: HandlingRule, settings: GenericSettings) -> list[Event]:
    for to, path in (("over", rule.over), ("human", rule.human), ("agent", rule.agent)):
        if path is not None and holds(path, event):
            customer = _customer(rule.customer, event, settings) if rule.customer else None
            return [Handling(_id(rule.conversation, event, "conversation"), customer, to)]  # type: ignore[arg-type]  # of the three
    return []


def _customer(path: str, event: Any, settings: GenericSettings) -> str:
    own = _id(path, event, "customer")
    return own if settings.customer.vouched else f"{settings.name}:{settings.account}:{own}"


def _id(path: str, event: Any, name: str) -> str:
    found = _plain(find(path, event))
    text = clean(str(found)) if found is not None and not isinstance(found, bool) else ""
    if not text or len(text) > LONGEST_ID:
        raise Malformed(f"The hook's mapping finds no {name} of at most {LONGEST_ID} characters: {path[:100]}.")
    return text


def _text(rule: Rule, event: Any) -> str:
    found = find(rule.text, event)
    text = found if isinstance(found, str) else ""
    return clean(text_of(text) if rule.html else text)


def _files(rule: Rule, event: Any) -> tuple[Attachment, ...]:
    found = find(rule.attachments, event) if rule.attachments else None
    if not isinstance(found, list):
        return ()
    return tuple(_file(each) for each in found[:MOST_ATTACHMENTS] if isinstance(each, str | Mapping))


def _file(each: str | Mapping[str, Any]) -> Attachment:
    if isinstance(each, str):
        return attachment(each.rpartition("/")[2].partition("?")[0], each)
    name = each.get("name") or each.get("filename")
    kind = each.get("type") or each.get("content_type") or each.get("contentType")
    return attachment(name, each.get("url"), kind, each.get("size"))


def _plain(value: Any) -> str | int | float | bool | None:
    if isinstance(value, str):
        return clean(value)
    return value if isinstance(value, int | float | bool) else None


def _further(value: Any) -> str | int | float | bool | None:
    """Return a further thing that can be kept with a request: no more of it than anybody looks for in there."""
    found = _plain(value)
    if isinstance(found, float) and not math.isfinite(found):
        return None
    return found[:LONGEST_FURTHER] if isinstance(found, str) else found


def _verify_hmac(proof: HmacProof, posted: Posted, secrets: Sequence[str]) -> None:
    given = header(posted, proof.header, proof.prefix)
    stamp = header(posted, proof.timestamp_header) if proof.timestamp_header else ""
    signed, mac = _signed(proof, posted, stamp), hex_mac if proof.encoding == "hex" else base64_mac
    given = given.lower() if proof.encoding == "hex" else given
    require_any(given, secrets, lambda secret: mac(_key(secret, proof), signed, proof.algorithm))
    if proof.timestamp_header:
        require_fresh(_moment(stamp, proof), posted.now, timedelta(seconds=proof.window_seconds))


def _signed(proof: HmacProof, posted: Posted, stamp: str) -> bytes:
    """Return the bytes that the platform signed, as the hook's base string tells."""
    values = {"timestamp": stamp, "method": "POST", "url": posted.url, "path": urlsplit(posted.url).path}
    signed = b""
    for text, name, _, _ in Formatter().parse(proof.base):
        signed += text.encode()
        if name == "body":
            signed += posted.body
        elif name is not None and name.startswith("header."):
            signed += posted.headers.get(name.removeprefix("header.").lower(), "").encode("utf-8", "surrogateescape")
        elif name is not None:
            signed += values[name].encode("utf-8", "surrogateescape")
    return signed


def _key(secret: str, proof: HmacProof) -> bytes:
    try:
        if proof.key_encoding == "base64":
            key = base64.b64decode(secret, validate=True)
        else:
            key = bytes.fromhex(secret) if proof.key_encoding == "hex" else secret.encode()
    except (ValueError, binascii.Error) as error:
        raise NotGenuine from error
    if not key:
        raise NotGenuine  # anybody can sign with an empty key
    return key


def check_key(secret: str, proof: HmacProof) -> None:
    """Return where a secret writes a key as the hook's settings say.

    Raises:
        ValueError: it does not, with the mend.

    """
    try:
        _key(secret, proof)
    except NotGenuine as error:
        raise ValueError(
            f"is no {proof.key_encoding}, as proof.keyEncoding says; give it so, or change that"
        ) from error


def _moment(stamp: str, proof: HmacProof) -> datetime | None:
    if proof.timestamp_unit == "iso":
        return from_iso(stamp)
    return from_epoch(stamp, 1000 if proof.timestamp_unit == "ms" else 1)


def _verify_standard(posted: Posted, secrets: Sequence[str]) -> None:
    stamp = header(posted, "webhook-timestamp")
    at, message_id = from_epoch(stamp), header(posted, "webhook-id")
    given = header(posted, "webhook-signature").split(" ")[:MOST_GIVEN]
    rights = [_standard(secret, message_id, at, posted) for secret in secrets]
    found = [same(each, right) for each in given for right in rights]
    if not any(found):
        raise NotGenuine
    require_fresh(at, posted.now)


def _standard(secret: str, message_id: str, at: datetime | None, posted: Posted) -> str:
    """Return the signature as the library makes it: its own check goes by a clock of its own, and trips over odd input.

    Raises:
        NotGenuine: this cannot be signed.

    """
    if at is None or not secret.startswith(PREFIX):
        raise NotGenuine
    try:
        return Webhook(secret).sign(message_id, at, posted.body.decode())
    except Exception as error:  # it raises whatever base64 does, and errors of its own
        raise NotGenuine from error


def _given(proof: SharedProof, posted: Posted) -> str:
    if proof.place == "query":
        return in_query(posted)
    return basic_password(posted) if proof.place == "basic" else header(posted, proof.header, proof.prefix)
