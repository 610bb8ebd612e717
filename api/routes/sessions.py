"""Sessions and their messages."""

from __future__ import annotations

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag

from api.audit import acted, heard_of
from api.context_schemas import ContextQuery, ContextView
from api.openings import with_openings
from api.problems import ProblemDetails, invalid
from api.routes.common import PROBLEMS, answer, check_length, check_model, check_size, kept_attachments, page
from api.schemas import (
    MessageBody,
    MessageList,
    MessagePath,
    MessagesQuery,
    SessionBody,
    SessionList,
    SessionPatchBody,
    SessionPath,
    SessionsQuery,
)
from api.services import services, tenant_store
from shared.context.assembly import assemble, render
from shared.context.budget import check_budget
from shared.context.counted import look_at
from shared.conversation.instructions import in_force
from shared.conversation.preview import Preview
from shared.errors import SettingsError
from shared.ids import SessionRef, bucket_of
from shared.models import Message, Session, TokenBudget
from shared.storage.types import NewSession, SessionPatch

blueprint = APIBlueprint(
    "sessions", __name__, url_prefix="/api/sessions", abp_tags=[Tag(name="sessions", description="Conversations")]
)


@blueprint.get("", summary="List a customer's sessions", responses={200: SessionList, **PROBLEMS})
def list_sessions(query: SessionsQuery) -> Response:
    """List sessions, newest first; `Link: rel="next"` leads on."""
    serving, own = services(), tenant_store()
    found = serving.call(own.sessions(query.customer_id, query.limit, query.cursor))
    return page(serving.call(with_openings(own, found.items)) if query.opening else found.items, found.cursor)


@blueprint.post("", summary="Begin a session", responses={201: Session, **PROBLEMS})
def post_session(body: SessionBody) -> Response:
    """Begin a session; a conversation id bound to an older one is bound to this one from now on."""
    check_size("/metadata", body.metadata, services().settings.max_metadata_bytes, "MAX_METADATA_BYTES")
    check_model("/model", body.model)
    if body.token_budget is not None:
        _check_budget(body.token_budget)
    new = NewSession(**{name: getattr(body, name) for name in type(body).model_fields})
    identifier = services().ids.session(bucket_of(g.tenant, body.customer_id))
    session = services().call(tenant_store().create_session(identifier, new))
    heard_of(body.customer_id, session.created_at)
    response = answer(session, 201)
    response.headers["Location"] = f"/api/sessions/{identifier}"
    return response


@blueprint.get("/<session_id>", summary="Read a session", responses={200: Session, 404: ProblemDetails, **PROBLEMS})
def get_session(path: SessionPath) -> Response:
    """Read a session."""
    return answer(services().call(tenant_store().session(path.session_id)))


@blueprint.patch(
    "/<session_id>",
    summary="Change a session",
    responses={200: Session, 404: ProblemDetails, 409: ProblemDetails, **PROBLEMS},
)
def patch_session(path: SessionPath, body: SessionPatchBody) -> Response:
    """Close or reopen a session, give it a title or tags, take it over or hand it back.

    Closed: no new requests; open ones are still answered. Taken over: requests fail as such, their messages are kept.
    """
    patch = SessionPatch(body.status, body.title, body.tags, body.handler)
    session = services().call(tenant_store().update_session(path.session_id, patch))
    if body.handler is not None and session.open_requests > 0:
        services().waker.wake(SessionRef(g.tenant, session.id))
    return answer(session)


@blueprint.delete("/<session_id>", summary="Delete a session", responses={204: None, 404: ProblemDetails, **PROBLEMS})
def delete_session(path: SessionPath) -> Response:
    """Delete a session with its messages and all derived from them; its open requests fail as deleted."""
    serving, tenant = services(), g.tenant
    serving.call(tenant_store().delete_session(path.session_id))
    acted("delete-session", f"session {path.session_id}")
    serving.note(lambda noter: noter.changed(tenant, "requests", "customers"))
    return Response(status=204)


@blueprint.get(
    "/<session_id>/messages", summary="Read a transcript", responses={200: MessageList, 404: ProblemDetails, **PROBLEMS}
)
def list_messages(path: SessionPath, query: MessagesQuery) -> Response:
    """List a session's messages, oldest first; `Link: rel="next"` leads on."""
    found = services().call(tenant_store().messages(path.session_id, query.limit, query.cursor))
    return page(found.items, found.cursor)


@blueprint.post(
    "/<session_id>/messages",
    summary="Record a message",
    responses={201: Message, 404: ProblemDetails, 409: ProblemDetails, **PROBLEMS},
)
def post_message(path: SessionPath, body: MessageBody) -> Response:
    """Record a message without asking for a reply; behind open requests it waits its turn, with `seq` 0 till then."""
    check_length("/content", body.content)
    serving = services()
    if body.author is not None and body.role == "user":
        raise invalid("/author", "names a person of the support team; leave it out where the customer wrote")
    message = Message(
        id=serving.ids.message(),
        role=body.role,
        content=body.content,
        author=body.author,
        attachments=kept_attachments(body.attachments),
        at=body.at or serving.clock(),
    )
    tokens, kind = look_at(serving.counter, render(message))
    message = message.model_copy(update={"tokens": tokens, "text_kind": kind})
    backdated = body.at is not None
    recorded = serving.call(tenant_store().record(path.session_id, message, backdated=backdated))
    tenant = g.tenant
    serving.note(lambda noter: noter.heard_in(tenant, path.session_id, recorded.at))
    return answer(recorded, 201)


@blueprint.delete(
    "/<session_id>/messages/<seq>",
    summary="Take out a message's text",
    responses={204: None, 404: ProblemDetails, **PROBLEMS},
)
def redact_message(path: MessagePath) -> Response:
    """Take the text out of a message for ever, and of all that was made of it; its place in the session stays."""
    services().call(tenant_store().redact(path.session_id, path.seq))
    acted("redact-message", f"message {path.session_id}/{path.seq}")
    return Response(status=204)


@blueprint.get(
    "/<session_id>/context",
    summary="Read what Claude would be sent",
    responses={200: ContextView, 404: ProblemDetails, **PROBLEMS},
)
def get_context(path: SessionPath, query: ContextQuery) -> Response:
    """Make the context of the session's next turn, were `message` the customer's; nothing is stored or asked."""
    serving = services()
    preview = Preview(serving.store, tenant_store(), serving.settings, serving.counter, serving.recaller)
    draft = serving.call(preview.upcoming(path.session_id, query.message))
    return answer(ContextView.of(assemble(draft, serving.counter)))


def _check_budget(budget: TokenBudget) -> None:
    serving = services()
    text = in_force(serving.call(tenant_store().instructions()), serving.settings.agent_instructions).instructions
    try:
        check_budget(text, budget, serving.settings.allowed_models, serving.counter)
    except SettingsError as error:
        raise invalid("/tokenBudget", str(error)) from error
