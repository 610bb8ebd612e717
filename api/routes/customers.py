"""Customers as a whole: exporting one, erasing one."""

from __future__ import annotations

import asyncio
from typing import Final

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.customer_schemas import CustomerPath, Erasing, ExportLine
from api.problems import RETRY_SECONDS
from api.routes.common import PROBLEMS, answer
from api.services import services, tenant_store
from api.waiting import export

JSON_LINES: Final = "application/x-ndjson"
ERASE_SECONDS: Final = 1.0  # after that the caller is told that it goes on

blueprint = APIBlueprint(
    "customers",
    __name__,
    url_prefix="/api/customers",
    abp_tags=[Tag(name="customers", description="All that is kept of a customer")],
)


# The id is the caller's, and may hold slashes, percent-encoded.
@blueprint.get(
    "/<anything:customer_id>/export",
    summary="Export a customer",
    responses={200: ExportLine, **PROBLEMS},
    merge_slashes=False,
)
def export_customer(path: CustomerPath) -> Response:
    """Send all that is kept of a customer as JSON Lines; the last line has the type `end`."""
    services().call(tenant_store().sessions(path.customer_id, 1, None))  # whether the store answers
    return export(Response(content_type=JSON_LINES), path.customer_id)


@blueprint.delete(
    "/<anything:customer_id>",
    summary="Erase a customer",
    responses={202: Erasing, 204: None, **PROBLEMS},
    merge_slashes=False,
)
def erase_customer(path: CustomerPath) -> Response:
    """Erase a customer with all that was made of them: 204 when it is done, 202 while it goes on by itself."""
    own = tenant_store()

    async def erase() -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + ERASE_SECONDS
        while await own.erase_customer(path.customer_id):
            if loop.time() >= until:
                return True
        return False

    if not services().call(erase()):
        return Response(status=204)
    response = answer(Erasing(), 202)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
