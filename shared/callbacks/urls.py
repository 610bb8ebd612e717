"""Which callback addresses are let in, by their text alone.

What two parsers could read differently is refused, so that what is checked is what is asked.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from yarl import URL

from shared.callbacks.addresses import Network, may_reach, parse_address

LONGEST: Final = 2048
MOST_PORT: Final = 65_535
DEFAULT_PORTS: Final = {"https": 443, "http": 80}

_PLAIN = re.compile(r"[!-\[\]-~]+")  # printable ASCII without a blank or backslash
_NAME = re.compile(r"(?=.{1,254}$)[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(\.[A-Za-z0-9_-]{1,63})*\.?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


class BadTarget(ValueError):
    """An address that callbacks do not go to; the text says why, and the mend."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a deployment allows: plain http, and networks that are not public."""

    allow_http: bool = False
    allowed: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """An address that was let in. `host` is a name, or an IP address without brackets."""

    url: str
    scheme: str
    host: str
    port: int


def parse_target(url: str, rules: Rules) -> Target:
    """Return where a callback is to go.

    Raises:
        BadTarget

    """
    if len(url) > LONGEST:
        raise BadTarget(f"is longer than {LONGEST:,} characters; shorten it")
    if not _PLAIN.fullmatch(url):
        raise BadTarget("must be printable ASCII without spaces or backslashes; percent-encode them")
    try:
        parts = urlsplit(url)
        port = parts.port
        read_again = URL(url, encoded=True)
    except ValueError as error:
        raise BadTarget("is no URL; write it as https://host/path") from error
    _check_parts(parts.scheme, parts.netloc, url, rules)
    host = parts.hostname or ""
    if port is not None and not 1 <= port <= MOST_PORT:
        raise BadTarget("names no port that can be asked; use 1 to 65535")
    _check_host(host, rules, bracketed="[" in parts.netloc)
    if (read_again.raw_host or "").lower() != host.lower() or read_again.explicit_port != port:
        raise BadTarget("can be read in two ways; write it as https://host/path")
    return Target(url, parts.scheme, host, port or DEFAULT_PORTS[parts.scheme])


def _check_parts(scheme: str, netloc: str, url: str, rules: Rules) -> None:
    if scheme == "http" and not rules.allow_http:
        raise BadTarget("must begin with https://; plain http needs CALLBACK_ALLOW_HTTP=true")
    if scheme not in DEFAULT_PORTS or not url.lower().startswith(f"{scheme}://"):
        raise BadTarget("must begin with https://")
    if "@" in netloc:
        raise BadTarget("must not carry a user or password; take it out, callbacks are signed")
    if "#" in url:
        raise BadTarget("must not carry a fragment; take out what follows #")
    if netloc.endswith(":"):
        raise BadTarget("ends its host with a colon; name the port, or take the colon out")


def _check_host(host: str, rules: Rules, *, bracketed: bool) -> None:
    if not host:
        raise BadTarget("names no host; write it as https://host/path")
    if parse_address(host) is not None:
        if not may_reach(host, rules.allowed):
            raise BadTarget(NOT_PUBLIC)
        return
    if bracketed or not _NAME.fullmatch(host):
        raise BadTarget("names no host that can be asked; use its name, an international one in its xn-- form")
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        raise BadTarget("writes an IP address in an unusual way; write it as four numbers, or use a name")


NOT_PUBLIC: Final = (
    "leads to an address that is not public; use a public one, or let the operator add its network to "
    "CALLBACK_ALLOWED_CIDRS"
)


def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Return networks from their CIDR notation. Raises ValueError, which names the one that is none."""
    return tuple(ipaddress.ip_network(text) for text in texts)
