"""Which addresses a callback may reach: public ones, and what the operator allows.

Python's own `is_global` calls several of these public: multicast, site-local, v4-compatible, NAT64, 6to4.
Sources: https://www.iana.org/assignments/iana-ipv4-special-registry, the same for IPv6, and ipv6-address-space.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Never public, whatever `is_global` says.
DENIED: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        # Of IPv6 only 2000::/3 is given to anybody: what translators, links and sites use lies in these.
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)


def parse_address(text: str) -> Address | None:
    """Return the address that `text` writes, an IPv4 address in IPv6 clothes as what it is; None where it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def may_reach(text: str, allowed: Sequence[Network] = ()) -> bool:
    """Return whether a callback may go to an address: it is public, or lies in a network that is `allowed`."""
    address = parse_address(text)
    if address is None or getattr(address, "scope_id", None):
        return False
    if any(address in network for network in allowed if network.version == address.version):
        return True
    return address.is_global and not any(address in network for network in DENIED if network.version == address.version)
