"""`/api/callbacks`: where a tenant's results are posted, and the secrets they are signed with."""

from __future__ import annotations

from datetime import timedelta

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag

from api.audit import acted
from api.callback_schemas import CallbacksBody, CallbacksView, ResumeBody, SecretBody
from api.problems import ProblemDetails, invalid
from api.routes.common import PROBLEMS, answer
from api.services import services
from shared.callbacks.account import OVERLAP
from shared.callbacks.signed import endpoint_of
from shared.callbacks.urls import BadTarget
from shared.errors import NoSecretKey
from shared.storage.types import OF_TENANT

blueprint = APIBlueprint(
    "callbacks",
    __name__,
    url_prefix="/api/callbacks",
    abp_tags=[Tag(name="callbacks", description="Results, posted to you and signed")],
)


@blueprint.get("", summary="Read where results are posted", responses={200: CallbacksView, **PROBLEMS})
def get_callbacks() -> Response:
    """Return the tenant's address, its secrets without their text, and the endpoints that answered 410."""
    serving = services()
    return answer(CallbacksView.of(serving.call(serving.accounts.read(g.tenant))))


@blueprint.put(
    "",
    summary="Have results posted",
    responses={200: CallbacksView, 409: ProblemDetails, **PROBLEMS},
)
def put_callbacks(body: CallbacksBody) -> Response:
    """Post the results of requests that name no address themselves; makes the first secret, and tells it this once."""
    serving = services()
    if not serving.accounts.signs:
        raise NoSecretKey
    check_target("/url", body.url)
    endpoint = endpoint_of(body.url)
    account = serving.call(
        serving.accounts.change(
            g.tenant, lambda found: found.model_copy(update={"url": body.url}).without_stopped(endpoint)
        )
    )
    secret = None
    if not account.secrets:
        account, secret = serving.call(serving.accounts.new_secret(g.tenant, OVERLAP))
    acted("set-callbacks", "callbacks")
    return answer(CallbacksView.of(account, secret))


@blueprint.delete("", summary="Have results posted no more", responses={204: None, **PROBLEMS})
def delete_callbacks() -> Response:
    """Forget the tenant's address. Requests that name one themselves are called back all the same."""
    serving = services()
    serving.call(serving.accounts.change(g.tenant, lambda found: found.model_copy(update={"url": None})))
    acted("stop-callbacks", "callbacks")
    return Response(status=204)


@blueprint.post(
    "/secret",
    summary="Make a new secret",
    responses={201: CallbacksView, 409: ProblemDetails, **PROBLEMS},
)
def post_secret(body: SecretBody) -> Response:
    """Make a secret, told this once. The one before signs beside it until the overlap ends; any older one is gone."""
    serving = services()
    account, secret = serving.call(serving.accounts.new_secret(g.tenant, timedelta(hours=body.overlap_hours)))
    acted("make-callback-secret", "callbacks")
    return answer(CallbacksView.of(account, secret), 201)


@blueprint.post("/resume", summary="Ask an endpoint again", responses={200: CallbacksView, **PROBLEMS})
def resume_endpoint(body: ResumeBody) -> Response:
    """Post again to an endpoint that answered 410; what was given up meanwhile is to be replayed."""
    serving, endpoint = services(), endpoint_of(body.url)
    account = serving.call(serving.accounts.change(g.tenant, lambda found: found.without_stopped(endpoint)))
    return answer(CallbacksView.of(account))


def check_target(pointer: str, url: str) -> None:
    """Refuse an address that callbacks do not go to.

    Raises:
        Problem: 400.

    """
    serving = services()
    try:
        serving.call(serving.guard.check(url))
    except BadTarget as problem:
        raise invalid(pointer, str(problem)) from problem


def callback_of(url: str | None) -> str | None:
    """Return where a request's result is posted, as it is kept: its own address, the tenant's, or nowhere.

    Raises:
        Problem: 400.

    """
    serving = services()
    if url is None:
        return OF_TENANT if serving.call(serving.accounts.of(g.tenant)).url else None
    if not serving.accounts.signs:
        raise invalid("/callbackUrl", "cannot be signed: the operator has not set SECRET_KEY; poll instead")
    if (
        not serving.call(serving.accounts.of(g.tenant)).secrets
        and not serving.call(serving.accounts.read(g.tenant)).secrets
    ):
        raise invalid("/callbackUrl", "needs a secret to be signed with; make one: POST /api/callbacks/secret")
    check_target("/callbackUrl", url)
    return url
