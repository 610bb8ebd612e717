"""Customers as a whole: exporting one, erasing one, merging two."""

from __future__ import annotations

import asyncio
from typing import Final

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag

from api.audit import acted, heard_of, named
from api.console_schemas import CustomerAccountView, CustomerList, CustomersQuery, CustomerView, PageQuery
from api.customer_schemas import CustomerPath, Erasing, ExportLine, MergeBody, Merging
from api.problems import RETRY_SECONDS, ProblemDetails, invalid
from api.routes.common import PROBLEMS, answer, page
from api.services import services, tenant_store
from api.summary_schemas import DigestList, DigestView
from api.waiting import export
from shared.clock import from_ms, to_ms
from shared.storage.cursors import place_cursor, read_place
from shared.storage.types import KeptDigest

JSON_LINES: Final = "application/x-ndjson"
AT_ONCE_SECONDS: Final = 1.0  # after that the caller is told that it goes on

blueprint = APIBlueprint(
    "customers",
    __name__,
    url_prefix="/api/customers",
    abp_tags=[Tag(name="customers", description="All that is kept of a customer")],
)


@blueprint.get("", summary="List customers", responses={200: CustomerList, **PROBLEMS})
def list_customers(query: CustomersQuery) -> Response:
    """List customers, of whom something was heard last first; a page may hold fewer than `limit`."""
    found = services().call(tenant_store().customers(query.query or "", query.limit, query.cursor))
    return page([CustomerView.of(each) for each in found.items], found.cursor)


# The id is the caller's, and may hold slashes, percent-encoded.
@blueprint.get(
    "/<anything:customer_id>/digests",
    summary="List what is left of a customer's sessions",
    responses={200: DigestList, **PROBLEMS},
    merge_slashes=False,
)
def list_customer_digests(path: CustomerPath, query: PageQuery) -> Response:
    """List digests of sessions that are over, of the one that ended last first."""
    before = None
    if query.cursor is not None:
        at, session_id = read_place(query.cursor)
        before = KeptDigest(session_id, "", from_ms(at), 0)
    found = services().call(tenant_store().digests(path.customer_id, query.limit + 1, before))
    shown = found[: query.limit]
    more = len(found) > len(shown)
    cursor = place_cursor(to_ms(shown[-1].ended_at), shown[-1].session_id) if more else None
    return page([DigestView.of(each) for each in shown], cursor)


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


@blueprint.get(
    "/<anything:customer_id>",
    summary="Read a customer",
    responses={200: CustomerAccountView, 404: ProblemDetails, **PROBLEMS},
    merge_slashes=False,
)
def get_customer(path: CustomerPath) -> Response:
    """Tell how much is kept of a customer, and how many entries wait for approval."""
    serving, own = services(), tenant_store()
    account = serving.call(own.customer(path.customer_id))
    return answer(CustomerAccountView.of_account(account, serving.call(own.pseudonym(path.customer_id))))


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
        until = loop.time() + AT_ONCE_SECONDS
        while await own.erase_customer(path.customer_id):
            if loop.time() >= until:
                return True
        return False

    serving, tenant = services(), g.tenant
    again = serving.call(erase())
    acted("erase-customer", named(path.customer_id))
    serving.note(lambda noter: noter.changed(tenant, "customers", "requests"))
    if not again:
        return Response(status=204)
    response = answer(Erasing(), 202)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


@blueprint.post(
    "/<anything:customer_id>/merge",
    summary="Merge another customer into this one",
    responses={200: Merging, 202: Merging, 404: ProblemDetails, 409: ProblemDetails, **PROBLEMS},
    merge_slashes=False,
)
def merge_customer(path: CustomerPath, body: MergeBody) -> Response:
    """Let all that is kept of `from` be this customer's: 200 when it is, 202 while it goes on by itself.

    From then on `from` stands for this customer, wherever it is named.
    """
    if body.source == path.customer_id:
        raise invalid("/from", "is the customer it is to be merged into; name another one")
    own = tenant_store()

    async def merge() -> int:
        loop = asyncio.get_running_loop()
        until = loop.time() + AT_ONCE_SECONDS
        while left := await own.merge_customer(body.source, path.customer_id):
            if loop.time() >= until:
                return left
        return 0

    serving, tenant = services(), g.tenant
    left = serving.call(merge())
    acted("merge-customer", named(path.customer_id))
    heard_of(path.customer_id, serving.clock())  # it may be an id that was in no list
    serving.note(lambda noter: noter.changed(tenant, "customers", "requests"))
    told = Merging(
        status="merging" if left else "merged", customer_id=path.customer_id, source=body.source, sessions_left=left
    )
    response = answer(told, 202 if left else 200)
    if left:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
