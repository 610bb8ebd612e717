"""`/api/summaries/batch`: sessions by the thousand, at half price, within a day."""

from __future__ import annotations

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag

from api.audit import acted
from api.problems import ProblemDetails
from api.routes.common import PROBLEMS, answer
from api.services import services, tenant_store
from api.summary_schemas import (
    BatchBody,
    BatchIdPath,
    BatchList,
    BatchResultList,
    BatchResultsQuery,
    BatchResultView,
    ListQuery,
)
from shared.errors import StoreUnavailable, UnknownBatch
from shared.storage.jobs import KeptPart, RunningPart
from shared.summarising.batch import BatchHead, BatchView, head_of, parts_of, view_of

TRIES = 5

blueprint = APIBlueprint(
    "batches",
    __name__,
    url_prefix="/api/summaries/batch",
    abp_tags=[Tag(name="batches", description="Summaries, or readings for memory, by the thousand.")],
)


@blueprint.post(
    "",
    summary="Summarise or read many sessions at half price",
    responses={202: BatchView, **PROBLEMS},
)
def post_batch(body: BatchBody) -> Response:
    """Take these sessions, those of a customer, or those idle since a moment, and have them summarised within a day.

    With `kind` `memory` they are read for memory entries instead.
    """
    serving, own = services(), tenant_store()
    batch_id = serving.ids.batch()
    now = serving.clock()
    model = serving.settings.model_that_extracts if body.kind == "memory" else serving.settings.summary_model
    head = BatchHead(created_at=now, selection=body.selection(now), model=model, kind=body.kind)
    serving.call(own.put_part(batch_id, 0, head.model_dump_json(), 0, running=True))
    serving.waker.advance_batch(RunningPart(g.tenant, batch_id, 0))  # else the next round finds it
    response = answer(view_of(batch_id, (KeptPart(0, head.model_dump_json(), 1),)), 202)
    response.headers["Location"] = f"/api/summaries/batch/{batch_id}"
    return response


@blueprint.get("", summary="List batches", responses={200: BatchList, **PROBLEMS})
def list_batches(query: ListQuery) -> Response:
    """Return the tenant's batches, newest first."""
    serving, own = services(), tenant_store()
    ids = serving.call(own.batches(query.limit))
    kept = [(batch_id, serving.call(own.batch(batch_id))) for batch_id in ids]
    return answer(BatchList([view_of(batch_id, parts) for batch_id, parts in kept if parts]))


@blueprint.get(
    "/<batch_id>", summary="Read how far a batch is", responses={200: BatchView, 404: ProblemDetails, **PROBLEMS}
)
def get_batch(path: BatchIdPath) -> Response:
    """Return counts by state, tokens, and price in the batch and beside it."""
    return answer(view_of(path.batch_id, _kept(path.batch_id)))


@blueprint.get(
    "/<batch_id>/results",
    summary="Read what became of each session",
    responses={200: BatchResultList, 404: ProblemDetails, **PROBLEMS},
)
def get_results(path: BatchIdPath, query: BatchResultsQuery) -> Response:
    """Return the sessions of a batch and their states, 500 a page."""
    parts = parts_of(_kept(path.batch_id))
    number = query.cursor
    items = parts[number].items if number < len(parts) else ()
    response = answer(BatchResultList([BatchResultView.of(item) for item in items]))
    if number + 1 < len(parts):
        response.headers["Link"] = f'</api/summaries/batch/{path.batch_id}/results?cursor={number + 1}>; rel="next"'
    return response


@blueprint.post(
    "/<batch_id>/cancel", summary="Cancel a batch", responses={202: BatchView, 404: ProblemDetails, **PROBLEMS}
)
def cancel_batch(path: BatchIdPath) -> Response:
    """Stop what has not begun. What Claude has answered by then is stored and paid for."""
    serving, own = services(), tenant_store()
    for _ in range(TRIES):
        kept = _kept(path.batch_id)
        head = head_of(kept)
        if head.canceled:
            return answer(view_of(path.batch_id, kept), 202)
        value = head.model_copy(update={"canceled": True}).model_dump_json()
        if serving.call(own.put_part(path.batch_id, 0, value, kept[0].version, running=not head.collected)):
            acted("cancel-batch", f"batch {path.batch_id}")
            return answer(view_of(path.batch_id, _kept(path.batch_id)), 202)
    raise StoreUnavailable("the batch changed each time it was looked at")


def _kept(batch_id: str) -> tuple[KeptPart, ...]:
    kept = services().call(tenant_store().batch(batch_id))
    if not kept:
        raise UnknownBatch
    return kept
