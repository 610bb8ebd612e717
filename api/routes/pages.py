"""The pages people look at: static files that ask the API, as any other caller does. Nothing comes from elsewhere."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, send_from_directory

blueprint = Blueprint("pages", __name__)

STATIC = Path(__file__).parent.parent / "static"
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@blueprint.get("/", endpoint="chat")
def chat() -> Response:
    """Show the chat page."""
    return _file("chat.html")


@blueprint.get("/console", endpoint="console")
def console() -> Response:
    """Show the console: one page, its views are told apart behind the `#`."""
    return _file("console/console.html")


@blueprint.get("/static/<path:name>", endpoint="asset")
def asset(name: str) -> Response:
    """Serve the pages' own files."""
    return _file(name)


def _file(name: str) -> Response:
    response = send_from_directory(STATIC, name, max_age=0)
    response.headers["Cache-Control"] = "no-cache"  # kept, and asked for anew: it costs a 304
    response.headers["Content-Security-Policy"] = CONTENT_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
