"""`/webhooks/{platform}/{hookId}`: where platforms post. No API key: the delivery itself proves whose it is."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag

from api.hook_schemas import TakenView, WebhookPath
from api.problems import AWAY, TOO_LARGE, TOO_MANY, Kind, Problem, ProblemDetails
from api.routes.common import answer
from api.services import CALL_SECONDS, ApiServices, services
from shared.errors import CustomerErasing, NotGenuine, SessionBusy, StoreUnavailable, UnknownHook
from shared.hooks.intake import precedes_message
from shared.platforms.generic.proof import HmacProof
from shared.platforms.incoming import INCOMING
from shared.platforms.registry import PLATFORMS, platform_of
from shared.platforms.types import SHARED, SIGNING, OpenHook, Posted

blueprint = APIBlueprint(
    "webhooks",
    __name__,
    url_prefix="/webhooks",
    abp_tags=[Tag(name="webhooks", description="What helpdesks and messengers post")],
)

MOST_BYTES: Final = 1_048_576
MOST_SECONDS: Final = 2.7
"""The least that a platform waits is three seconds. What is not done by then is done when it posts again."""
# What a platform is answered so that it posts again later. Chatwoot does after these alone: 429 and 500.
AGAIN: Final[dict[str, Kind]] = {"chatwoot": TOO_MANY}
_NOBODYS: Final[dict[str, Any]] = {"proof": HmacProof(header="x-signature")}
LATER: Final = "It cannot be taken now; post it again."


@blueprint.post(
    "/<platform>/<hook_id>",
    summary="Take a delivery of a platform",
    responses={
        200: TakenView,
        400: ProblemDetails,
        401: ProblemDetails,
        404: ProblemDetails,
        413: ProblemDetails,
        429: ProblemDetails,
        503: ProblemDetails,
    },
)
def post_webhook(path: WebhookPath) -> Response:
    """Take what a platform posts, in its own words. The reply comes later, through the platform's API."""
    body = request.get_data(cache=True)
    if len(body) > MOST_BYTES:
        raise Problem(TOO_LARGE, f"The body is too large; at most {MOST_BYTES:,} bytes are taken.")
    serving, until = services(), time.monotonic() + MOST_SECONDS
    posted = _posted(serving, body)
    try:
        hook = _hook(serving, path, posted)
        incoming = INCOMING[hook.platform]
        incoming.verify(posted, hook)
        challenge = incoming.challenge(posted, hook)
        if challenge is not None:
            return Response(json.dumps(challenge), HTTPStatus.OK, content_type="application/json")
        return _take(serving, hook, posted, until)
    except (StoreUnavailable, SessionBusy, CustomerErasing) as error:
        raise Problem(AGAIN.get(path.platform, AWAY), LATER) from error


def _take(serving: ApiServices, hook: OpenHook, posted: Posted, until: float) -> Response:
    events = INCOMING[hook.platform].read(posted, hook)
    ignored = 0
    for place, event in enumerate(events):
        taking = serving.intake.take(hook, event, before_message=precedes_message(events, place))
        took = serving.call(taking, min(CALL_SECONDS, until - time.monotonic()))
        ignored += took.word == "ignored"
        if took.wake is not None:
            serving.waker.wake(took.wake)
    return answer(TakenView(taken=len(events) - ignored, ignored=ignored))


def _hook(serving: ApiServices, path: WebhookPath, posted: Posted) -> OpenHook:
    """Return the hook that was posted to.

    Raises:
        UnknownHook: after as much work as a wrong signature takes.

    """
    hook = serving.call(serving.hooks.find(path.hook_id))
    if hook is not None and hook.platform == path.platform:
        return hook
    platform = platform_of(path.platform) or PLATFORMS["generic"]
    settings = platform.settings.model_construct(**_NOBODYS)
    nobodys = {SIGNING: [secrets.token_urlsafe(32)], SHARED: [secrets.token_urlsafe(32)]}
    with suppress(NotGenuine):
        INCOMING[platform.name].verify(posted, OpenHook("", "", platform.name, settings, nobodys))
    raise UnknownHook


def _posted(serving: ApiServices, body: bytes) -> Posted:
    """Return the delivery, at the address that the platform knows: behind a proxy, Host may be another."""
    query = request.query_string.decode("latin-1")
    url = serving.settings.outside_url + request.path + (f"?{query}" if query else "")
    return Posted({name.lower(): value for name, value in request.headers.items()}, body, url, serving.clock())
