"""Signs deliveries as platforms do: by what their documents say, with nothing of the product's own code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Headers = dict[str, str]
Signer = Callable[[str, bytes, datetime], Headers]

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RSA_PUBLIC = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_PUBLIC = OTHER_RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def mac(secret: str, text: bytes, algorithm: str = "sha256") -> bytes:
    """Return an HMAC."""
    return hmac.new(secret.encode(), text, getattr(hashlib, algorithm)).digest()


def chatwoot(secret: str, body: bytes, at: datetime) -> Headers:
    """`sha256=` and hexadecimal, of `timestamp.body`."""
    stamp = str(int(at.timestamp()))
    signature = mac(secret, stamp.encode() + b"." + body).hex()
    return {"X-Chatwoot-Timestamp": stamp, "X-Chatwoot-Signature": f"sha256={signature}"}


def zendesk(secret: str, body: bytes, at: datetime) -> Headers:
    """Base64, of timestamp and body without anything between them."""
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    signature = base64.b64encode(mac(secret, stamp.encode() + body)).decode()
    return {"X-Zendesk-Webhook-Signature": signature, "X-Zendesk-Webhook-Signature-Timestamp": stamp}


def sunshine(secret: str, body: bytes, at: datetime) -> Headers:
    """The secret itself."""
    del body, at
    return {"X-API-Key": secret}


def intercom(secret: str, body: bytes, at: datetime) -> Headers:
    """`sha1=` and hexadecimal, of the body."""
    del at
    return {"X-Hub-Signature": f"sha1={mac(secret, body, 'sha1').hex()}"}


def freshchat(secret: str, body: bytes, at: datetime) -> Headers:
    """RSA, PKCS #1 v1.5; `secret` is the public key that the private one belongs to."""
    del at
    key = OTHER_RSA_KEY if secret == OTHER_RSA_PUBLIC else RSA_KEY
    signature = key.sign(body, padding.PKCS1v15(), SHA256())
    return {"X-Freshchat-Signature": base64.b64encode(signature).decode()}


def freshdesk(secret: str, body: bytes, at: datetime) -> Headers:
    """The secret itself."""
    del body, at
    return {"X-Hook-Token": secret}


def slack(secret: str, body: bytes, at: datetime) -> Headers:
    """`v0=` and hexadecimal, of `v0:timestamp:body`."""
    stamp = str(int(at.timestamp()))
    signature = mac(secret, b"v0:" + stamp.encode() + b":" + body).hex()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature}"}


def front(secret: str, body: bytes, at: datetime) -> Headers:
    """Base64, of `milliseconds:body`."""
    stamp = str(int(at.timestamp() * 1000))
    signature = base64.b64encode(mac(secret, stamp.encode() + b":" + body)).decode()
    return {"X-Front-Request-Timestamp": stamp, "X-Front-Signature": signature}


def front_rule(secret: str, body: bytes, at: datetime) -> Headers:
    """Base64 of HMAC-SHA1, of the body."""
    del at
    return {"X-Front-Signature": base64.b64encode(mac(secret, body, "sha1")).decode()}


def hubspot_at(url: str) -> Signer:
    """Base64, of method, address, body and milliseconds."""

    def hubspot(secret: str, body: bytes, at: datetime) -> Headers:
        stamp = str(int(at.timestamp() * 1000))
        signature = base64.b64encode(mac(secret, b"POST" + url.encode() + body + stamp.encode())).decode()
        return {"X-HubSpot-Request-Timestamp": stamp, "X-HubSpot-Signature-v3": signature}

    return hubspot


def standard(secret: str, body: bytes, at: datetime, message_id: str = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W") -> Headers:
    """`v1,` and base64, of `id.timestamp.body`, with the key that the secret writes in base64."""
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{stamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"}


def as_json(body: Mapping[str, Any] | list[Any]) -> bytes:
    """Return a body as platforms write it."""
    return json.dumps(body, ensure_ascii=False).encode()
