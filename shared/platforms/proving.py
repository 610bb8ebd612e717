"""Whether a delivery is genuine: signatures of the raw body, secrets that come back, and how old it is.

What is secret is compared in constant time, and with every secret that is valid, whichever fits first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from shared.errors import NotGenuine
from shared.platforms.types import Posted

WINDOW: Final = timedelta(minutes=5)
OLDEST: Final = timedelta(hours=20)
"""Of what tells its time in the signed body alone: less than the time for which a message is remembered."""
QUERY: Final = "token"

ALGORITHMS: Final = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512}


def hex_mac(key: bytes, text: bytes, algorithm: str = "sha256") -> str:
    """Return an HMAC in lower-case hexadecimal."""
    return hmac.new(key, text, ALGORITHMS[algorithm]).hexdigest()


def base64_mac(key: bytes, text: bytes, algorithm: str = "sha256") -> str:
    """Return an HMAC in base64."""
    return base64.b64encode(hmac.new(key, text, ALGORITHMS[algorithm]).digest()).decode()


def same(given: str, right: str) -> bool:
    """Return whether two texts are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode("utf-8", "surrogateescape"))


def require_any(given: str, secrets: Sequence[str], right: Callable[[str], str]) -> None:
    """Return where what was given is right for one of the secrets; all of them are tried.

    Raises:
        NotGenuine

    """
    found = [same(given, right(secret)) for secret in secrets]
    if not given or not any(found):
        raise NotGenuine


def header(posted: Posted, name: str, prefix: str = "") -> str:
    """Return what a header carries behind its prefix.

    Raises:
        NotGenuine: it is not there, or begins in another way.

    """
    value = posted.headers.get(name, "")
    if not value.startswith(prefix) or len(value) == len(prefix):
        raise NotGenuine
    return value[len(prefix) :].strip()


def require_shared(posted: Posted, secrets: Sequence[str]) -> None:
    """Return where a secret of ours came back: as X-Hook-Token, as the password of Basic, or as `?token=`.

    Raises:
        NotGenuine

    """
    given = posted.headers.get("x-hook-token") or in_query(posted) or basic_password(posted)
    require_any(given, secrets, str)


def in_query(posted: Posted) -> str:
    """Return the token in the address; empty where there is none."""
    return dict(parse_qsl(urlsplit(posted.url).query)).get(QUERY, "")


def basic_password(posted: Posted) -> str:
    """Return what Basic authentication carries: the password, or the name where there is no other; else empty."""
    scheme, _, encoded = posted.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return ""
    return password if password not in {"", "X"} else name


def require_fresh(at: datetime | None, now: datetime, window: timedelta = WINDOW) -> None:
    """Return where a moment is no further from now than the window, either way.

    Raises:
        NotGenuine

    """
    if at is None or abs(now - at) > window:
        raise NotGenuine


def require_recent(at: datetime | None, now: datetime) -> None:
    """Return where a moment that was signed is less than a day ago.

    Raises:
        NotGenuine

    """
    if at is None or not -WINDOW <= now - at <= OLDEST:
        raise NotGenuine


def from_epoch(text: str | float, per_second: int = 1) -> datetime | None:
    """Return the moment so many seconds, or parts of them, after 1970; None where this is no number of them."""
    try:
        return datetime.fromtimestamp(float(text) / per_second, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def from_iso(text: str) -> datetime | None:
    """Return the moment that ISO 8601 writes, in UTC where it names no zone; None where it writes none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
