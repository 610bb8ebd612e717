"""What is remembered of a customer across sessions."""

from __future__ import annotations

import asyncio

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.audit import acted, heard_of, named
from api.console_schemas import ApproveBody
from api.memory_schemas import MemoryAnswer, MemoryBody, MemoryFound, MemoryKeyQuery, MemoryQuery, TurnView
from api.problems import ProblemDetails, invalid
from api.routes.common import PROBLEMS, answer, check_size, page
from api.services import services, tenant_store
from shared.models import MemoryEntry
from shared.remembering.entries import find_entries

blueprint = APIBlueprint(
    "memory",
    __name__,
    url_prefix="/api/memory",
    abp_tags=[Tag(name="memory", description="Memory entries of a customer")],
)


@blueprint.post("", summary="Remember", responses={200: MemoryEntry, 201: MemoryEntry, 409: ProblemDetails, **PROBLEMS})
def post_memory(body: MemoryBody) -> Response:
    """Write an entry: 201 when it is new, 200 when it replaces one of the same key, whose history is kept."""
    check_size("/value", body.value, services().settings.max_memory_value_bytes, "MAX_MEMORY_VALUE_BYTES")
    put = tenant_store().put_memory(body.customer_id, body.key, body.value, body.scope, body.facts)
    entry, new = services().call(put)
    heard_of(body.customer_id, entry.updated_at)
    return answer(entry, 201 if new else 200, nulls=True)


@blueprint.get("", summary="Read memory", responses={200: MemoryAnswer, **PROBLEMS})
def list_memory(query: MemoryQuery) -> Response:
    """List entries, last written first; `Link: rel="next"` leads on. With `query`, look for entries and turns."""
    if query.query is not None:
        return _found(query, query.query)
    found = services().call(
        tenant_store().memories(query.customer_id, query.scope, query.key, query.limit, query.cursor)
    )
    return page(found.items, found.cursor, nulls=True)


def _found(query: MemoryQuery, text: str) -> Response:
    if query.cursor is not None:
        raise invalid("/cursor", "what a query finds is not paged; leave cursor out, or raise limit")
    serving, own = services(), tenant_store()

    async def look() -> MemoryFound:
        entries, turns = await asyncio.gather(
            find_entries(own, query.customer_id, text, query.scope, query.key),
            serving.recaller.find(own, query.customer_id, text, serving.clock(), query.limit),
        )
        return MemoryFound(entries=entries[: query.limit], turns=list(map(TurnView.of, turns)))

    return answer(serving.call(look()), nulls=True)


@blueprint.delete("", summary="Forget", responses={204: None, 404: ProblemDetails, **PROBLEMS})
def delete_memory(query: MemoryKeyQuery) -> Response:
    """Remove an entry and its history."""
    serving, own = services(), tenant_store()
    found = serving.call(own.memories(query.customer_id, None, query.key, 1, None)).items
    serving.call(own.delete_memory(query.customer_id, query.key))
    discarded = any(entry.quarantined for entry in found)
    acted("discard-entry" if discarded else "delete-entry", f"entry of {named(query.customer_id)}")
    return Response(status=204)


@blueprint.post("/approve", summary="Approve", responses={200: MemoryEntry, 404: ProblemDetails, **PROBLEMS})
def approve_memory(body: ApproveBody) -> Response:
    """Let an entry in quarantine count from now on, as one that was written here. Another one stays as it is."""
    entry = services().call(tenant_store().approve_memory(body.customer_id, body.key))
    acted("approve-entry", f"entry of {named(body.customer_id)}")
    return answer(entry, nulls=True)
