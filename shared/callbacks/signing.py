"""Signing by Standard Webhooks 1.0, symmetric: `webhook-id`, `webhook-timestamp`, `webhook-signature`.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32


def new_secret() -> str:
    """Return a new secret: `whsec_` and 256 random bits in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(keys: Sequence[str], message_id: str, at: datetime, body: str) -> dict[str, str]:
    """Return the three headers of a message, with a signature for each secret that is valid.

    Raises:
        ValueError: a key is no symmetric secret, the id could be read as more than one part, or there is no key.

    """
    if "." in message_id or not keys or not all(key.startswith(PREFIX) for key in keys):
        raise ValueError("cannot be signed: no whsec_ secret, or an id with a full stop")
    # The library takes any time for UTC, and tells its seconds.
    moment = at.astimezone(UTC)
    signatures = [Webhook(key).sign(message_id, moment, body) for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
