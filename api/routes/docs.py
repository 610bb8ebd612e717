"""The API's own description, for machines and for people; nothing comes from elsewhere."""

from __future__ import annotations

from importlib import resources
from typing import cast

from flask import Blueprint, Response, abort, current_app, jsonify
from flask_openapi3 import OpenAPI

from api.asyncapi import asyncapi_document
from api.description import described
from api.problems import KINDS
from api.routes.service import version
from api.services import services

blueprint = Blueprint("docs", __name__)

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
CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)


@blueprint.get("/openapi.json", endpoint="openapi_document")
def openapi_document() -> Response:
    """Return the OpenAPI 3.1 document, made from the routes and their models."""
    document = cast("OpenAPI", current_app).api_doc
    return jsonify(described(document, simulated=services().settings.simulated))


@blueprint.get("/asyncapi.json", endpoint="asyncapi_document")
def events_document() -> Response:
    """Return the AsyncAPI 3 document of the events, made from their models."""
    return jsonify(asyncapi_document(version()))


@blueprint.get("/docs", endpoint="page")
def docs() -> Response:
    """Show the OpenAPI document for reading and trying, with nothing from elsewhere."""
    response = Response(PAGE, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = CONTENT_POLICY
    return response


@blueprint.get("/docs/<name>", endpoint="asset")
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


@blueprint.get("/problems/<slug>", endpoint="problem_page")
def problem_page(slug: str) -> Response:
    """Tell in words what a problem's `type` means."""
    for error, kind in KINDS.items():
        if kind.slug == slug:
            words = " ".join((error.__doc__ or "").split())
            return Response(f"{kind.title} (HTTP {kind.status}). {words}\n", content_type="text/plain; charset=utf-8")
    return Response(
        f"{slug}: see `detail` in the answer for what happened.\n", content_type="text/plain; charset=utf-8"
    )
