"""Health, and metrics."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from flask import Response, g
from flask_openapi3 import APIBlueprint, Tag
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from api.routes.common import PROBLEMS, answer
from api.schemas import Alive, Readiness
from api.services import services, tenant_store
from shared.errors import StoreError

FAMILIES = {
    "summary": "Summary jobs that ended, by what became of them",
    "summary_fault": "Answers of the summariser that were no good summary, by what was wrong",
    "extraction": "What a model would remember, by what became of it; and its answers that could not be read, by why",
    "extraction_tokens": "Tokens of the model that reads conversations for memory entries, input and output",
    "callback": "Callbacks: attempts delivered and failed, deliveries given up (dead) and replayed, endpoints stopped",
    "takeover": "Replies that were written in vain (wasted), because a person took the conversation over meanwhile",
    "batch": "Sessions of batches of summaries, by what became of them",
}

blueprint = APIBlueprint("service", __name__, abp_tags=[Tag(name="service", description="Health")])


def version() -> str:
    """Return the installed version of this package."""
    try:
        return metadata.version("customer-memory")
    except metadata.PackageNotFoundError:
        return "0+unknown"


@blueprint.get("/metrics", endpoint="metrics", summary="Count", responses={200: None, **PROBLEMS})
def metrics() -> Response:
    """Tell the tenant's counts in Prometheus' text format."""
    counts = services().call(tenant_store().counts())
    registry = CollectorRegistry()
    registry.register(Counts(g.tenant, counts))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class Counts(Collector):
    """A tenant's counts, as Prometheus takes them: names are `family.outcome`."""

    def __init__(self, tenant: str, counts: dict[str, int]) -> None:
        self._tenant = tenant
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield a family for each kind of thing that is counted."""
        for family, words in FAMILIES.items():
            metric = CounterMetricFamily(f"customer_memory_{family}", words, labels=("tenant", "outcome"))
            for name, count in sorted(self._counts.items()):
                kind, _, outcome = name.partition(".")
                if kind == family:
                    metric.add_metric((self._tenant, outcome), count)
            yield metric


@blueprint.get("/healthz", endpoint="alive", summary="Is the process alive?", responses={200: Alive})
def alive() -> Response:
    """Answer, and touch nothing."""
    return answer(Alive())


@blueprint.get("/readyz", endpoint="ready", summary="Can it serve?", responses={200: Readiness, 503: Readiness})
def ready() -> Response:
    """Ask the store and the broker. Without the store nothing can be accepted (503); without the broker it can."""
    serving = services()
    store = True
    try:
        serving.call(serving.store.ping())
    except StoreError:
        store = False
    readiness = Readiness(
        status="ready" if store else "unready",
        store="ok" if store else "away",
        broker="ok" if serving.waker.answers() else "away",
        simulated=serving.settings.simulated,
        counter=serving.counter.name,
        version=version(),
    )
    return answer(readiness, 200 if store else 503)
