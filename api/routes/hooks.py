"""`/api/hooks`: a tenant's connections to helpdesks and messengers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag
from pydantic import ValidationError

from api.audit import acted
from api.hook_schemas import (
    HookBody,
    HookList,
    HookPatch,
    HookPath,
    HookSecretBody,
    HookTestBody,
    HookTestView,
    HookView,
    TriedEvent,
)
from api.problems import ProblemDetails, from_validation, invalid
from api.routes.common import PROBLEMS, answer, check_size
from api.services import services
from shared.errors import Malformed, NotGenuine
from shared.hooks.hook import Hook
from shared.hooks.secrets import BadSecret
from shared.platforms.incoming import INCOMING
from shared.platforms.types import TOKEN, Posted

GIVE_AGAIN = "Give it again: customer-memory hooks rotate {} token"

blueprint = APIBlueprint(
    "hooks",
    __name__,
    url_prefix="/api/hooks",
    abp_tags=[Tag(name="hooks", description="Connections to helpdesks and messengers")],
)


@blueprint.post("", summary="Add a hook", responses={201: HookView, 409: ProblemDetails, **PROBLEMS})
def post_hook(body: HookBody) -> Response:
    """Connect a platform; the answer tells the address to give it, and this once the secrets that were made."""
    _check(body.settings)
    serving = services()
    try:
        hook, made = serving.call(
            serving.hooks.add(g.tenant, body.platform, body.name or body.platform, body.settings, body.secrets)
        )
    except ValidationError as error:
        raise from_validation(error, "/settings") from error
    except BadSecret as problem:
        raise invalid("/secrets", str(problem)) from problem
    acted("add-hook", f"hook {hook.id}")
    return answer(HookView.of(hook, serving.settings.outside_url, made), 201)


@blueprint.get("", summary="List hooks", responses={200: HookList, **PROBLEMS})
def list_hooks() -> Response:
    """Return the tenant's hooks in the order they were made, their secrets without text."""
    serving = services()
    base = serving.settings.outside_url
    return answer(HookList([HookView.of(each, base) for each in serving.call(serving.hooks.of(g.tenant))]))


@blueprint.get("/<hook_id>", summary="Read a hook", responses={200: HookView, 404: ProblemDetails, **PROBLEMS})
def get_hook(path: HookPath) -> Response:
    """Return a hook, its secrets without text."""
    serving = services()
    return _told(serving.call(serving.hooks.get(g.tenant, path.hook_id)))


@blueprint.patch("/<hook_id>", summary="Change a hook", responses={200: HookView, 404: ProblemDetails, **PROBLEMS})
def patch_hook(path: HookPath, body: HookPatch) -> Response:
    """Change a hook's name or settings, or let it rest. It takes a few seconds until every process knows."""
    _check(body.settings or {})
    serving, dropped, rested = services(), False, False

    def changed(hook: Hook) -> Hook:
        nonlocal dropped, rested
        settings = {**hook.settings, **(body.settings or {})}
        changed = hook.with_settings({name: value for name, value in settings.items() if value is not None})
        dropped = TOKEN in hook.secrets and TOKEN not in changed.secrets
        rested = hook.disabled
        disabled = hook.disabled if body.disabled is None else body.disabled
        return changed.model_copy(update={"name": body.name or hook.name, "disabled": disabled})

    try:
        hook = serving.call(serving.hooks.change(g.tenant, path.hook_id, changed))
    except ValidationError as error:
        raise from_validation(error, "/settings") from error
    resting = "disable-hook" if hook.disabled else "enable-hook"
    acted(resting if hook.disabled != rested else "change-hook", f"hook {hook.id}")
    notice = f"Another host is called now, so the token was dropped. {GIVE_AGAIN.format(hook.id)}" if dropped else None
    return answer(HookView.of(hook, serving.settings.outside_url, notice=notice))


@blueprint.post(
    "/<hook_id>/secrets",
    summary="Give a hook a new secret",
    responses={201: HookView, 404: ProblemDetails, 409: ProblemDetails, **PROBLEMS},
)
def post_hook_secret(path: HookPath, body: HookSecretBody) -> Response:
    """Give, or make, a secret. The one before is valid beside it until the overlap ends; any older one is gone."""
    serving = services()
    overlap = timedelta(hours=body.overlap_hours)
    try:
        hook, made = serving.call(serving.hooks.rotate(g.tenant, path.hook_id, body.name, body.secret, overlap))
    except BadSecret as problem:
        raise invalid("/secret", str(problem)) from problem
    acted("give-hook-secret", f"hook {hook.id}")
    return answer(HookView.of(hook, serving.settings.outside_url, {body.name: made} if made else None), 201)


@blueprint.delete("/<hook_id>", summary="Remove a hook", responses={204: None, 404: ProblemDetails, **PROBLEMS})
def delete_hook(path: HookPath) -> Response:
    """Remove a hook with its secrets. Sessions that came through it stay; nothing is posted to them any more."""
    serving = services()
    serving.call(serving.hooks.remove(g.tenant, path.hook_id))
    acted("delete-hook", f"hook {path.hook_id}")
    return Response(status=204)


@blueprint.post(
    "/<hook_id>/test",
    summary="Try a delivery",
    responses={200: HookTestView, 404: ProblemDetails, 409: ProblemDetails, **PROBLEMS},
)
def test_hook(path: HookPath, body: HookTestBody) -> Response:
    """Tell whether a delivery is genuine, and what it says, as the hook is set; nothing comes of it."""
    serving = services()
    hook = serving.call(serving.hooks.opened(g.tenant, path.hook_id))
    url = f"{serving.settings.outside_url}/webhooks/{hook.platform}/{hook.id}"
    posted = Posted(
        {name.lower(): value for name, value in body.headers.items()},
        body.body.encode("utf-8", "surrogatepass"),
        f"{url}?{body.query}" if body.query else url,
        body.at or serving.clock(),
    )
    incoming, genuine, problem = INCOMING[hook.platform], True, None
    try:
        incoming.verify(posted, hook)
    except NotGenuine as error:
        genuine, problem = False, str(error)
    try:
        challenge = incoming.challenge(posted, hook)
        events = () if challenge is not None else incoming.read(posted, hook)
    except (Malformed, NotGenuine) as error:
        return answer(HookTestView(genuine=False, problem=problem or str(error)))
    told = [TriedEvent.of(event) for event in events]
    return answer(HookTestView(genuine=genuine, problem=problem, challenge=challenge, events=told))


def _told(hook: Hook) -> Response:
    return answer(HookView.of(hook, services().settings.outside_url))


def _check(settings: dict[str, Any]) -> None:
    check_size("/settings", settings, services().settings.max_metadata_bytes, "MAX_METADATA_BYTES")
