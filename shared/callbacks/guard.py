"""Where a callback's connection may lead: names are looked up once, every answer is checked, and none is asked again.

A name of which one address is not allowed is refused whole: what answers half inside is not to be trusted.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from shared.callbacks.addresses import may_reach, parse_address
from shared.callbacks.urls import NOT_PUBLIC, BadTarget, Rules, Target, parse_target

DOOR_SECONDS: Final = 1.0
LOOKUP_SECONDS: Final = 5.0
LOOKUPS: Final = 64  # at a time, on threads of their own: a slow name server holds up nobody else

Lookup = Callable[[str, int], Awaitable[list[str]]]


class NotFound(Exception):
    """The name could not be looked up, for now."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """A target, and the addresses its name stood for when it was looked up: the only ones that are connected to."""

    target: Target
    addresses: tuple[str, ...]


class SystemLookup:
    """Looks names up as this machine does, on a few threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS, "lookup")

    async def __call__(self, host: str, port: int) -> list[str]:
        """Return a name's addresses. Raises OSError."""
        ask = asyncio.get_running_loop().run_in_executor
        found = await ask(self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        return list(dict.fromkeys(str(each[4][0]) for each in found))

    def close(self) -> None:
        """Let the threads go; one that still waits for an answer is left behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Guard:
    """Lets callbacks out to where they may go."""

    def __init__(self, rules: Rules, lookup: Lookup) -> None:
        self.rules = rules
        self._lookup = lookup

    async def check(self, url: str) -> None:
        """Refuse an address at the door; a name that nobody knows yet is let in, and told of by the attempts.

        Raises:
            BadTarget

        """
        target = parse_target(url, self.rules)
        with suppress(NotFound):
            await self._pin(target, DOOR_SECONDS)

    async def pin(self, url: str) -> Pinned:
        """Return where an attempt goes.

        Raises:
            BadTarget
            NotFound

        """
        return await self._pin(parse_target(url, self.rules), LOOKUP_SECONDS)

    async def _pin(self, target: Target, seconds: float) -> Pinned:
        if parse_address(target.host) is not None:  # its text was checked
            return Pinned(target, (target.host,))
        try:
            async with asyncio.timeout(seconds):
                found = await self._lookup(target.host.rstrip("."), target.port)
        except (OSError, UnicodeError) as error:  # TimeoutError is one
            raise NotFound("the host's name could not be looked up") from error
        if not found:
            raise NotFound("the host's name has no address")
        if not all(may_reach(address, self.rules.allowed) for address in found):
            raise BadTarget(NOT_PUBLIC)
        return Pinned(target, tuple(found))
