"""The API's errors: one class, one table from status to type and message, one JSON shape."""

from collections.abc import Mapping

from pydantic import JsonValue

# Status → error type, message when none is given. Source: Anthropic's error reference and the SDK's classes.
ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("invalid_request_error", "Invalid request."),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "Not found."),
    405: ("invalid_request_error", "Method not allowed."),
    408: ("timeout_error", "The request body did not arrive in time."),
    413: ("request_too_large", "Request exceeds the maximum allowed number of bytes: 32 MB."),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    500: ("api_error", "Internal server error."),
    503: ("api_error", "Service unavailable."),
    504: ("timeout_error", "The request timed out while it was being processed."),
    529: ("overloaded_error", "Overloaded."),
}


class ApiError(Exception):
    """The request is refused with an HTTP status, as the Messages API would refuse it."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        error_code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        kind, default = ERRORS.get(status, ("invalid_request_error", "Invalid request."))
        super().__init__(message or default)
        self.status = status
        self.kind = kind
        self.message = message or default
        self.error_code = error_code
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> dict[str, JsonValue]:
        """Return `{"type": "error", "error": {"type", "message", "details"?}, "request_id"}`."""
        error: dict[str, JsonValue] = {"type": self.kind, "message": self.message}
        if self.error_code is not None:
            error["details"] = {"error_code": self.error_code}
        return {"type": "error", "error": error, "request_id": request_id}
