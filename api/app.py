"""The Flask application: hooks, errors, routes."""

from __future__ import annotations

import structlog
from flask import Response, g, request
from flask_openapi3 import Info, OpenAPI
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import PathConverter

from api.auth import authenticate
from api.body import read_json
from api.problems import (
    HTTP_SLUGS,
    INTERNAL,
    Kind,
    Problem,
    ProblemDetails,
    from_validation,
    kind_of,
    respond,
)
from api.request_id import HEADER, request_id_from
from api.routes import (
    agent,
    batches,
    callbacks,
    chat,
    customers,
    deliveries,
    docs,
    hooks,
    memory,
    operations,
    pages,
    requests,
    service,
    sessions,
    sign_in,
    summaries,
    webhooks,
)
from api.services import ApiServices
from shared.errors import CustomerMemoryError

log = structlog.get_logger()

DESCRIPTION = (
    "Persistent memory for customer support. A message is accepted with 202 and answered in its session's order; its "
    "reply is polled, awaited, streamed, or posted. Every error is `application/problem+json`. Events on the broker "
    "are told by [AsyncAPI](/asyncapi.json)."
)


class Anything(PathConverter):
    """The rest of a path that is the caller's own word: it may begin with a slash."""

    regex = ".+?"
    part_isolating = False


def create_flask(services: ApiServices) -> OpenAPI:
    """Return the application, serving with the given services."""
    app = OpenAPI(
        "customer-memory",
        info=Info(title="Customer Memory", version=service.version(), description=DESCRIPTION),
        security_schemes={"apiKey": {"type": "http", "scheme": "bearer"}},
        validation_error_status=400,
        validation_error_model=ProblemDetails,
        validation_error_callback=_refuse,
        doc_ui=False,
        static_folder=None,
    )
    app.extensions["customer_memory"] = services
    app.url_map.strict_slashes = False
    app.url_map.converters["anything"] = Anything
    app.before_request(_name_request)
    app.before_request(authenticate)
    app.before_request(read_json)
    app.after_request(_finish)
    app.register_error_handler(Exception, _tell)
    for module in (
        chat,
        callbacks,
        deliveries,
        hooks,
        webhooks,
        sessions,
        summaries,
        batches,
        memory,
        customers,
        requests,
        operations,
        agent,
        sign_in,
        service,
    ):
        app.register_api(module.blueprint)
    app.register_blueprint(docs.blueprint)
    app.register_blueprint(pages.blueprint)
    return app


def _refuse(error: ValidationError) -> Response:
    raise from_validation(error)


def _name_request() -> None:
    g.request_id = request_id_from(request.headers.get(HEADER))
    structlog.contextvars.bind_contextvars(http_request=g.request_id)


def _finish(response: Response) -> Response:
    response.headers[HEADER] = g.get("request_id", "")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")
    structlog.contextvars.clear_contextvars()
    return response


def _tell(error: Exception) -> Response:
    request_id = g.get("request_id")
    if isinstance(error, Problem):
        return respond(error.kind, error.detail, error.errors, request_id, error.after)
    kind = kind_of(error)
    if kind is not None and isinstance(error, CustomerMemoryError):
        if kind.status == INTERNAL.status:
            log.error("request.failed", path=request.path, exc_info=error)
            return respond(kind, "The error was logged under this request id.", request_id=request_id)
        return respond(kind, str(error), request_id=request_id)
    if isinstance(error, HTTPException):
        status = error.code or INTERNAL.status
        slug = HTTP_SLUGS.get(status, f"http-{status}")
        response = respond(Kind(status, slug, error.name), error.description or error.name, request_id=request_id)
        if status == 405:  # noqa: PLR2004 - Method Not Allowed names what is allowed
            response.headers["Allow"] = error.get_response().headers.get("Allow", "")
        return response
    log.error("request.failed", path=request.path, exc_info=error)
    return respond(INTERNAL, "The error was logged under this request id.", request_id=request_id)
