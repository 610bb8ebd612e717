"""Health."""

from __future__ import annotations

from importlib import metadata

from flask import Response
from flask_openapi3 import APIBlueprint, Tag

from api.routes.common import answer
from api.schemas import Alive, Readiness
from api.services import services
from shared.errors import StoreError

blueprint = APIBlueprint("service", __name__, abp_tags=[Tag(name="service", description="Health")])


def version() -> str:
    """Return the installed version of this package."""
    try:
        return metadata.version("customer-memory")
    except metadata.PackageNotFoundError:
        return "0+unknown"


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
