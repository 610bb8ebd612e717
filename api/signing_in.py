"""Signing in from a browser: an API key is exchanged for a cookie, so that no script and no page ever holds the key.

    <key id>.<payload>.<time>.<signature>

The cookie is signed with what the store keeps of the key, so that no process needs to share anything: it opens what
the key opens, for twelve hours at most, and nothing once the key is revoked. Whatever changes something must bring a
token besides, which only a page of this origin can read.

Source: https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from flask import Request, Response
from itsdangerous import BadData, Signer, URLSafeTimedSerializer

from api.problems import FORBIDDEN, Problem
from shared.storage.access import ApiKey

COOKIE: Final = "customer_memory"
TOKEN_HEADER: Final = "X-Csrf-Token"  # noqa: S105 - a header's name
LASTS_SECONDS: Final = 12 * 3_600
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_KEY_ID = re.compile(r"[0-9a-f]{16}")


def sealed(key: ApiKey) -> str:
    """Return the cookie that stands for a key."""
    return f"{key.key_id}.{_serializer(key).dumps('signed in')}"


def key_id_in(cookie: str) -> str | None:
    """Return the id of the key that a cookie says it stands for."""
    key_id = cookie.partition(".")[0]
    return key_id if _KEY_ID.fullmatch(key_id) else None


def opens(cookie: str, key: ApiKey) -> bool:
    """Return whether a cookie was made for this key, not too long ago."""
    try:
        _serializer(key).loads(cookie.partition(".")[2], max_age=LASTS_SECONDS)
    except BadData:
        return False
    return True


def token_of(cookie: str, key: ApiKey) -> str:
    """Return the token that goes with a cookie."""
    return _token_signer(key).get_signature(cookie).decode()


def check_token(request: Request, cookie: str, key: ApiKey) -> None:
    """Refuse what another site's page may have asked for in the name of who is signed in.

    Raises:
        Problem: 403.

    """
    if request.method in SAFE:
        return
    if not _token_signer(key).verify_signature(cookie, request.headers.get(TOKEN_HEADER, "").encode()):
        raise Problem(FORBIDDEN, f"Send the `csrfToken` that `GET /sign-in` tells, in the header `{TOKEN_HEADER}`.")


def put_cookie(response: Response, request: Request, value: str | None, public: str) -> None:
    """Set the cookie; None: take it away. `public`: how the service is reached from outside."""
    # A proxy that ends TLS may not say so; under the public name there is nothing else before it.
    address = urlsplit(public)
    behind_tls = address.scheme == "https" and address.netloc.lower() == request.host.lower()
    response.set_cookie(
        COOKIE,
        value or "",
        max_age=LASTS_SECONDS if value else 0,
        secure=request.is_secure or behind_tls,
        httponly=True,
        samesite="Strict",
    )


def _serializer(key: ApiKey) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(key.secret_hash, salt="customer-memory sign-in")


def _token_signer(key: ApiKey) -> Signer:
    return Signer(key.secret_hash, salt="customer-memory csrf")
