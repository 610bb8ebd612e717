"""Signing in from a browser, and out again. See `api.signing_in`."""

from __future__ import annotations

import time

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from pydantic import Field

from api.auth import DEFAULT_TENANT, only_from_here, only_own_pages, signed_in
from api.problems import TOO_MANY, UNAUTHENTICATED, Problem
from api.routes.common import PROBLEMS, answer
from api.schemas import Asked
from api.services import services
from api.signing_in import COOKIE, put_cookie, sealed, token_of
from shared.models import Model
from shared.storage.access import ApiKey, KeyRole

# Of one address; a key cannot be guessed, but whoever tries should not keep the store busy.
ATTEMPTS = RateLimitItemPerMinute(10)
NOT_FROM_THERE = "Pages of another origin cannot sign in or out here."

blueprint = APIBlueprint(
    "sign_in", __name__, url_prefix="/sign-in", abp_tags=[Tag(name="sign-in", description="For pages in a browser")]
)
_failures = MovingWindowRateLimiter(MemoryStorage())


class SignInBody(Asked):
    """What opens the door."""

    key: str = Field(min_length=1, max_length=200, description="an API key")


class SignedIn(Model):
    """Who a browser is."""

    signed_in: bool
    open: bool = Field(description="true: no key was ever made, and this machine needs none")
    simulated: bool = Field(description="true: the bundled simulator answers, not Claude")
    tenant: str | None = None
    role: KeyRole | None = None
    csrf_token: str | None = Field(None, description="to be sent as X-Csrf-Token with whatever changes something")


@blueprint.get("", endpoint="signed_in", summary="Who is signed in?", responses={200: SignedIn, **PROBLEMS})
def get_signed_in() -> Response:
    """Tell who the browser's cookie stands for, and what its page needs to ask for more."""
    cookie = request.cookies.get(COOKIE, "")
    return answer(_told(signed_in(cookie), cookie))


@blueprint.post("", endpoint="sign_in", summary="Sign in", responses={200: SignedIn, **PROBLEMS})
def post_sign_in(body: SignInBody) -> Response:
    """Exchange an API key for a cookie that no script can read. It lasts twelve hours, and no longer than the key."""
    only_own_pages(NOT_FROM_THERE)
    address = request.remote_addr or ""
    if not _failures.test(ATTEMPTS, address):
        wait = max(1, round(_failures.get_window_stats(ATTEMPTS, address).reset_time - time.time()))
        raise Problem(TOO_MANY, f"Too many keys were wrong; try again in {wait} seconds.", after=wait)
    serving = services()
    key = serving.call(serving.keys.find(body.key.strip()))
    if key is None:
        _failures.hit(ATTEMPTS, address)
        raise Problem(UNAUTHENTICATED, "The API key is unknown or revoked.")
    cookie = sealed(key)
    response = answer(_told(key, cookie))
    put_cookie(response, request, cookie, serving.settings.outside_url)
    return response


@blueprint.delete("", endpoint="sign_out", summary="Sign out", responses={204: None, **PROBLEMS})
def delete_sign_in() -> Response:
    """Take the cookie away."""
    only_own_pages(NOT_FROM_THERE)
    response = Response(status=204)
    put_cookie(response, request, None, services().settings.outside_url)
    return response


def _told(key: ApiKey | None, cookie: str) -> SignedIn:
    serving = services()
    simulated = serving.settings.simulated
    if key is not None:
        token = token_of(cookie, key)
        return SignedIn(
            signed_in=True, open=False, simulated=simulated, tenant=key.tenant, role=key.role, csrf_token=token
        )
    if serving.call(serving.keys.any()):
        return SignedIn(signed_in=False, open=False, simulated=simulated)
    only_from_here()
    return SignedIn(signed_in=False, open=True, simulated=simulated, tenant=DEFAULT_TENANT)
