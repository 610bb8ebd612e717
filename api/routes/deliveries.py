"""`/api/deliveries`: what became of callbacks, and beginning them anew."""

from __future__ import annotations

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag

from api.audit import acted
from api.callback_schemas import (
    DeliveriesQuery,
    DeliveryList,
    DeliveryPath,
    DeliveryView,
    ReplayBody,
    ReplayView,
    request_id_of,
)
from api.problems import ProblemDetails
from api.routes.common import PROBLEMS, answer, page
from api.services import services, tenant_store
from shared.callbacks.delivery import Delivery
from shared.callbacks.desk import replay, replay_page
from shared.errors import UnknownDelivery
from shared.storage.contract import TenantStore
from shared.storage.deliveries import DeliveryRef
from shared.storage.types import Page

LOOKS = 10  # at the list, for one page of a hook's
MOST_PAGES = 20  # of one replay; a caller that wants more asks again

blueprint = APIBlueprint(
    "deliveries",
    __name__,
    url_prefix="/api/deliveries",
    abp_tags=[Tag(name="callbacks", description="Results, posted to you and signed")],
)


@blueprint.get("", summary="List deliveries", responses={200: DeliveryList, **PROBLEMS})
def list_deliveries(query: DeliveriesQuery) -> Response:
    """Return deliveries, the one that began last first."""
    serving, own = services(), tenant_store()
    if query.request_id is not None:
        kept = serving.call(own.delivery(request_id_of(query.request_id)))
        found = [Delivery.read(kept)] if kept is not None and query.status in {None, kept.status} else []
        return page([DeliveryView.of(each) for each in found if query.hook_id in {None, each.hook_id}], None)
    listed = serving.call(_listed(own, query))
    return page([DeliveryView.of(each) for each in listed.items], listed.cursor)


async def _listed(own: TenantStore, query: DeliveriesQuery) -> Page[Delivery]:
    """Return a page; of one hook's, fewer where they are far between: no request reads all deliveries."""
    found, cursor = list[Delivery](), query.cursor
    for _ in range(LOOKS if query.hook_id else 1):
        listed = await own.deliveries(query.status, query.limit - len(found), cursor)
        read = map(Delivery.read, listed.items)
        found += [each for each in read if query.hook_id in {None, each.hook_id}]
        cursor = listed.cursor
        if cursor is None or len(found) >= query.limit:
            break
    return Page(tuple(found), cursor)


@blueprint.get(
    "/<delivery_id>", summary="Read a delivery", responses={200: DeliveryView, 404: ProblemDetails, **PROBLEMS}
)
def get_delivery(path: DeliveryPath) -> Response:
    """Return a delivery with its attempts."""
    kept = services().call(tenant_store().delivery(request_id_of(path.delivery_id)))
    if kept is None:
        raise UnknownDelivery
    return answer(DeliveryView.of(Delivery.read(kept)))


@blueprint.post(
    "/<delivery_id>/replay",
    summary="Post a result again",
    responses={202: DeliveryView, 404: ProblemDetails, **PROBLEMS},
)
def replay_one(path: DeliveryPath) -> Response:
    """Begin a delivery anew, under the same `webhook-id`, whatever became of it."""
    serving, request_id = services(), request_id_of(path.delivery_id)
    delivery = serving.call(replay(tenant_store(), request_id))
    serving.waker.deliver(DeliveryRef(g.tenant, request_id))  # else the next round finds it
    acted("replay-delivery", f"delivery of request {request_id}")
    return answer(DeliveryView.of(delivery), 202)


@blueprint.post("/replay", summary="Post many results again", responses={202: ReplayView, **PROBLEMS})
def replay_many(body: ReplayBody) -> Response:
    """Begin all deliveries anew that began since a moment and stand so; some thousand at a time."""
    serving, own = services(), tenant_store()
    replayed, cursor = 0, body.cursor
    for _ in range(MOST_PAGES):
        done, cursor = serving.call(replay_page(own, body.status, body.since, cursor))
        replayed += done
        if cursor is None:
            break
    acted("replay-deliveries", f"{replayed} deliveries that were {body.status}")
    return answer(ReplayView(replayed=replayed, cursor=cursor), 202)
