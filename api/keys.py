"""API keys as last looked up, so that a request costs no look at the store."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable

from shared.storage.access import AccessKeys, ApiKey

FRESH_SECONDS = 1.0
CACHED_KEYS = 10_000


class KeyCache:
    """Keys as last looked up, by a hash of their text or by id, for one second: a revoked key is refused within it."""

    def __init__(self, access: AccessKeys) -> None:
        self._access = access
        self._found: dict[bytes, tuple[float, ApiKey | None]] = {}
        self._any: tuple[float, bool] = (0.0, False)

    async def find(self, text: str) -> ApiKey | None:
        """Return the key's record; None when it does not open anything."""
        name = hashlib.sha256(text.encode(errors="replace")).digest()
        return await self._cached(name, lambda: self._access.find(text))

    async def named(self, key_id: str) -> ApiKey | None:
        """Return the record of a key that is not revoked; None when there is none. The id alone proves nothing."""
        return await self._cached(key_id.encode(), lambda: self._access.named(key_id))

    async def any(self) -> bool:
        """Return whether any key was ever made."""
        until, known = self._any
        if not known and time.monotonic() >= until:
            known = await self._access.any()
            self._any = (time.monotonic() + FRESH_SECONDS, known)
        return known

    async def _cached(self, name: bytes, look: Callable[[], Awaitable[ApiKey | None]]) -> ApiKey | None:
        until, known = self._found.get(name, (0.0, None))
        if time.monotonic() >= until:
            known = await look()
            if len(self._found) >= CACHED_KEYS:
                self._found.clear()
            self._found[name] = (time.monotonic() + FRESH_SECONDS, known)
        return known
