"""`/api/sessions/{id}/summary`, `/api/digests`: what was said, in short."""

from __future__ import annotations

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag

from api.problems import ProblemDetails
from api.routes.common import PROBLEMS, answer
from api.schemas import SessionPath
from api.services import services, tenant_store
from api.summary_schemas import DigestList, DigestsQuery, DigestView, SummaryAsked, SummaryList, SummaryView
from shared.errors import UnknownSummary
from shared.ids import SessionRef

blueprint = APIBlueprint(
    "summaries",
    __name__,
    url_prefix="/api",
    abp_tags=[Tag(name="summaries", description="What was said, in short.")],
)


@blueprint.get(
    "/sessions/<session_id>/summary",
    summary="Read a session's summary",
    responses={200: SummaryView, 404: ProblemDetails, **PROBLEMS},
)
def get_summary(path: SessionPath) -> Response:
    """Return the newest summary; 404 while there is none."""
    kept = services().call(tenant_store().summaries(path.session_id))
    if not kept:
        raise UnknownSummary
    return answer(SummaryView.of(path.session_id, kept[0]))


@blueprint.get(
    "/sessions/<session_id>/summaries",
    summary="List a session's summaries",
    responses={200: SummaryList, 404: ProblemDetails, **PROBLEMS},
)
def list_summaries(path: SessionPath) -> Response:
    """Return the summary and its earlier versions, newest first, bounded."""
    kept = services().call(tenant_store().summaries(path.session_id))
    return answer(SummaryList([SummaryView.of(path.session_id, each) for each in kept]))


@blueprint.post(
    "/sessions/<session_id>/summary",
    summary="Ask for a summary now",
    responses={202: SummaryAsked, 404: ProblemDetails, **PROBLEMS},
)
def post_summary(path: SessionPath) -> Response:
    """Let the session be summarised now, however short it is; `session.summarized` tells when it has been."""
    serving = services()
    serving.call(tenant_store().ask_summary(path.session_id))
    serving.waker.summarize(SessionRef(g.tenant, path.session_id))  # in vain, it is found by its due time
    return answer(SummaryAsked(session_id=path.session_id), 202)


@blueprint.get(
    "/digests",
    summary="List what is left of a customer's sessions",
    responses={200: DigestList, **PROBLEMS},
)
def list_digests(query: DigestsQuery) -> Response:
    """Return the digests of sessions that are over, of the one that ended last first."""
    kept = services().call(tenant_store().digests(query.customer_id, query.limit))
    return answer(DigestList([DigestView.of(each) for each in kept]))
