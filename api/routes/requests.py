"""`/api/requests`: chat requests of the whole tenant."""

from __future__ import annotations

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.console_schemas import RequestList, RequestsQuery, RequestView
from api.routes.common import PROBLEMS, page
from api.services import services, tenant_store

blueprint = APIBlueprint(
    "requests", __name__, url_prefix="/api/requests", abp_tags=[Tag(name="console", description="Looking inside")]
)


@blueprint.get("", summary="List requests", responses={200: RequestList, **PROBLEMS})
def list_requests(query: RequestsQuery) -> Response:
    """List the tenant's requests, newest first; a page may hold fewer than `limit`."""
    found = services().call(tenant_store().listed_requests(query.status, query.limit, query.cursor))
    return page([RequestView.of(each) for each in found.items], found.cursor)
