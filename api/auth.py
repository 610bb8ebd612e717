"""Who is calling, and for which tenant. One hook before every route; a route cannot forget it.

An API key is a tenant. An operator's key acts for the tenant its `X-Tenant` header names. While no key was ever made
the service is open to this machine alone: it listens on loopback only (checked at start), serves the tenant
`default`, and looks at Host and Origin, so that a page of some other site cannot reach it through a browser
(DNS rebinding, cross-site requests).
"""

from __future__ import annotations

import hashlib
import time
from urllib.parse import urlsplit

from flask import g, request

from api.problems import FORBIDDEN, INVALID, UNAUTHENTICATED, Problem
from api.services import services
from shared.storage.access import AccessKeys, ApiKey
from shared.storage.keys import valid_tenant

DEFAULT_TENANT = "default"
PUBLIC = frozenset(
    {"service.alive", "service.ready", "docs.openapi_document", "docs.page", "docs.asset", "docs.problem_page"}
)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
FRESH_SECONDS = 1.0
NEEDS_KEY = "Send `Authorization: Bearer <key>`; keys are made by `customer-memory keys create`."
CACHED_KEYS = 10_000


class KeyCache:
    """Keys as last looked up, by a hash of their text, for one second: a revoked key is refused within it."""

    def __init__(self, access: AccessKeys) -> None:
        self._access = access
        self._found: dict[bytes, tuple[float, ApiKey | None]] = {}
        self._any: tuple[float, bool] = (0.0, False)

    async def find(self, text: str) -> ApiKey | None:
        """Return the key's record; None when it does not open anything."""
        name = hashlib.sha256(text.encode(errors="replace")).digest()
        until, known = self._found.get(name, (0.0, None))
        if time.monotonic() >= until:
            known = await self._access.find(text)
            if len(self._found) >= CACHED_KEYS:
                self._found.clear()
            self._found[name] = (time.monotonic() + FRESH_SECONDS, known)
        return known

    async def any(self) -> bool:
        """Return whether any key was ever made."""
        until, known = self._any
        if not known and time.monotonic() >= until:
            known = await self._access.any()
            self._any = (time.monotonic() + FRESH_SECONDS, known)
        return known


def authenticate(keys: KeyCache) -> None:
    """Tie the request to its tenant's records, or refuse it.

    Raises:
        Problem: 401 without a good key, 403 where it may not act, 400 where an operator names no tenant.

    """
    if request.endpoint in PUBLIC or request.endpoint is None:
        return
    serving = services()
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    text = text.strip() if scheme.lower() == "bearer" else request.headers.get("X-Api-Key", "")
    if text:
        tenant = _tenant_of(serving.call(keys.find(text)))
    elif serving.call(keys.any()):
        raise Problem(UNAUTHENTICATED, NEEDS_KEY)
    else:
        _only_from_here()
        tenant = DEFAULT_TENANT
    g.tenant = tenant
    g.tenant_store = serving.store.tenant(tenant)


def is_loopback(host: str) -> bool:
    """Return whether an address is this machine's own."""
    return host.strip("[]") in LOOPBACK


def _tenant_of(key: ApiKey | None) -> str:
    if key is None:
        raise Problem(UNAUTHENTICATED, "The API key is unknown or revoked.")
    named = request.headers.get("X-Tenant")
    if key.role == "operator":
        if named is None:
            raise Problem(INVALID, "An operator's key acts for a tenant: name it in the X-Tenant header.")
        if not valid_tenant(named):
            raise Problem(INVALID, "X-Tenant must be 1-63 lower-case letters, digits and hyphens.")
        return named
    if named is not None and named != key.tenant:
        raise Problem(FORBIDDEN, "This key belongs to another tenant than X-Tenant names.")
    return key.tenant


def _only_from_here() -> None:
    if not is_loopback(services().settings.host):
        # It began with keys, or it would not listen there; that none is found now opens nothing.
        raise Problem(UNAUTHENTICATED, NEEDS_KEY)
    host = request.headers.get("Host", "")
    if not is_loopback(_hostname(f"//{host}")):
        raise Problem(FORBIDDEN, "Without API keys the service answers on names of this machine only: localhost.")
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != host:
        raise Problem(FORBIDDEN, "Without API keys the service answers no page of another origin.")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
