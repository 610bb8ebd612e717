"""Who is calling, and for which tenant. One hook before every route; a route cannot forget it.

An API key is a tenant. An operator's key acts for the tenant its `X-Tenant` header names. While no key was ever made
the service is open to this machine alone: it listens on loopback only (checked at start), serves the tenant
`default`, and looks at Host and Origin, so that a page of some other site cannot reach it through a browser
(DNS rebinding, cross-site requests).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from flask import g, request

from api.problems import FORBIDDEN, INVALID, UNAUTHENTICATED, Problem
from api.services import services
from api.signing_in import COOKIE, check_token, key_id_in, opens
from shared.storage.access import ApiKey, KeyRole
from shared.storage.keys import valid_tenant

DEFAULT_TENANT = "default"
PUBLIC = frozenset(
    {
        "service.alive",
        "service.ready",
        "docs.openapi_document",
        "docs.asyncapi_document",
        "docs.page",
        "docs.asset",
        "docs.problem_page",
        "pages.chat",
        "pages.console",
        "pages.asset",
        "webhooks.post_webhook",
        "sign_in.signed_in",
        "sign_in.sign_in",
        "sign_in.sign_out",
    }
)
# What an operator asks of no tenant.
OF_NO_TENANT = frozenset({"operations.tenants"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
NEEDS_KEY = "Send `Authorization: Bearer <key>`; keys are made by `customer-memory keys create`."


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `by`: the id of the key, or `open`, where none is needed."""

    by: str
    role: KeyRole | Literal["open"]

    @property
    def operates(self) -> bool:
        """Whether they may see what concerns more than one tenant."""
        return self.role != "tenant"


def authenticate() -> None:
    """Tie the request to its tenant's records, or refuse it.

    Raises:
        Problem: 401 without a good key, 403 where it may not act, 400 where an operator names no tenant.

    """
    if request.endpoint in PUBLIC or request.endpoint is None:
        return
    serving = services()
    text = _key_text()
    cookie = request.cookies.get(COOKIE, "")
    if text:
        tenant = _tenant_of(serving.call(serving.keys.find(text)))
    elif (key := signed_in(cookie)) is not None:
        check_token(request, cookie, key)
        tenant = _tenant_of(key)
    elif serving.call(serving.keys.any()):
        raise Problem(UNAUTHENTICATED, NEEDS_KEY)
    else:
        only_from_here()
        tenant = DEFAULT_TENANT
        g.caller = Caller("open", "open")
    g.tenant = tenant
    g.tenant_store = serving.store.tenant(tenant)


def signed_in(cookie: str) -> ApiKey | None:
    """Return the key that a browser's cookie stands for; None when it stands for none, or no more."""
    key_id = key_id_in(cookie)
    key = services().call(services().keys.named(key_id)) if key_id else None
    return key if key is not None and opens(cookie, key) else None


def only_from_here() -> None:
    """Refuse whoever does not ask from this machine by its own name. Raises Problem (401, 403)."""
    if not is_loopback(services().settings.host):
        # It began with keys, or it would not listen there; that none is found now opens nothing.
        raise Problem(UNAUTHENTICATED, NEEDS_KEY)
    host = request.headers.get("Host", "")
    if not is_loopback(_hostname(f"//{host}")):
        raise Problem(FORBIDDEN, "Without API keys the service answers on names of this machine only: localhost.")
    only_own_pages("Without API keys the service answers no page of another origin.")


def only_own_pages(refusal: str) -> None:
    """Refuse what a page of another origin asks for, in these words. Raises Problem (403)."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("Host", ""):
        raise Problem(FORBIDDEN, refusal)


def is_loopback(host: str) -> bool:
    """Return whether an address is this machine's own."""
    return host.strip("[]") in LOOPBACK


def _tenant_of(key: ApiKey | None) -> str:
    if key is None:
        raise Problem(UNAUTHENTICATED, "The API key is unknown or revoked.")
    g.caller = Caller(key.key_id, key.role)
    named = request.headers.get("X-Tenant")
    if key.role == "operator":
        if named is None and request.endpoint in OF_NO_TENANT:
            return key.tenant
        if named is None:
            raise Problem(INVALID, "An operator's key acts for a tenant: name it in the X-Tenant header.")
        if not valid_tenant(named):
            raise Problem(INVALID, "X-Tenant must be 1-63 lower-case letters, digits and hyphens.")
        return named
    if named is not None and named != key.tenant:
        raise Problem(FORBIDDEN, "This key belongs to another tenant than X-Tenant names.")
    return key.tenant


def _key_text() -> str:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else request.headers.get("X-Api-Key", "")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
