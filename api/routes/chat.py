"""Chat: accept a message, read its reply."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from flask import Response, g, request
from flask_openapi3 import APIBlueprint, Tag

from api.audit import acted
from api.console_schemas import ReplayAccepted
from api.context_schemas import ContextView
from api.problems import INVALID, Problem, ProblemDetails
from api.routes.callbacks import callback_of
from api.routes.common import PROBLEMS, answer, check_length, check_model, check_size, kept_attachments
from api.schemas import ChatAccepted, ChatBody, ChatStatus, RequestPath, WaitQuery
from api.services import services, tenant_store
from api.waiting import hold, preferred_wait
from shared.context.rebuild import rebuild
from shared.conversation.preview import Preview
from shared.conversation.replay import replay
from shared.errors import ContextGone, KeyReused, UnknownRequest
from shared.ids import SessionRef, bucket_of
from shared.models import FINISHED, Attachment, Receipt
from shared.storage.types import NewRequest

blueprint = APIBlueprint(
    "chat", __name__, url_prefix="/api/chat", abp_tags=[Tag(name="chat", description="Messages and their replies")]
)

LONGEST_KEY = 255


@blueprint.post(
    "",
    summary="Post a customer's message",
    responses={200: ChatStatus, 202: ChatAccepted, 404: ProblemDetails, 409: ProblemDetails, **PROBLEMS},
)
def post_chat(body: ChatBody) -> Response:
    """Accept a message; 202 is said only when it is durable. `Prefer: wait=N` holds the answer for the reply."""
    check_length("/message", body.message)
    check_size("/metadata", body.metadata, services().settings.max_metadata_bytes, "MAX_METADATA_BYTES")
    check_model("/model", body.model)
    request_id, session_id = _accept(body, kept_attachments(body.attachments), callback_of(body.callback_url))
    _note(request_id, body.customer_id)
    services().waker.wake(SessionRef(g.tenant, session_id))
    response = _accepted(ChatAccepted(**_told(request_id, session_id)))
    asked = preferred_wait()
    wait = services().settings.chat_default_wait_seconds if asked is None else asked
    if wait > 0:
        wait = min(wait, services().settings.max_wait_seconds)
        if asked is not None:
            response.headers["Preference-Applied"] = f"wait={wait}"
        return hold(response, "result", request_id, wait)
    return response


@blueprint.get("/<request_id>", summary="Read a request", responses={200: ChatStatus, 404: ProblemDetails, **PROBLEMS})
def get_chat(path: RequestPath, query: WaitQuery) -> Response:
    """Tell how far a request is, with its result when it is done. `wait=N` holds the answer for it, N seconds."""
    record = services().call(tenant_store().request(path.request_id))
    response = answer(ChatStatus.of(record))
    if query.wait and record.status not in FINISHED:
        return hold(response, "status", record.id, min(query.wait, services().settings.max_wait_seconds))
    return response


@blueprint.get("/<request_id>/events", summary="Stream a reply", responses={404: ProblemDetails, **PROBLEMS})
def stream_chat(path: RequestPath) -> Response:
    """Server-sent events: `delta` as Claude writes, `reset` when it begins again, then `result` or `failed`."""
    record = services().call(tenant_store().request(path.request_id))
    response = Response(content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    return hold(response, "stream", record.id)


@blueprint.get(
    "/<request_id>/receipt",
    summary="Read what the context held",
    responses={200: Receipt, 404: ProblemDetails, **PROBLEMS},
)
def get_receipt(path: RequestPath) -> Response:
    """Tell what went into the context that Claude was sent, what was left out and why, and the tokens of each part."""
    record = services().call(tenant_store().request(path.request_id))
    if record.answered_with is not None:
        record = services().call(tenant_store().request(record.answered_with))
    if record.receipt is None:
        raise UnknownRequest("The request has no receipt: it waits, or it failed before Claude was asked.")
    return answer(record.receipt)


@blueprint.get(
    "/<request_id>/context",
    summary="Read what Claude was sent",
    responses={200: ContextView, 404: ProblemDetails, 410: ProblemDetails, **PROBLEMS},
)
def get_context(path: RequestPath) -> Response:
    """Make the context that Claude was sent again, byte for byte; 410 once something of it is gone."""
    serving = services()
    preview = Preview(serving.store, tenant_store(), serving.settings, serving.counter, serving.recaller)
    receipt, parts = serving.call(preview.sent(path.request_id))
    context = rebuild(receipt, parts, serving.counter)
    if context is None:
        raise ContextGone
    return answer(ContextView.of(context))


@blueprint.post(
    "/<request_id>/replay",
    summary="Ask a failed request again",
    responses={202: ReplayAccepted, 404: ProblemDetails, 409: ProblemDetails, **PROBLEMS},
)
def replay_chat(path: RequestPath) -> Response:
    """Ask a failed request again, at the end of its session, with the others that were to be answered with it.

    Asked twice in 24 hours, it is the same new request.
    """
    serving, own = services(), tenant_store()
    failed = serving.call(own.request(path.request_id))
    again = serving.call(replay(own, serving.ids, failed))
    for request_id in again.requests:
        _note(request_id, failed.customer_id)
    serving.waker.wake(SessionRef(g.tenant, again.session_id))
    acted("replay-request", f"request {failed.id}")
    return _accepted(ReplayAccepted(**_told(again.request_id, again.session_id), replay_of=failed.id))


def _told(request_id: str, session_id: str) -> dict[str, Any]:
    url = f"/api/chat/{request_id}"
    return {
        "request_id": request_id,
        "session_id": session_id,
        "status": "queued",
        "status_url": url,
        "events_url": f"{url}/events",
    }


def _accepted(accepted: ChatAccepted) -> Response:
    response = answer(accepted, 202)
    response.headers["Location"] = accepted.status_url
    response.headers["Retry-After"] = "1"
    return response


def _note(request_id: str, customer_id: str) -> None:
    serving, tenant = services(), g.tenant
    now = serving.clock()
    serving.note(lambda noter: noter.opened(tenant, request_id, customer_id, now))


def _accept(body: ChatBody, attachments: tuple[Attachment, ...], callback: str | None) -> tuple[str, str]:
    serving, store = services(), tenant_store()
    bucket = bucket_of(g.tenant, body.customer_id)
    request_id = serving.ids.request(bucket)
    key = request.headers.get("Idempotency-Key")
    if key is not None:
        _check_key(key)
        reservation = serving.call(store.reserve(key, _fingerprint(key, body), request_id))
        if not reservation.same_body:
            raise KeyReused
        request_id = reservation.request_id
    new = NewRequest(
        request_id=request_id,
        customer_id=body.customer_id,
        message=body.message,
        session_id=body.session_id,
        conversation_id=body.conversation_id,
        model=body.model,
        metadata=body.metadata,
        keyed=key is not None,
        attachments=attachments,
        callback=callback,
        coalesce_ms=round(serving.settings.coalesce_seconds * 1000),
    )
    return request_id, serving.call(store.accept(new, serving.ids.session(bucket)))


def _check_key(key: str) -> None:
    if not key or len(key) > LONGEST_KEY or not key.isprintable():
        raise Problem(INVALID, f"Idempotency-Key must be 1 to {LONGEST_KEY} printable characters.")


def _fingerprint(key: str, body: ChatBody) -> str:
    """Return a digest of the body that tells nothing of it to whoever does not know the key."""
    asked = body.model_dump(mode="json", exclude=set() if body.callback_url else {"callback_url"})
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hmac.new(f"{g.tenant}:{key}".encode(), canonical.encode(), hashlib.sha256).hexdigest()
