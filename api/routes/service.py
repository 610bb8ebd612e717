"""Health, and the API's own description."""

from __future__ import annotations

from importlib import metadata, resources
from typing import cast

from flask import Response, abort, current_app, jsonify
from flask_openapi3 import APIBlueprint, OpenAPI, Tag

from api.problems import KINDS
from api.routes.common import answer
from api.schemas import Alive, Readiness
from api.services import services
from shared.errors import StoreError

blueprint = APIBlueprint("service", __name__, abp_tags=[Tag(name="service", description="Health")])

ASSETS = {
    "swagger-ui.css": ("css/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("js/swagger-ui-bundle.js", "text/javascript"),
}
START = "window.ui = SwaggerUIBundle({url: '/openapi.json', dom_id: '#docs', deepLinking: true});\n"
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Customer Memory API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
CONTENT_POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"


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


@blueprint.get("/openapi.json", endpoint="openapi_document", doc_ui=False)
def openapi_document() -> Response:
    """Return the OpenAPI 3.1 document, made from the routes and their models."""
    return jsonify(cast("OpenAPI", current_app).api_doc)


@blueprint.get("/docs", endpoint="docs", doc_ui=False)
def docs() -> Response:
    """Show the OpenAPI document for reading and trying, with nothing from elsewhere."""
    response = Response(PAGE, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = CONTENT_POLICY
    return response


@blueprint.get("/docs/<name>", endpoint="docs_asset", doc_ui=False)
def docs_asset(name: str) -> Response:
    """Serve the page's own files."""
    if name == "start.js":
        return Response(START, content_type="text/javascript; charset=utf-8")
    if name not in ASSETS:
        abort(404)
    path, kind = ASSETS[name]
    file = resources.files("flask_openapi3_swagger") / "templates" / "swagger" / path
    response = Response(file.read_bytes(), content_type=f"{kind}; charset=utf-8")
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response


@blueprint.get("/problems/<slug>", endpoint="problem_page", doc_ui=False)
def problem_page(slug: str) -> Response:
    """Tell in words what a problem's `type` means."""
    for error, kind in KINDS.items():
        if kind.slug == slug:
            words = " ".join((error.__doc__ or "").split())
            return Response(f"{kind.title} (HTTP {kind.status}). {words}\n", content_type="text/plain; charset=utf-8")
    return Response(
        f"{slug}: see `detail` in the answer for what happened.\n", content_type="text/plain; charset=utf-8"
    )
