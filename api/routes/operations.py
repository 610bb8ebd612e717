"""Running the service: tenants, status, usage, what people did, and what changes."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag

from api.auth import DEFAULT_TENANT
from api.console_schemas import (
    ActionList,
    ActionsQuery,
    ActionView,
    Breaker,
    ClaudeView,
    QueueView,
    ServiceStatus,
    TenantList,
    TenantView,
    UsageList,
    UsageQuery,
    UsageView,
    WorkerView,
)
from api.problems import FORBIDDEN, Problem
from api.routes.common import PROBLEMS, answer, page
from api.routes.service import version
from api.services import services, tenant_store
from api.waiting import live
from shared.context.prices import price_of
from shared.errors import StoreError
from shared.storage.tenant_index import SeenWorker, Waiting

WORST: tuple[Breaker, ...] = ("open", "half-open", "closed")

blueprint = APIBlueprint(
    "operations", __name__, url_prefix="/api", abp_tags=[Tag(name="console", description="Looking inside")]
)


@blueprint.get("/tenants", endpoint="tenants", summary="List tenants", responses={200: TenantList, **PROBLEMS})
def list_tenants() -> Response:
    """List tenants by name, with how many keys open each. Operators only."""
    if not g.caller.operates:
        raise Problem(FORBIDDEN, "Only an operator's key lists tenants.")
    serving = services()
    keys = Counter(
        key.tenant
        for key in serving.call(serving.store.access.list())
        if key.role == "tenant" and key.revoked_at is None
    )
    names = {*keys, *serving.call(serving.store.tenants())}
    if g.caller.role == "open":
        names.add(DEFAULT_TENANT)
    return answer(TenantList([TenantView(tenant=name, keys=keys[name]) for name in sorted(names)]))


@blueprint.get("/status", endpoint="status", summary="How is the service?", responses={200: ServiceStatus, **PROBLEMS})
def get_status() -> Response:
    """Tell how Claude, store, broker and workers are."""
    serving, wide = services(), g.caller.operates
    store, errors, opened = True, dict[str, int](), 0
    workers, waiting = list[SeenWorker](), Waiting(0, 0)
    try:
        errors = serving.call(tenant_store().faults())
        opened = serving.call(tenant_store().open_requests())
        workers = serving.call(serving.store.workers())
        waiting = serving.call(serving.store.waiting()) if wide else waiting
    except StoreError:
        store = False
    depths = serving.waker.depths() if wide else None
    told = ServiceStatus(
        version=version(),
        store="ok" if store else "away",
        broker="ok" if serving.waker.answers() else "away",
        claude=ClaudeView(simulated=serving.settings.simulated, breaker=_worst(workers), errors=errors),
        open_requests=opened,
        queues=[QueueView(name=name, depth=depth) for name, depth in depths.items()] if depths is not None else None,
        workers=[WorkerView.of(seen) for seen in workers] if wide else None,
        due_work=waiting.due if wide else None,
        overdue=waiting.overdue if wide else None,
    )
    return answer(told)


@blueprint.get(
    "/usage",
    endpoint="usage",
    summary="What was used, and its price",
    responses={200: UsageList, **PROBLEMS},
)
def get_usage(query: UsageQuery) -> Response:
    """Tell tokens and price by day and model, newest day first."""
    serving = services()
    since = serving.clock().date() - timedelta(days=query.days - 1)
    rows = serving.call(tenant_store().usage(since))
    return answer(UsageList([UsageView.of(row, priced=price_of(row.kind.model) is not None) for row in rows]))


@blueprint.get("/actions", endpoint="actions", summary="List what people did", responses={200: ActionList, **PROBLEMS})
def list_actions(query: ActionsQuery) -> Response:
    """List what was destroyed, repeated or decided through the API, newest first."""
    found = services().call(tenant_store().actions(query.limit, query.cursor))
    return page([ActionView.of(each, g.tenant) for each in found.items], found.cursor)


@blueprint.get("/live", endpoint="live", summary="Hear of changes", responses={**PROBLEMS})
def get_live() -> Response:
    """Server-sent events: `change` with the topics in which something has changed, once a second at most."""
    services().call(tenant_store().changes())  # whether the store answers
    return live(Response(content_type="text/event-stream"))


def _worst(workers: list[SeenWorker]) -> Breaker:
    told = {state for seen in workers for state in seen.heartbeat.breakers.values()}
    return next((state for state in WORST if state in told), "unknown")
